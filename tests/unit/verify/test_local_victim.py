"""A network behind the protocol of victims."""

from __future__ import annotations

import threading
from unittest.mock import Mock

import pytest

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import Card
from faceoff.rooms import Networks
from faceoff.types import Crop, Outcome, Photo
from faceoff.verify.victims.local import CachedDetector, LocalVictim
from faceoff.verify.victims.victim import Picture, Victim
from tests.unit import tiny
from tests.unit.verify.test_verifier import DARK, NEAR, OTHER, SAME, FoundByTest

CARD = tiny.card("a", 6, thresholds={1e-2: 0.2})


class Counting(FoundByTest):
    def __init__(self) -> None:
        self.calls = 0

    def detect(self, photo: Photo) -> list[Crop]:
        self.calls += 1
        return super().detect(photo)


@pytest.fixture(scope="module")
def networks() -> tiny.TinyNetworks:
    return tiny.TinyNetworks("a")


def victim(networks: Networks, card: Card = CARD) -> Victim:
    return LocalVictim(networks, FoundByTest(), card)


def test_answers(networks: tiny.TinyNetworks) -> None:
    same = victim(networks).compare(Picture(NEAR), Picture(SAME))
    other = victim(networks).compare(Picture(NEAR), Picture(OTHER))
    assert same.score is not None
    assert other.score is not None
    assert other.score < 0.5 <= same.score
    assert (same.failure, same.version, same.raw_threshold) == (None, "1", 0.2)
    assert same.raw_score is not None
    assert same.raw_score <= 0.2


@pytest.mark.parametrize(
    ("reference", "probe", "expected"),
    [(DARK, SAME, Outcome.NO_FACE_REFERENCE), (SAME, DARK, Outcome.NO_FACE_PROTECTED), (SAME, b"?", Outcome.ERROR)],
)
def test_what_cannot_be_scored(reference: bytes, probe: bytes, expected: Outcome, networks: tiny.TinyNetworks) -> None:
    answer = victim(networks).compare(Picture(reference), Picture(probe))
    assert (answer.score, answer.failure) == (None, expected)


def test_a_network_that_fails_is_an_answer() -> None:
    gone = Mock(spec=Networks)
    gone.version.side_effect = FaceOffError(Reason.SURROGATE_UNAVAILABLE, "Nothing answers.")
    answer = victim(gone).compare(Picture(NEAR), Picture(SAME))
    assert (answer.failure, answer.note) == (Outcome.ERROR, "Nothing answers.")


def test_several_victims_detect_once(networks: tiny.TinyNetworks) -> None:
    counting = Counting()
    detector = CachedDetector(counting, size=2)
    victims = [LocalVictim(networks, detector, CARD) for _ in range(3)]
    threads = [threading.Thread(target=one.compare, args=(Picture(NEAR), Picture(SAME))) for one in victims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.calls == 2


def test_the_cache_forgets_and_never_mistakes() -> None:
    counting = Counting()
    detector = CachedDetector(counting, size=2)
    photos = [image.decode(data) for data in (SAME, OTHER, DARK)]
    for photo in photos:
        detector.detect(photo)
    detector.detect(photos[0])
    assert counting.calls == 4
    handmade = Photo(photos[0].pixels, "PNG", b"")
    assert detector.detect(handmade)
    assert detector.detect(Photo(photos[2].pixels, "PNG", b"")) == []
