"""Verdicts with tiny networks and a detector that finds what the test says."""

import io

import numpy as np
import pytest
from PIL import Image

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Box, Crop, Face, Float, Outcome, Photo, Transform, Verdict
from faceoff.verify.verifier import LocalVerifier
from tests.unit import tiny


class FoundByTest:
    """A detector that cuts the same square wherever the photo is not black."""

    def detect(self, photo: Photo) -> list[Crop]:
        if photo.pixels.max() == 0:
            return []
        face = Face(Box(60, 50, 70, 90), tiny.LANDMARKS, 1.0)
        return [Crop(photo.pixels[:192, :192], tiny.LANDMARKS, Transform(0, 0, 192), face)]


def png(pixels: Float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image.to_bytes(pixels)).save(out, "PNG")
    return out.getvalue()


PHOTO = image.decode(png(tiny.images(1)[0]))


@pytest.fixture(scope="module")
def verifier() -> LocalVerifier:
    networks = tiny.TinyNetworks("a")
    cards = [tiny.card("a", 6, thresholds={1e-2: 0.2}), tiny.card("unmeasured", 6, thresholds={1e-1: 1.0})]
    return LocalVerifier(networks, FoundByTest(), cards)


def verdict(verifier: LocalVerifier, protected: Float) -> Verdict:
    found = FoundByTest().detect(PHOTO)
    (only,) = verifier.verify(PHOTO, png(protected), found, ("s",), ())
    return only


def test_the_same_photo_is_recognised(verifier: LocalVerifier) -> None:
    result = verdict(verifier, PHOTO.pixels)
    assert result.outcome is Outcome.NOT_TRANSFERRED
    assert (result.clean_score, result.threshold, result.victim, result.version) == (1.0, 0.5, "a", "1")
    assert result.protected_score
    assert result.protected_score > 0.95
    assert "threshold 0.2000" in result.raw


def test_another_face_is_not(verifier: LocalVerifier) -> None:
    result = verdict(verifier, tiny.images(1, seed=3)[0])
    assert result.outcome is Outcome.TRANSFERRED
    assert result.protected_score is not None
    assert result.protected_score < 0.5


def test_no_face_is_never_protection(verifier: LocalVerifier) -> None:
    result = verdict(verifier, np.zeros_like(PHOTO.pixels))
    assert result.outcome is Outcome.NO_FACE_PROTECTED
    assert result.protected_score is None


@pytest.mark.parametrize(
    ("victims", "reason"),
    [(("a", "nobody"), Reason.UNKNOWN_NETWORK), (("unmeasured",), Reason.INVALID_ARGUMENT)],
)
def test_victims_that_cannot_judge(verifier: LocalVerifier, victims: tuple[str, ...], reason: Reason) -> None:
    with pytest.raises(FaceOffError) as error:
        verifier.verify(PHOTO, png(PHOTO.pixels), FoundByTest().detect(PHOTO), (), victims)
    assert error.value.reason is reason


def test_a_surrogate_is_never_a_victim(verifier: LocalVerifier) -> None:
    found = FoundByTest().detect(PHOTO)
    with pytest.raises(FaceOffError) as error:
        verifier.verify(PHOTO, png(PHOTO.pixels), found, ("a", "b"), ("a",))
    assert error.value.reason is Reason.VICTIM_IS_SURROGATE
    assert verifier.verify(PHOTO, png(PHOTO.pixels), found, ("a", "b"), ()) == []


def test_compare_takes_the_nearest_reference(verifier: LocalVerifier) -> None:
    other = image.decode(png(tiny.images(1, seed=3)[0]))
    dark = image.decode(png(np.zeros_like(PHOTO.pixels)))
    assert verifier.compare(PHOTO, [other, dark, PHOTO])[0].outcome is Outcome.NOT_TRANSFERRED
    assert verifier.compare(PHOTO, [other])[0].outcome is Outcome.TRANSFERRED
    assert verifier.compare(PHOTO, [dark])[0].outcome is Outcome.NO_FACE_REFERENCE
    with pytest.raises(FaceOffError) as error:
        verifier.compare(dark, [PHOTO])
    assert error.value.reason is Reason.NO_FACE_DETECTED
