import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import ablation, render, transfer
from experiments.ablation import Variant
from experiments.people import Split
from experiments.protocol import Experiment
from faceoff.campaign.people import Targets
from tests.unit.experiments.house import Networks, folder, house
from tests.unit.experiments.test_protocol import PLAN


def test_a_results_file_says_how_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people, out = folder(tmp_path / "people"), tmp_path / "small.json"
    monkeypatch.setattr(sys, "argv", ["experiments/transfer.py", "--people", str(people), "--plan", "paper/pgd_l2"])
    transfer.measure(Experiment(PLAN, ("b",), limit=2), people, out, house())
    results = json.loads(out.read_text())
    assert results["command"] == "python -m experiments.transfer --people people --plan paper/pgd_l2"
    assert str(tmp_path) not in out.read_text()
    assert (results["photos"], results["photos_without_face"], results["faces"]) == (12, 0, 2)
    assert not out.with_suffix(".jsonl").exists()
    assert "small: 2 of 2 faces, 0.0 min left" in capsys.readouterr().err


def test_the_command_refuses_a_victim_that_is_a_surrogate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--people", str(tmp_path), "--victims", "sface", "--out", str(tmp_path / "out.json")]
    assert transfer.main(words) == 2
    assert "cannot be both" in capsys.readouterr().err


def test_targets_follow_the_loss() -> None:
    for loss, targets in (("hinge", Targets.PAIR), ("target", Targets.PAIR), ("dodge", Targets.NONE)):
        options = transfer.parser().parse_args(["--people", ".", "--set", f"loss={loss}"])
        assert transfer.experiment_of(options).targets is targets
    options = transfer.parser().parse_args(["--people", "."])
    experiment = transfer.experiment_of(options)
    assert experiment.targets is Targets.OWN
    assert "dlib" in experiment.victims
    assert not set(experiment.victims) & set(experiment.plan.surrogates)


def test_every_variant_leaves_each_network_out_once() -> None:
    for variant in ablation.VARIANTS.values():
        folds = variant.folds(limit=0)
        assert set(folds) == set(ablation.SEEN)
        for victim, experiment in folds.items():
            assert experiment.split is Split.TUNE
            assert experiment.victims == (victim,)
            assert set(experiment.plan.surrogates) == set(ablation.SEEN) - {victim}


def test_an_ablation_keeps_the_variants_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["experiments/ablation.py"])
    monkeypatch.setattr(ablation, "SEEN", ("a", "b", "c"))
    people, out = folder(tmp_path / "people"), tmp_path / "ablation.json"
    networks = Networks("a", "b", "c")
    rooms = replace(house(), networks=networks, card=networks.card)
    for name in ("first", "second"):
        ablation.measure({name: Variant(("iterations=2",))}, people, out, 2, rooms)
    results = json.loads(out.read_text())
    assert list(results["variants"]) == ["first", "second"]
    rows = [line for line in render.ablation(results).splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert len({row.count("|") for row in rows}) == 1
