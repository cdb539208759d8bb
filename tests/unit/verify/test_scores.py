from itertools import pairwise

import numpy as np
import pytest

from faceoff.types import Box, Crop, Face, Outcome, Transform
from faceoff.verify.scores import TAU, best, distance, outcome, overlap, same_place, score
from faceoff.verify.victims.victim import Answer

LIMIT = 1.1


def test_score_is_normalised() -> None:
    assert score(0, LIMIT) == 1
    assert score(LIMIT, LIMIT) == TAU
    assert score(2, LIMIT) == 0
    falling = [score(d, LIMIT) for d in np.linspace(0, 2, 50)]
    assert all(a > b for a, b in pairwise(falling))


@pytest.mark.parametrize(
    ("clean", "protected", "expected"),
    [
        (1.0, 0.49, Outcome.TRANSFERRED),
        (1.0, 0.5, Outcome.NOT_TRANSFERRED),
        (1.0, None, Outcome.NO_FACE_PROTECTED),
        (0.4, 0.1, Outcome.CLEAN_MISMATCH),
        (0.4, None, Outcome.CLEAN_MISMATCH),
        (None, 0.2, Outcome.NO_CLEAN_PAIR),
        (None, 0.5, Outcome.NOT_TRANSFERRED),
        (None, None, Outcome.NO_FACE_PROTECTED),
    ],
)
def test_what_counts_as_protection(clean: float | None, protected: float | None, expected: Outcome) -> None:
    assert outcome(clean, protected) is expected


def answer(said: float | Outcome) -> Answer:
    if isinstance(said, Outcome):
        return Answer(None, said, "1", "2026-01-01")
    return Answer(said, None, "1", "2026-01-01")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((0.2, 0.7, 0.6), 0.7),
        ((0.2, 0.3), 0.3),
        ((Outcome.THROTTLED, 0.7), 0.7),  # one match is a match, whatever the others would say
        ((0.2, Outcome.THROTTLED), Outcome.THROTTLED),  # it might have matched
        ((0.2, Outcome.NO_FACE_REFERENCE), 0.2),
        ((Outcome.NO_FACE_REFERENCE, Outcome.NO_FACE_REFERENCE), Outcome.NO_FACE_REFERENCE),
        ((Outcome.NO_FACE_REFERENCE, Outcome.NO_FACE_PROTECTED), Outcome.NO_FACE_PROTECTED),
    ],
)
def test_answers_on_several_references(said: tuple[float | Outcome, ...], expected: float | Outcome) -> None:
    assert best([answer(one) for one in said]) == answer(expected)


def test_distance_of_unit_embeddings() -> None:
    x = np.array([1, 0, 0], np.float32)
    assert distance(x, x) == 0
    assert distance(x, -x) == 2


def test_faces_are_matched_by_place() -> None:
    def crop(x: float) -> Crop:
        face = Face(Box(x, 0, 100, 100), np.zeros((5, 2), np.float32), 1.0)
        return Crop(np.zeros((2, 2, 3), np.float32), face.landmarks, Transform(0, 0, 2, 2), face)

    near, far = crop(10), crop(400)
    assert same_place(crop(0), [far, near]) is near
    assert same_place(crop(0), [far]) is None
    assert same_place(crop(0), []) is None
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == pytest.approx(1 / 3)
