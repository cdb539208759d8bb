"""Verdicts with tiny networks and a detector that finds what the test says."""

import gc
import io
import time
import weakref
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Networks
from faceoff.types import Against, Box, Crop, Face, Float, Outcome, Photo, Terms, Transform, Verdict, View
from faceoff.verify.case import of_photo, of_result
from faceoff.verify.verifier import LocalVerifier
from faceoff.verify.victims.local import CachedDetector
from tests.unit import tiny


class FoundByTest:
    """A detector that cuts the same square, in the photo's own proportions, wherever the photo is not black."""

    def detect(self, photo: Photo) -> list[Crop]:
        if photo.pixels.max() == 0:
            return []
        scale = photo.width / 192
        face = Face(Box(60 * scale, 50 * scale, 70 * scale, 90 * scale), tiny.LANDMARKS, 1.0)
        seen = np.asarray(Image.fromarray(image.to_bytes(photo.pixels)).resize((192, 192)), np.float32) / np.float32(
            255
        )
        return [Crop(seen, tiny.LANDMARKS, Transform(0, 0, photo.width), face)]


def png(pixels: Float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image.to_bytes(pixels)).save(out, "PNG")
    return out.getvalue()


SAME = png(tiny.images(1)[0])
OTHER = png(tiny.images(1, seed=3)[0])
DARK = png(np.zeros((192, 192, 3), np.float32))
PHOTO = image.decode(SAME)
NEAR = png(np.clip(PHOTO.pixels + np.float32(0.02), 0, 1))
"""Another photo of the person of SAME."""


@pytest.fixture(scope="module")
def verifier() -> LocalVerifier:
    networks = tiny.TinyNetworks("a")
    cards = [tiny.card("a", 6, thresholds={1e-2: 0.2}), tiny.card("unmeasured", 6, thresholds={1e-1: 1.0})]
    return LocalVerifier(networks, FoundByTest(), cards)


def verdicts(verifier: LocalVerifier, protected: bytes, terms: Terms = Terms()) -> list[Verdict]:  # noqa: B008
    return verifier.verify(PHOTO, protected, FoundByTest().detect(PHOTO), ("s",), (), terms)


def verdict(verifier: LocalVerifier, protected: bytes, *references: bytes) -> Verdict:
    (only,) = verdicts(verifier, protected, Terms(references))
    return only


def test_the_same_photo_is_recognised(verifier: LocalVerifier) -> None:
    result = verdict(verifier, SAME)
    assert result.outcome is Outcome.NOT_TRANSFERRED
    assert (result.clean_score, result.threshold, result.victim, result.version) == (1.0, 0.5, "a", "1")
    assert result.protected_score
    assert result.protected_score > 0.95
    assert (result.raw_threshold, result.against, result.view) == (0.2, Against.ORIGINAL, View.PHOTO)
    assert result.raw_score is not None
    assert result.raw_score < 0.2


def test_another_face_is_not(verifier: LocalVerifier) -> None:
    result = verdict(verifier, OTHER)
    assert result.outcome is Outcome.TRANSFERRED
    assert result.protected_score is not None
    assert result.protected_score < 0.5


def test_no_face_is_never_protection(verifier: LocalVerifier) -> None:
    result = verdict(verifier, DARK)
    assert result.outcome is Outcome.NO_FACE_PROTECTED
    assert result.protected_score is None


def test_against_references_with_the_clean_score_beside(verifier: LocalVerifier) -> None:
    result = verdict(verifier, OTHER, NEAR)
    assert (result.outcome, result.against) == (Outcome.TRANSFERRED, Against.REFERENCE)
    assert result.clean_score is not None
    assert 0.5 <= result.clean_score < 1
    assert verdict(verifier, SAME, OTHER, NEAR).outcome is Outcome.NOT_TRANSFERRED  # the nearest counts


def test_a_reference_of_somebody_else_is_no_evidence(verifier: LocalVerifier) -> None:
    assert verdict(verifier, OTHER, png(tiny.images(1, seed=5)[0])).outcome is Outcome.CLEAN_MISMATCH
    assert verdict(verifier, DARK, OTHER).outcome is Outcome.CLEAN_MISMATCH
    assert verdict(verifier, OTHER, DARK).outcome is Outcome.NO_FACE_REFERENCE
    assert verdict(verifier, OTHER, DARK, NEAR).outcome is Outcome.TRANSFERRED


def test_the_original_among_the_references_does_not_hide_the_others(verifier: LocalVerifier) -> None:
    assert verdict(verifier, OTHER, SAME, NEAR) == verdict(verifier, OTHER, NEAR)
    assert verdict(verifier, OTHER, SAME) == verdict(verifier, OTHER)


def test_every_view_has_its_own_clean_score(verifier: LocalVerifier) -> None:
    found = verdicts(verifier, SAME, Terms((NEAR,), (), tuple(View)))
    assert [one.view for one in found] == list(View)
    assert {one.outcome for one in found} == {Outcome.NOT_TRANSFERRED}
    assert len({one.clean_score for one in found}) >= 4
    # The clean photo and the result are one here: whatever a view does to one, it does to the other.
    assert [one.clean_score for one in found] == [one.protected_score for one in found]


@pytest.mark.parametrize(
    ("victims", "reason"),
    [(("a", "nobody"), Reason.UNKNOWN_NETWORK), (("unmeasured",), Reason.INVALID_ARGUMENT)],
)
def test_victims_that_cannot_judge(verifier: LocalVerifier, victims: tuple[str, ...], reason: Reason) -> None:
    with pytest.raises(FaceOffError) as error:
        verifier.verify(PHOTO, SAME, FoundByTest().detect(PHOTO), (), victims)
    assert error.value.reason is reason


def test_a_surrogate_is_never_a_victim(verifier: LocalVerifier) -> None:
    found = FoundByTest().detect(PHOTO)
    with pytest.raises(FaceOffError) as error:
        verifier.verify(PHOTO, SAME, found, ("a", "b"), ("a",))
    assert error.value.reason is Reason.VICTIM_IS_SURROGATE
    assert verifier.verify(PHOTO, SAME, found, ("a", "b"), ()) == []


@pytest.mark.parametrize(
    ("surrogates", "victims", "consent", "reason"),
    [
        (("a",), ("a",), (), Reason.VICTIM_IS_SURROGATE),
        ((), ("nobody",), (), Reason.UNKNOWN_NETWORK),
        ((), ("unmeasured",), (), Reason.INVALID_ARGUMENT),
        ((), (), ("azure",), Reason.INVALID_ARGUMENT),
    ],
)
def test_names_are_checked_before_there_is_a_result(
    verifier: LocalVerifier,
    surrogates: tuple[str, ...],
    victims: tuple[str, ...],
    consent: tuple[str, ...],
    reason: Reason,
) -> None:
    verifier.check(("b",), ("a",), ())
    with pytest.raises(FaceOffError) as error:
        verifier.check(surrogates, victims, consent)
    assert error.value.reason is reason


def test_a_victim_that_is_not_served_is_missed_before_there_is_a_result() -> None:
    networks = Mock(spec=Networks)
    networks.version.side_effect = FaceOffError(Reason.NETWORK_MISSING, "It is not served.")
    with pytest.raises(FaceOffError) as error:
        LocalVerifier(networks, FoundByTest(), [tiny.card("a", 6)]).check((), ("a",), ())
    assert error.value.reason is Reason.NETWORK_MISSING


def test_without_the_original_a_match_tells_and_no_match_does_not(verifier: LocalVerifier) -> None:
    def judged(protected: bytes, *references: bytes) -> Outcome:
        case = of_photo(image.decode(protected), None, Terms(references), FoundByTest())
        (only,) = verifier.judge(case, verifier.victims(()))
        assert only.clean_score is None
        return only.outcome

    assert judged(SAME, OTHER, DARK, NEAR) is Outcome.NOT_TRANSFERRED
    assert judged(SAME, OTHER) is Outcome.NO_CLEAN_PAIR
    assert judged(SAME, DARK) is Outcome.NO_FACE_REFERENCE


def test_what_cannot_be_compared() -> None:
    for protected, terms, reason in (
        (DARK, Terms((SAME,)), Reason.NO_FACE_DETECTED),
        (SAME, Terms(), Reason.INVALID_ARGUMENT),
    ):
        with pytest.raises(FaceOffError) as error:
            of_photo(image.decode(protected), None, terms, FoundByTest())
        assert error.value.reason is reason


def test_a_photo_that_came_back_smaller(verifier: LocalVerifier) -> None:
    small = png(np.asarray(PHOTO.pixels[::2, ::2]))
    (only,) = verifier.judge(of_photo(image.decode(small), PHOTO, Terms(), FoundByTest()), verifier.victims(()))
    assert only.outcome is Outcome.NOT_TRANSFERRED


def test_a_cut_out_is_not_compared_place_by_place() -> None:
    cut = png(np.asarray(PHOTO.pixels[:, :150]))
    with pytest.raises(FaceOffError, match="different proportions") as error:
        of_photo(image.decode(cut), PHOTO, Terms((NEAR,)), FoundByTest())
    assert error.value.reason is Reason.INVALID_ARGUMENT
    wide = replace(PHOTO, pixels=np.asarray(PHOTO.pixels[:101]))  # 192 x 101 at half the size is 96 x 50 or 51
    for height in (50, 51):
        of_photo(image.decode(png(np.asarray(PHOTO.pixels[:height, :96]))), wide, Terms((NEAR,)), FoundByTest())


def test_a_photo_is_no_reference_for_itself_and_each_one_counts_once() -> None:
    assert of_photo(image.decode(SAME), None, Terms((SAME, NEAR, NEAR, OTHER)), FoundByTest()).references == (
        NEAR,
        OTHER,
    )
    assert of_result(PHOTO, image.decode(NEAR), (), Terms((NEAR, SAME))).against is Against.ORIGINAL
    with pytest.raises(FaceOffError) as error:
        of_photo(image.decode(SAME), None, Terms((SAME,)), FoundByTest())
    assert error.value.reason is Reason.INVALID_ARGUMENT


def test_a_victim_named_twice_judges_once(verifier: LocalVerifier) -> None:
    assert len(verifier.verify(PHOTO, SAME, FoundByTest().detect(PHOTO), (), ("a", "a"))) == 1


def test_linkage_is_never_evidence_for_protection(verifier: LocalVerifier) -> None:
    case = replace(
        of_result(PHOTO, image.decode(SAME), FoundByTest().detect(PHOTO), Terms((OTHER,))), against=Against.LINKED
    )
    (only,) = verifier.judge(case, verifier.victims(()))
    assert (only.against, only.outcome, only.clean_score) == (Against.LINKED, Outcome.NO_CLEAN_PAIR, None)
    (only,) = verifier.judge(replace(case, references=(NEAR,)), verifier.victims(()))
    assert only.outcome is Outcome.NOT_TRANSFERRED


def test_where_the_person_ranks_among_candidates(verifier: LocalVerifier) -> None:
    candidates = {str(seed): tiny.crops(2, seed) for seed in range(3, 8)}
    case = of_photo(image.decode(OTHER), PHOTO, Terms((NEAR,)), FoundByTest())
    (found,) = verifier.rank(case, candidates, verifier.victims(()))
    assert (found.among_people, found.among_photos) == (6, 11)
    assert (found.clean_of_people, found.clean_of_photos) == (1, 1)
    assert found.of_people is not None
    assert found.of_photos is not None
    assert 1 < found.of_people <= found.of_photos  # its own picture is among the candidates
    (found,) = verifier.rank(
        of_photo(image.decode(OTHER), None, Terms((DARK,)), FoundByTest()), candidates, verifier.victims(())
    )
    assert (found.of_people, found.clean_of_people) == (None, None)


def test_no_face_is_remembered_for_long() -> None:
    faces: list[weakref.ref[Float]] = []

    class Seen(FoundByTest):
        def detect(self, photo: Photo) -> list[Crop]:
            found = super().detect(photo)
            faces.extend(weakref.ref(crop.pixels) for crop in found)
            return found

    brief = LocalVerifier(tiny.TinyNetworks("a"), FoundByTest(), [tiny.card("a", 6, thresholds={1e-2: 0.2})])
    brief.detector = CachedDetector(Seen(), seconds=0.1)
    verdict(brief, OTHER, NEAR)
    assert len(faces) == 2
    end = time.monotonic() + 30
    while any(face() is not None for face in faces) and time.monotonic() < end:
        time.sleep(0.02)
        gc.collect()
    assert not [face for face in faces if face() is not None]
