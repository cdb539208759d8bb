import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import render
from experiments.people import Split
from experiments.protocol import Experiment
from experiments.universal import measure
from faceoff.amplify import LocalAmplifier
from faceoff.campaign.people import Targets
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Candidate, Crop, Encoding, Mask, Photo, Plan
from tests.unit.experiments.house import folder, house
from tests.unit.experiments.test_protocol import PLAN

EXPERIMENT = Experiment(PLAN, ("b",), Split.REPORT, Targets.AUTO, controls=False)


def test_photos_learnt_from_are_counted_apart(tmp_path: Path) -> None:
    people, out = folder(tmp_path / "people"), tmp_path / "small.json"
    measure(EXPERIMENT, 2, people, out, house())
    results = json.loads(out.read_text())
    assert (results["others"]["faces"], results["known_photos"]["faces"]) == (2, 4)
    assert results["learnt"]["photos"] == 4
    assert "reached" not in results["others"]
    assert str(tmp_path) not in out.read_text()
    assert not out.with_suffix(".jsonl").exists()
    page = render.universal(results)
    assert "one mask a person from 2 photos, towards all 3 others" in page
    assert page.count("| b | mask, other photos |") == page.count("| b | mask, photos learnt from |") == 3
    assert render.page(tmp_path).endswith(page)


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    people, out = folder(tmp_path / "people"), tmp_path / "small.json"

    class Dying(LocalAmplifier):
        calls = 0

        def amplify(
            self, photo: Photo, crops: Sequence[Crop], masks: Sequence[Mask], plan: Plan, encoding: Encoding
        ) -> Candidate:
            self.calls += 1
            if self.calls == 4:  # the first person has three photos
                raise KeyboardInterrupt
            return super().amplify(photo, crops, masks, plan, encoding)

    with pytest.raises(KeyboardInterrupt):
        measure(EXPERIMENT, 2, people, out, replace(house(), amplifier=Dying()))
    results = measure(EXPERIMENT, 2, people, out, house())
    assert results["learnt"]["photos"] == 4
    assert (results["others"]["faces"], results["known_photos"]["faces"]) == (2, 4)


@pytest.mark.parametrize("known", [1, 3])
def test_somebody_must_be_left_to_test_on(known: int, tmp_path: Path) -> None:
    with pytest.raises(FaceOffError) as caught:
        measure(EXPERIMENT, known, folder(tmp_path / "people"), tmp_path / "out.json", house())
    assert caught.value.reason is Reason.INVALID_ARGUMENT
