"""What the project is for: every face masked, and a network that took no part no longer recognises it."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from faceoff import image
from faceoff.pipeline import Protection, Request, Rooms, protect
from faceoff.presets import STRENGTHS
from faceoff.types import Encoding, Outcome, Progress
from tests.real.conftest import array


def ignore(progress: Progress) -> None:
    """Nobody is watching."""


@pytest.fixture(scope="module")
def alone(rooms: Rooms, astronaut: bytes) -> Protection:
    return protect(astronaut, Request(STRENGTHS["balanced"], victims=("dlib",)), rooms, ignore)


@pytest.fixture(scope="module")
def together(rooms: Rooms, group: bytes) -> Protection:
    return protect(group, Request(STRENGTHS["balanced"], Encoding("JPEG"), victims=("dlib",)), rooms, ignore)


@pytest.mark.parametrize("case", ["alone", "together"])
def test_dlib_no_longer_recognises_any_face(case: str, request: pytest.FixtureRequest) -> None:
    result: Protection = request.getfixturevalue(case)
    assert len(result.crops) == len(result.masks) == len(result.verdicts) == len(result.candidate.faces)
    assert len(result.crops) == 1 if case == "alone" else len(result.crops) >= 3
    for verdict in result.verdicts:
        assert (verdict.victim, verdict.outcome) == ("dlib", Outcome.TRANSFERRED), result.verdicts
        assert verdict.protected_score is not None
        assert verdict.protected_score < verdict.threshold < (verdict.clean_score or 0)


@pytest.mark.parametrize("case", ["alone", "together"])
def test_the_result_is_the_same_photo_to_the_eye(case: str, request: pytest.FixtureRequest) -> None:
    result: Protection = request.getfixturevalue(case)
    with Image.open(io.BytesIO(result.candidate.data)) as opened:
        assert opened.size == (result.photo.width, result.photo.height)
        assert not opened.getexif()
        assert not set(opened.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    for face in result.candidate.faces:
        assert face.rms <= 3.7 + (1.5 if result.candidate.encoding.format == "JPEG" else 0)  # q95 has noise of its own
        assert face.ssim >= 0.9


def test_every_face_changed_and_nothing_else(alone: Protection, astronaut: bytes) -> None:
    changed = (array(astronaut) != array(alone.candidate.data)).any(-1)
    square = alone.crops[0].transform
    outside = np.ones_like(changed)
    outside[max(square.top, 0) : square.top + square.side, max(square.left, 0) : square.left + square.side] = False
    box = alone.crops[0].face.box
    inside = changed[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)]
    assert inside.mean() > 0.5
    assert not changed[outside].any()


@pytest.mark.parametrize("others_given", [False, True])
def test_batch_mates_make_no_difference(rooms: Rooms, astronaut: bytes, group: bytes, others_given: bool) -> None:
    """To the last bit (docs/decisions/0007)."""
    plan = replace(STRENGTHS["balanced"], iterations=20)
    face = rooms.detector.detect(image.decode(astronaut))
    others = rooms.detector.detect(image.decode(group))[:3]
    gallery = {f"other {number}": [crop] for number, crop in enumerate(others)} if others_given else {}
    lonely = rooms.attacker.attack(face, plan, ignore, gallery)[0]
    crowded = rooms.attacker.attack([others[0], *face, *others[1:]], plan, ignore, gallery)[1]
    np.testing.assert_array_equal(lonely.delta, crowded.delta)


def test_a_second_run_gives_the_same_bytes(alone: Protection, rooms: Rooms, astronaut: bytes) -> None:
    again = protect(astronaut, Request(STRENGTHS["balanced"], victims=("dlib",)), rooms, ignore)
    assert again.candidate.data == alone.candidate.data
