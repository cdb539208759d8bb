from __future__ import annotations

from collections.abc import Iterator

import pytest

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.pipeline import Rooms, protect
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker, picture
from faceoff.types import Encoding, Photo
from tests.load.town import Town, town
from tests.load.visitors import REQUEST


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("town")) as place:
        yield place


@pytest.fixture(scope="session")
def photo() -> bytes:
    pixels = picture()
    return image.encode(pixels, Photo(pixels, "PNG", b""), Encoding())


@pytest.fixture(scope="session")
def protected(photo: bytes) -> bytes:
    """What every visitor must get for it."""
    rooms = Rooms(BoxDetector(), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    return protect(photo, REQUEST, rooms, lambda _: None).candidate.data
