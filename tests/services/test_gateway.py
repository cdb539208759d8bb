"""One photo through the gateway: real gateway, real services, real sockets; the networks alone are fakes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import numpy as np
import pytest

from faceoff import image, pipeline
from faceoff.amplify import LocalAmplifier
from faceoff.client import Client
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Request, Rooms
from faceoff.rpc import convert
from faceoff.rpc.connect import calling, connect
from faceoff.rpc.remote import remote_rooms
from faceoff.tenants.credentials import LOCAL
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker, picture
from faceoff.types import Encoding, Photo, Plan, Progress, Terms, Verdict, View
from faceoff.v1 import protection_pb2
from faceoff.v1.protection_pb2_grpc import ProtectionServiceStub
from services.gateway.settings import MESSAGE_LIMIT
from tests.services.house import gateway, house
from tests.services.test_convert import plain

FAST = Plan(iterations=3, epsilon=0.05)
ENDLESS = Plan(iterations=10_000)


def ignore(progress: Progress) -> None:
    """A report that nobody reads."""


def file_of(pixels: np.ndarray) -> bytes:
    return image.encode(pixels, Photo(pixels, "PNG", b""), Encoding())


@pytest.fixture(scope="module")
def data() -> bytes:
    return file_of(picture())


@pytest.fixture(scope="module")
def attacker() -> NoiseAttacker:
    return NoiseAttacker(pause=0.02)


@pytest.fixture(scope="module")
def rooms(attacker: NoiseAttacker) -> Rooms:
    return Rooms(BoxDetector(2), attacker, LocalAmplifier(), FixedVerifier())


@pytest.fixture(scope="module")
def address(rooms: Rooms) -> Iterator[str]:
    with gateway(rooms) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    client = Client(address)
    yield client
    client.close()


def test_a_server_protects_as_this_process_does(client: Client, rooms: Rooms, data: bytes) -> None:
    request = Request(FAST, Encoding("WEBP"), faces=(1, 0), victims=("a", "b"))
    here: list[Progress] = []
    there: list[Progress] = []
    local = pipeline.protect(data, request, rooms, here.append)
    remote = client.protect(data, request, there.append, 30)
    assert remote.candidate.data == local.candidate.data
    for part in ("candidate", "crops", "verdicts"):
        assert plain(getattr(remote, part)) == plain(getattr(local, part))
    for mine, theirs in zip(local.masks, remote.masks, strict=True):
        assert (mine.outcome, mine.iterations, mine.trace) == (theirs.outcome, theirs.iterations, theirs.trace)
        assert theirs.delta.shape == (0, 0, 3)
    assert remote.photo.source == data
    assert there == here


def test_five_megabytes_go_up_and_come_down(client: Client) -> None:
    large = file_of(np.random.default_rng(0).random((1300, 1400, 3), np.float32))
    result = client.protect(large, Request(FAST, faces=(0,)), ignore, 60)
    assert len(large) > 5_000_000
    assert len(result.candidate.data) > 5_000_000
    assert image.decode(result.candidate.data).pixels.shape == (1300, 1400, 3)


def test_errors_of_every_depth_arrive(client: Client, data: bytes) -> None:
    with pytest.raises(FaceOffError) as caught:
        client.protect(data, Request(FAST, faces=(7,)), ignore, 30)
    assert (caught.value.reason, caught.value.message) == (Reason.INVALID_ARGUMENT, "There is no face 7.")
    assert caught.value.field == "faces"
    with pytest.raises(FaceOffError) as caught:
        client.protect(data, Request(FAST, Encoding("BMP")), ignore, 30)
    assert caught.value.reason in (Reason.INVALID_ARGUMENT, Reason.UNSUPPORTED_FORMAT)


def test_a_server_takes_no_gallery(client: Client, data: bytes) -> None:
    crops = BoxDetector().detect(image.decode(data))
    with pytest.raises(FaceOffError) as caught:
        client.protect(data, Request(FAST, gallery={"somebody": crops}), ignore, 30)
    assert caught.value.reason is Reason.TARGET_NOT_ALLOWED


def test_a_report_that_raises_reaches_the_attackers_room(client: Client, attacker: NoiseAttacker, data: bytes) -> None:
    attacker.stopped.clear()

    def interrupt(progress: Progress) -> None:
        if progress.stage == "attack" and progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.protect(data, Request(ENDLESS), interrupt, 30)
    assert attacker.stopped.wait(3)


def test_a_client_that_vanishes_reaches_the_attackers_room(address: str, attacker: NoiseAttacker, data: bytes) -> None:
    attacker.stopped.clear()
    channel = grpc.insecure_channel(address)
    header = convert.to_header(Request(ENDLESS))
    call = ProtectionServiceStub(channel).Protect(
        iter([protection_pb2.ProtectRequest(header=header), protection_pb2.ProtectRequest(chunk=data)]), timeout=30
    )
    assert any(response.progress.stage == "attack" for response in call)
    channel.close()
    assert attacker.stopped.wait(3)


def test_the_deadline_reaches_the_attackers_room(client: Client, attacker: NoiseAttacker, data: bytes) -> None:
    attacker.stopped.clear()
    began = time.monotonic()
    with pytest.raises(FaceOffError) as caught:
        client.protect(data, Request(ENDLESS), ignore, 1.0)
    assert caught.value.reason is Reason.DEADLINE_TOO_SHORT
    assert time.monotonic() - began < 3
    assert attacker.stopped.wait(3)


def upload(address: str, *parts: protection_pb2.ProtectRequest) -> list[protection_pb2.ProtectResponse]:
    peer = connect(address)
    try:
        with calling(peer):
            return list(ProtectionServiceStub(peer.channel).Protect(iter(parts), timeout=30))
    finally:
        peer.close()


HEADER = protection_pb2.ProtectRequest(header=protection_pb2.ProtectHeader(plan=convert.to_plan(FAST)))


def test_the_verifier_is_told_the_terms(attacker: NoiseAttacker, data: bytes) -> None:
    seen: list[Terms] = []

    class Remembering(FixedVerifier):
        def verify(self, *arguments: Any) -> list[Verdict]:
            seen.append(arguments[5])
            return super().verify(*arguments)

    references = file_of(picture(seed=1)), file_of(picture(seed=2)) + bytes(convert.CHUNK + 1)
    terms = Terms(references, ("azure",), (View.PHOTO, View.JPEG))
    rooms = Rooms(BoxDetector(1), attacker, LocalAmplifier(), Remembering())
    with gateway(rooms) as address, closing(Client(address)) as client:
        client.protect(data, Request(FAST, terms=terms), ignore)
    assert seen == [replace(terms, tenant=LOCAL.tenant)]


def test_an_upload_begins_with_its_header(address: str, data: bytes) -> None:
    for parts in ((), (protection_pb2.ProtectRequest(chunk=data),), (protection_pb2.ProtectRequest(), HEADER)):
        with pytest.raises(FaceOffError, match="begins with the header") as caught:
            upload(address, *parts)
        assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_the_field_that_is_not_valid_is_named(address: str, data: bytes) -> None:
    for header, field in (
        (protection_pb2.ProtectHeader(strength="extreme"), "strength"),
        (protection_pb2.ProtectHeader(plan={"epsilon": math.nan}), "plan.epsilon"),
        (protection_pb2.ProtectHeader(plan={"epsilon": 7.0}), "plan.epsilon"),
        (protection_pb2.ProtectHeader(plan={"method": 99}), "plan.method"),
        (protection_pb2.ProtectHeader(views=[99]), "views"),  # type: ignore[list-item]
    ):
        with pytest.raises(FaceOffError) as caught:
            upload(address, protection_pb2.ProtectRequest(header=header), protection_pb2.ProtectRequest(chunk=data))
        assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, field)


def test_an_upload_of_no_photo(address: str) -> None:
    with pytest.raises(FaceOffError) as caught:
        upload(address, HEADER)
    assert caught.value.reason is Reason.UNSUPPORTED_FORMAT


def test_an_upload_too_large_is_refused_before_it_ends(address: str) -> None:
    sent = threading.Event()

    def endless() -> Iterator[protection_pb2.ProtectRequest]:
        yield HEADER
        while not sent.wait(0):
            yield protection_pb2.ProtectRequest(chunk=bytes(1_000_000))

    peer = connect(address)
    with pytest.raises(FaceOffError) as caught, calling(peer):
        list(ProtectionServiceStub(peer.channel).Protect(endless(), timeout=30))
    sent.set()
    peer.close()
    assert caught.value.reason is Reason.IMAGE_TOO_LARGE


def test_an_upload_that_breaks_off_is_no_incident(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    going, sent = threading.Event(), threading.Event()

    def halting() -> Iterator[protection_pb2.ProtectRequest]:
        yield HEADER
        going.set()
        sent.wait(10)

    channel = grpc.insecure_channel(address)
    call = ProtectionServiceStub(channel).Protect(halting(), timeout=30)
    assert going.wait(5)
    time.sleep(0.1)
    call.cancel()
    sent.set()
    channel.close()
    log = ""
    while '"event": "call"' not in log:
        log += capfd.readouterr().err
        time.sleep(0.01)
    # As gRPC happens to see it first: a call that was cancelled, or a photo that is cut off.
    assert '"code": "CANCELLED"' in log or '"code": "INVALID_ARGUMENT"' in log
    assert "incident" not in log


def test_a_chunk_over_the_gateways_limit(address: str) -> None:
    with pytest.raises(FaceOffError) as caught:
        upload(address, HEADER, protection_pb2.ProtectRequest(chunk=bytes(MESSAGE_LIMIT + 1)))
    assert caught.value.reason is Reason.IMAGE_TOO_LARGE


def test_a_room_that_is_away_is_named(data: bytes) -> None:
    nobody = connect("127.0.0.1:1")
    with (
        house(partial(remote_rooms, nobody, nobody, nobody, nobody)) as there,
        closing(Client(there.grpc)) as client,
        pytest.raises(FaceOffError) as caught,
    ):
        client.protect(data, Request(FAST), ignore, 30)
    nobody.close()
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
    assert "127.0.0.1:1" in caught.value.message
