from pathlib import Path
from typing import Any

import pytest

from faceoff.campaign import grid
from faceoff.campaign.grid import Job
from faceoff.campaign.people import Person, Targets, known, read
from faceoff.errors import FaceOffError, Reason
from faceoff.types import OWN, Loss
from tests.unit.campaign.fakes import Detector, campaign, weights


@pytest.fixture(scope="module")
def everybody(people: Path) -> list[Person]:
    return read(people, Detector())[0]


def jobs(people: Path, everybody: list[Person], /, **changes: Any) -> tuple[list[Job], list[Job]]:
    return grid.expand(campaign(people, **changes), everybody, weights)


def cells(some: list[Job]) -> set[str]:
    return {job.cell(look, "v1") for job in some for look in job.looks}


def test_ids_say_what_decides_and_nothing_else(people: Path, everybody: list[Person]) -> None:
    clean, masks = jobs(people, everybody)
    assert len(masks) == 4 * 2
    assert len({job.mask for job in masks}) == 8
    assert len(cells(masks)) == 8 * 3 * 2
    again = jobs(people, everybody, name="other", claim="x", alphas=[8, 3, 1])[1]
    assert cells(again) == cells(masks)
    wider = jobs(people, everybody, alphas=[1, 2, 3, 8])[1]
    assert cells(masks) < cells(wider)
    assert {job.mask for job in wider} == {job.mask for job in masks}
    for changes in ({"seed": 1}, {"people": {"folder": str(people), "limit": 4, "photos": 2}}):
        assert not cells(jobs(people, everybody, **changes)[1]) & cells(masks)
    other = grid.expand(campaign(people), everybody, lambda name: "other weights")[1]
    assert not cells(other) & cells(masks)
    assert len(clean) == len({(job.pair.source, job.pair.shot) for job in masks})


def test_a_photo_that_has_changed_is_another_cell(people: Path, everybody: list[Person]) -> None:
    first = everybody[0].shots[0]
    changed = type(first)(first.data + b"x", first.crop, first.file)
    others = [Person("ada", (changed, *everybody[0].shots[1:])), *everybody[1:]]
    plans = [{"plan": "paper/pgd_l2", "set": {"loss": "dodge"}}]
    before = jobs(people, everybody, plans=plans)[1]
    after = jobs(people, others, plans=plans)[1]
    assert len(cells(before) & cells(after)) == len(cells(before)) - 6


def test_the_grid_is_every_combination(people: Path, everybody: list[Person]) -> None:
    plans = [
        {
            "plan": "paper/cw_l2_small",
            "grid": {
                "kappa": [0, 1],
                "iterations": [5, 9],
                "loss": ["hinge", "dodge"],
                "surrogates": [["a"], ["a", "b"]],
            },
        }
    ]
    masks = jobs(people, everybody, plans=plans)[1]
    combinations = {(j.plan.kappa, j.plan.iterations, j.plan.loss, j.plan.surrogates) for j in masks}
    assert len(combinations) == 16
    assert {job.targets for job in masks if job.plan.loss is Loss.DODGE} == {Targets.NONE}


def test_two_plans_that_are_one_make_one_mask(people: Path, everybody: list[Person]) -> None:
    plans = [{"plan": "paper/pgd_l2", "name": name, "set": {"loss": "hinge"}} for name in ("one", "two")]
    assert {job.series for job in jobs(people, everybody, plans=plans)[1]} == {"one"}


def test_a_limit_takes_few_targets(people: Path, everybody: list[Person]) -> None:
    masks = jobs(people, everybody, people={"folder": str(people), "limit": 6})[1]
    assert len({job.pair.target for job in masks}) == 2
    assert len({job.pair for job in masks}) == 6


def test_photos_under_attack_are_known_to_nobody(people: Path, everybody: list[Person]) -> None:
    masks = jobs(people, everybody, people={"folder": str(people), "pairs": [["ada", "bea"]], "photos": 2})[1]
    assert len({job.pair for job in masks}) == 2
    told = known(everybody, masks[0].pair, Targets.PAIR, 2)
    attacked = {everybody[job.pair.source].shots[job.pair.shot].file for job in masks}
    assert not attacked & {shot.file for shot in told["ada"]}
    assert len(told["bea"]) == 4
    own = known(everybody, masks[0].pair, Targets.SELF)
    assert list(own) == [OWN]


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"victims": {"local": ["facenet"]}}, Reason.VICTIM_IS_SURROGATE, "both a surrogate and a victim"),
        ({"people": {"sources": ["../x"]}}, Reason.INVALID_ARGUMENT, "no person ../x"),
        ({"people": {"pairs": [["ada", "ada"]]}}, Reason.INVALID_ARGUMENT, "same person twice"),
        ({"people": {"photos": 4}}, Reason.INVALID_ARGUMENT, "somebody has only 4"),
        ({"plans": [{"plan": "paper/pgd_l2", "set": {"loss": "hinge"}, "targets": "none"}]}, Reason.INVALID_ARGUMENT, "other"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused(
    people: Path, everybody: list[Person], changes: dict[str, Any], reason: Reason, words: str
) -> None:
    if "people" in changes:
        changes = changes | {"people": changes["people"] | {"folder": str(people)}}
    with pytest.raises(FaceOffError) as caught:
        jobs(people, everybody, **changes)
    assert caught.value.reason is reason
    assert words in caught.value.message


def test_too_many_cells_are_refused_with_their_count(people: Path, everybody: list[Person]) -> None:
    with pytest.raises(FaceOffError, match=r"has [0-9,]+ cells; at most"):
        jobs(
            people,
            everybody,
            people={"folder": str(people)},
            plans=[{"plan": "paper/pgd_l2", "grid": {"kappa": [n / 10 for n in range(600)]}, "set": {"loss": "dodge"}}],
            alphas=[n / 10 for n in range(1, 13)],
        )
