import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import protocol, render
from experiments.people import Split
from experiments.protocol import Experiment, perform, summary
from faceoff.attacks.attacker import LocalAttacker
from faceoff.campaign.journal import Journal, Row
from faceoff.campaign.people import Person, Targets, read
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import window
from faceoff.presets import STRENGTHS
from faceoff.types import CROP_SIZE, Loss, Plan
from tests.unit import tiny
from tests.unit.experiments.house import Attacker, Detector, Networks, folder, house

PLAN = replace(STRENGTHS["balanced"], surrogates=("a",), iterations=2)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Person]:
    return read(folder(tmp_path_factory.mktemp("people")), Detector())[0]


def rows_of(experiment: Experiment, people: list[Person], path: Path, **kinds: Any) -> list[Row]:
    return perform(experiment, people, house(**kinds), Journal(path), "people", "test")


def test_a_victim_that_is_a_surrogate_is_refused() -> None:
    with pytest.raises(FaceOffError) as caught:
        Experiment(PLAN, ("a", "b"))
    assert caught.value.reason is Reason.VICTIM_IS_SURROGATE


def test_a_victim_without_a_threshold_is_refused() -> None:
    rooms = house()
    blind = replace(rooms, card=lambda name: replace(rooms.card(name), thresholds={}))
    protocol.check(Experiment(PLAN, ("b",)), rooms)
    with pytest.raises(FaceOffError) as caught:
        protocol.check(Experiment(PLAN, ("b",)), blind)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_what_is_around_the_face_is_the_window_without_the_box() -> None:
    (crop,) = tiny.crops(1)
    before = np.full((CROP_SIZE, CROP_SIZE, 3), 100, np.uint8)
    box = np.s_[50:140, 60:130]  # that of every tiny face
    changed = before.copy()
    changed[box] += 50
    assert protocol.rms_around(changed, before, crop) == 0
    assert protocol.rms_around(before + np.uint8(4), before, crop) == 4
    outside = before + 4 * (window(crop.landmarks) == 0).astype(np.uint8)
    assert protocol.rms_around(outside, before, crop) == 0


def test_every_pair_has_a_row_with_all_conditions_and_forms(people: list[Person], tmp_path: Path) -> None:
    experiment = Experiment(PLAN, ("b",), Split.REPORT)
    rows = rows_of(experiment, people, tmp_path / "rows.jsonl")
    assert [row["pair"][0] for row in rows] == [2, 2, 2, 3, 3, 3]
    for row in rows:
        cells = row["cells"]["b"]
        assert list(cells) == ["clean", "mask", "white", "spectrum"]
        assert all(list(forms) == ["png", "jpeg75", "half"] for forms in cells.values())
        assert cells["clean"]["png"]["mean"] == row["pair"][0]
        assert not cells["clean"]["png"]["self"]
        assert row["size"]["mask"][0] <= PLAN.rms
        assert row["size"]["white"][0] == pytest.approx(row["size"]["mask"][0], rel=0.03)
        assert row["size"]["spectrum"][0] == pytest.approx(row["size"]["mask"][0], rel=0.03)


def test_a_face_that_is_not_found_is_never_a_success(people: list[Person], tmp_path: Path) -> None:
    experiment = Experiment(PLAN, ("b",), controls=False, targets=Targets.PAIR)
    rows = rows_of(experiment, people, tmp_path / "rows.jsonl", least=150)  # half of 192 pixels is not seen
    counted = summary(experiment, rows, len(people))["victims"]["b"]["mask"]
    assert counted["png"]["no_face"] == 0
    half = counted["half"]
    assert half["no_face"] == half["n"] == 12
    for key in ("u_centroid", "u_mean", "t_centroid", "t_mean", "psr", "self"):
        assert half[key][0] == 0
    assert half["ratio"] is None


def test_shares_count_what_they_name() -> None:
    def row(source: int, target: int, cell: dict[str, Any] | None) -> Row:
        return {"pair": [source, target, 0], "own": 4, "cells": {"b": {"mask": {"png": cell}}}}

    gone = {"centroid": 1, "mean": 0, "self": True, "far": 3, "ratio": 1.5}
    rows = [row(0, 1, gone), row(0, 2, gone), row(3, 1, None), row(1, 2, gone | {"self": False, "far": 1})]
    counted = protocol.count(rows, "b", "mask", "png", Targets.PAIR)
    assert (counted["n"], counted["no_face"], counted["psr_pairs"]) == (4, 1, 16)
    assert counted["u_centroid"][0] == 50
    assert counted["u_mean"][0] == 25
    assert counted["t_centroid"][0] == 25
    assert counted["psr"][0] == pytest.approx(100 * (3 + 3 + 1) / 16, abs=0.05)
    assert counted["self"][0] == 50
    assert counted["u_centroid"][1:] == pytest.approx([15.0, 85.0], abs=0.05)
    assert "t_mean" not in protocol.count(rows, "b", "mask", "png", Targets.NONE)


def test_a_killed_run_goes_on_where_it_was(people: list[Person], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    experiment = Experiment(PLAN, ("b",), controls=False)
    killed = Attacker(dies=1)
    with pytest.raises(KeyboardInterrupt):
        rows_of(experiment, people, path, attacker=killed)
    with path.open("a") as file:
        file.write('{"run": "cut o')
    again = Attacker()
    rows = rows_of(experiment, people, path, attacker=again)
    assert killed.asked[0][0] + sum(faces for faces, _, _ in again.asked) == 12 == len(rows)
    assert len(path.read_text().splitlines()) == 12
    fresh = rows_of(experiment, people, tmp_path / "fresh.jsonl")
    assert [row["cells"] for row in rows] == [row["cells"] for row in fresh]


def test_a_wider_run_takes_over_the_rows_of_a_narrower_one(people: list[Person], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows_of(Experiment(PLAN, ("b",), Split.TUNE, limit=2, controls=False), people, path)
    attacker = Attacker()
    rows_of(Experiment(PLAN, ("b",), controls=False), people, path, attacker=attacker)
    assert sum(faces for faces, _, _ in attacker.asked) == 10
    other = Attacker()
    rows_of(Experiment(replace(PLAN, seed=1), ("b",), limit=1, controls=False), people, path, attacker=other)
    assert [faces for faces, _, _ in other.asked] == [1]


def test_pairs_of_one_target_share_a_call(people: list[Person], tmp_path: Path) -> None:
    attacker = Attacker()
    experiment = Experiment(replace(PLAN, loss=Loss.HINGE), ("b",), targets=Targets.PAIR, controls=False)
    rows_of(experiment, people, tmp_path / "rows.jsonl", attacker=attacker)
    assert sorted(target for _, target, _ in attacker.asked) == ["ada", "bea", "cleo", "dora"]
    for faces, target, known in attacker.asked:
        assert faces == 3
        assert known == dict.fromkeys(("ada", "bea", "cleo", "dora"), 2) | {target: 3}


def test_the_real_attack_moves_what_the_victim_sees(people: list[Person], tmp_path: Path) -> None:
    networks = Networks("a", "b")
    plan = Plan(surrogates=("a",), iterations=5, epsilon=0.05, rms=6.0)
    real = replace(house(), networks=networks, card=networks.card, attacker=LocalAttacker(networks, networks.card))
    rows = perform(Experiment(plan, ("b",), limit=1), people, real, Journal(tmp_path / "r.jsonl"), "people", "test")
    cells = rows[0]["cells"]["b"]
    assert cells["mask"]["png"]["ratio"] > cells["clean"]["png"]["ratio"]


def test_a_summary_is_plain_json_and_renders(people: list[Person], tmp_path: Path) -> None:
    experiment = Experiment(PLAN, ("b",), limit=2)
    rows = rows_of(experiment, people, tmp_path / "rows.jsonl")
    results = summary(experiment, rows, len(people)) | {
        "kind": "transfer",
        "command": "python -m experiments.transfer",
        "date": "2026-01-01",
        "versions": {"python": "3"},
        "photos": 12,
        "photos_without_face": 0,
    }
    (tmp_path / "one.json").write_text(json.dumps(results, allow_nan=False))
    page = render.page(tmp_path)
    assert page.startswith(render.INTRODUCTION)
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 2 + 4 * 3 + 1
    assert "T centroid" not in page.split("## one")[1]
