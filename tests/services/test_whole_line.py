"""The whole line over sockets with nothing faked but the surrogate's size: real gateway, services, model server and MTCNN."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from skimage import data as pictures

from faceoff import image, pipeline
from faceoff.amplify import LocalAmplifier
from faceoff.attacks.attacker import LocalAttacker
from faceoff.attacks.export import export
from faceoff.client import Client
from faceoff.detect import MtcnnDetector
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Request, Rooms
from faceoff.rpc.serving import ServingNetworks
from faceoff.types import Encoding, MaskOutcome, Outcome, Photo, Plan, Progress
from faceoff.verify.verifier import LocalVerifier
from services.modelserver.server import start
from tests.services.house import gateway
from tests.services.test_convert import plain
from tests.unit import tiny

CARDS = {name: tiny.card(name, depth=6) for name in ("a", "b")}
REQUEST = Request(Plan(surrogates=("a",), iterations=20, rms=3.7, decay=1.0), victims=("b",))


@pytest.fixture(scope="module")
def data() -> bytes:
    pixels = (pictures.astronaut()[:256, 100:356] / 255).astype(np.float32)  # type: ignore[no-untyped-call]
    return image.encode(pixels, Photo(pixels, "PNG", b""), Encoding())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The surrogate ``a`` and its twin ``b``."""
    store = tmp_path_factory.mktemp("store")
    export(tiny.network_set("a"), store / "a" / "1")
    shutil.copytree(store / "a", store / "b")
    return store


@pytest.fixture(scope="module")
def networks(store: Path) -> Iterator[ServingNetworks]:
    with start(store) as model_server, ServingNetworks(model_server.address) as networks:
        yield networks


@pytest.fixture(scope="module")
def rooms(networks: ServingNetworks) -> Rooms:
    """The rooms over a model server."""
    detector = MtcnnDetector()
    attacker = LocalAttacker(networks, CARDS.__getitem__)
    return Rooms(detector, attacker, LocalAmplifier(), LocalVerifier(networks, detector, list(CARDS.values())))


@pytest.fixture(scope="module")
def client(rooms: Rooms) -> Iterator[Client]:
    with gateway(rooms) as address, closing(Client(address)) as client:
        yield client


def ignore(progress: Progress) -> None:
    """A report that nobody reads."""


def test_a_face_is_protected_and_the_result_is_this_process_own(client: Client, rooms: Rooms, data: bytes) -> None:
    seen: list[Progress] = []
    remote = client.protect(data, REQUEST, seen.append, 120)
    assert [mask.outcome for mask in remote.masks] == [MaskOutcome.REACHED]
    assert [(verdict.victim, verdict.outcome) for verdict in remote.verdicts] == [("b", Outcome.TRANSFERRED)]
    assert remote.candidate.faces[0].rms == pytest.approx(3.7, abs=0.1)
    assert Progress("attack", 20, 20) in seen

    local = pipeline.protect(data, REQUEST, rooms, ignore)
    assert plain(remote.candidate) == plain(local.candidate)
    assert plain(remote.verdicts) == plain(local.verdicts)


def test_a_new_version_takes_over_while_photos_are_protected(
    client: Client, networks: ServingNetworks, store: Path, data: bytes
) -> None:
    """The surrogate's next version is the same network, so that every photo must come out the same, whenever it was made."""
    results = [plain(client.protect(data, REQUEST, ignore, 120).candidate)]
    with ThreadPoolExecutor(2) as pool:
        shutil.copytree(store / "a" / "1", store / "a" / ".writing").rename(store / "a" / "2")
        while networks.version("a") != "2" or len(results) < 5:
            results += pool.map(lambda _: plain(client.protect(data, REQUEST, ignore, 120).candidate), range(2))
    assert all(result == results[0] for result in results)


def test_a_photo_without_a_face(client: Client) -> None:
    pixels = np.full((120, 160, 3), 0.5, np.float32)
    with pytest.raises(FaceOffError) as caught:
        client.protect(image.encode(pixels, Photo(pixels, "PNG", b""), Encoding()), REQUEST, ignore, 60)
    assert caught.value.reason is Reason.NO_FACE_DETECTED
    assert caught.value.hint


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request(Plan(surrogates=("a",), iterations=10), victims=("a",)), Reason.VICTIM_IS_SURROGATE),
        (Request(Plan(surrogates=("a",), iterations=10), victims=("nobody",)), Reason.UNKNOWN_NETWORK),
        (Request(Plan(surrogates=("a", "b"))), Reason.NETWORK_MISSING),
        (Request(Plan(surrogates=("a",), iterations=0)), Reason.INVALID_ARGUMENT),
    ],
)
def test_what_the_rooms_refuse_arrives_before_there_is_a_job(
    client: Client, data: bytes, request_: Request, reason: Reason
) -> None:
    for ask in (lambda: client.protect(data, request_, ignore, 60), lambda: client.submit(data, request_)):
        with pytest.raises(FaceOffError) as caught:
            ask()
        assert caught.value.reason is reason
        assert caught.value.hint
    assert list(client.list()) == []
