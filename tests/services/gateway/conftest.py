"""A gateway with rooms that answer at once, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx2
import pytest

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.client import Client
from faceoff.pipeline import Rooms
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker, picture
from faceoff.types import Encoding, Photo
from tests.services.house import ByName, House, house


@pytest.fixture(scope="session")
def photo() -> bytes:
    pixels = picture()
    return image.encode(pixels, Photo(pixels, "PNG", b""), Encoding())


@pytest.fixture(scope="module")
def attacker() -> NoiseAttacker:
    """It takes about half a second."""
    return NoiseAttacker(pause=0.01)


@pytest.fixture(scope="module")
def there(attacker: NoiseAttacker) -> Iterator[House]:
    rooms = Rooms(BoxDetector(2), attacker, LocalAmplifier(), FixedVerifier())
    with house(lambda _: rooms, ByName()) as there:
        yield there


@pytest.fixture
def client(there: House) -> Iterator[Client]:
    with closing(Client(there.grpc, "alice")) as client:
        yield client


@pytest.fixture
def http(there: House) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=there.http, headers={"Authorization": "Bearer alice"}, timeout=30) as http:
        yield http


@pytest.fixture
def stranger(there: House) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=there.http, headers={"Authorization": "Bearer bob"}, timeout=30) as http:
        yield http
