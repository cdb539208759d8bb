"""What networks need as victims."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from faceoff import image
from faceoff.types import Crop, Photo
from faceoff.verify.victims.local import BATCH, CachedDetector, embed
from tests.unit import tiny
from tests.unit.verify.test_verifier import DARK, NEAR, OTHER, SAME, FoundByTest


class Counting(FoundByTest):
    def __init__(self) -> None:
        self.calls = 0

    def detect(self, photo: Photo) -> list[Crop]:
        self.calls += 1
        return super().detect(photo)


def test_more_faces_than_a_call_takes_keep_their_order() -> None:
    networks, crops = tiny.TinyNetworks("a"), tiny.crops(BATCH + 2)
    alone = np.concatenate([embed(networks, "a", [crop]) for crop in crops])
    np.testing.assert_allclose(embed(networks, "a", crops), alone, atol=1e-5)


def test_several_askers_detect_once() -> None:
    counting = Counting()
    detector = CachedDetector(counting, size=2)
    photos = [image.decode(data) for data in (NEAR, SAME)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(detector.detect, photos * 3))
    assert counting.calls == 2
    assert all(len(crops) == 1 for crops in found)


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
