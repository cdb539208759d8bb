import json
from pathlib import Path

import pytest

from experiments.paper import __main__ as command
from experiments.paper import configs, render
from faceoff.campaign import grid
from faceoff.campaign.people import Targets
from faceoff.errors import FaceOffError
from tests.unit.campaign.fakes import folder, house

PEOPLE = ("barack", "leo", "matt", "melania", "morgan", "taylor")


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("name", configs.NAMES)
def test_every_figure_has_a_campaign_that_can_be_run(name: str, size: str) -> None:
    campaign = configs.campaign(name, size, Path("people"))
    grid.check_size(campaign)
    assert campaign.people.folder.name == "people"
    surrogates = {
        surrogate for series in campaign.plans for plan in grid.plans(series, 0) for surrogate in plan.surrogates
    }
    assert surrogates == {"facenet"}
    assert not surrogates & set(campaign.victims.local)


@pytest.mark.parametrize("name", configs.NAMES)
def test_what_is_compared_is_measured(name: str) -> None:
    """Each comparison names one line of each size."""
    config = configs.read(name)
    for size in ("small", "full"):
        campaign = configs.campaign(name, size, Path("people"))
        plans = [(series.title, plan) for series in campaign.plans for plan in grid.plans(series, 0)]
        for compared in config.compare:
            where = compared.ours.where
            encodings = [encoding.name for encoding in campaign.encodings]
            assert where.get("encoding", encodings[0]) in encodings
            assert "encoding" in where or len(encodings) == 1
            assert set(compared.ours.alphas) <= set(campaign.alphas)
            assert where.get("victim", campaign.victims.local[0]) in campaign.victims.local
            assert compared.ours.runtime in ("", *(title for title, _ in plans))
            if compared.ours.table == "masks" and "series" in where:
                decides = {key: where[key] for key in ("kappa", "epsilon", "loss") if key in where}
                same = [
                    plan
                    for title, plan in plans
                    if title == where["series"] and all(getattr(plan, key) == value for key, value in decides.items())
                ]
                assert len(same) == 1


def test_what_is_like_another_differs_from_it_in_what_it_says_alone() -> None:
    for size in ("small", "full"):
        first, cropped = (configs.campaign(name, size, Path("people")) for name in ("figure-7", "figure-18"))
        assert [encoding.name for encoding in cropped.encodings] == ["png", "png-cropped"]
        assert cropped.people.pairs == first.people.pairs
        same = {name: getattr(first, name) for name in ("name", "claim", "people", "encodings")}
        assert cropped.model_copy(update=same) == first


def test_figures_that_are_untargeted_know_the_person_alone() -> None:
    campaign = configs.campaign("figure-4", "full", Path("people"))
    assert {series.targets for series in campaign.plans} == {Targets.SELF}


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(FaceOffError, match=r"There is no ../x. Known: figure-3"):
        configs.read("../x")
    assert command.main(["../x", "--people", "."]) == 2


def test_a_reproduction_ends_in_a_small_file_and_a_page(tmp_path: Path) -> None:
    people = folder(tmp_path / "people", PEOPLE, shots=8)
    for name in ("figure-5", "figure-6", "figure-16", "figure-17", "table-9"):
        path = command.reproduce(name, "small", people, tmp_path / "runs", tmp_path / "results", house)
        assert path.name == f"{name}-small.json"
        assert path.stat().st_size < 100_000
        assert str(tmp_path) not in path.read_text()
        assert json.loads(path.read_text())["hardware"]
    assert (tmp_path / "runs" / "figure-5-small" / "report" / "index.html").exists()
    page = render.page(tmp_path / "results")
    assert "not run yet" in page
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {5}
    for name in ("figure 5", "figure 6", "figure 16", "figure 17", "table 9"):
        section = page.split(f"## {name.capitalize()}\n")[1].split("\n## ")[0]
        assert "not run yet" not in section
        assert "| - |" not in section
