"""The gateway's own look at photos: without their pixels, and by turns."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing

import httpx2
import numpy as np
import pytest

from faceoff.amplify import LocalAmplifier
from faceoff.client import Client
from faceoff.decoding.pool import Decoder
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Request, Rooms, protect
from faceoff.rpc.connect import connect
from faceoff.rpc.remote import remote_rooms
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Photo, Plan, Priority
from services.gateway import door
from services.gateway.measuring import Measuring
from tests.services.house import ByName, house, served_rooms

FAST = Request(Plan(iterations=2))


class Slow:
    """Reads photos, which are named by their bytes; each is ready when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._ends: dict[str, threading.Event] = defaultdict(threading.Event)

    def read(self, data: bytes) -> Photo:
        self.begun.append(data.decode())
        assert self._ends[data.decode()].wait(60)
        return Photo(np.zeros((8, 8, 3), np.float32), "PNG", data)

    def end(self, name: str) -> None:
        self._ends[name].set()


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_tenants_take_turns_and_none_takes_every_place(slow: Slow, threads: ThreadPoolExecutor) -> None:
    measuring = Measuring(slow.read, at_once=2)

    def send(name: str) -> Future[Photo]:
        return threads.submit(measuring.measure, name.encode(), (Priority.INTERACTIVE, name[0]))

    sent = [send("a1")]
    until(lambda: slow.begun == ["a1"])
    for number, name in enumerate(("a2", "a3", "a4"), 1):
        sent.append(send(name))
        until(lambda number=number: len(measuring._waiting) == number)  # type: ignore[misc]
    sent.append(send("b1"))
    until(lambda: slow.begun == ["a1", "b1"])  # the second place is not a's
    for number, name in enumerate(("b2", "c1"), 4):
        sent.append(send(name))
        until(lambda number=number: len(measuring._waiting) == number)  # type: ignore[misc]
    for ended, next_ in (("b1", "c1"), ("c1", "b2"), ("a1", "a2"), ("a2", "a3"), ("a3", "a4")):
        slow.end(ended)
        until(lambda next_=next_: slow.begun[-1] == next_)  # type: ignore[misc]
    for ended in ("b2", "a4"):
        slow.end(ended)
    assert [photo.result().source.decode() for photo in sent] == ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]
    assert slow.begun == ["a1", "b1", "c1", "b2", "a2", "a3", "a4"]


def test_nobody_waits_for_long(slow: Slow, threads: ThreadPoolExecutor) -> None:
    measuring, line = Measuring(slow.read, at_once=1), (Priority.BULK, "a")
    first = threads.submit(measuring.measure, b"1", line)
    until(lambda: slow.begun == ["1"])
    with pytest.raises(FaceOffError) as caught:
        measuring.measure(b"2", line, seconds=0.01)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 2.0)
    slow.end("1")
    slow.end("3")
    assert first.result().source == b"1"
    assert measuring.measure(b"3", line, seconds=60).source == b"3"
    assert slow.begun == ["1", "3"]


def test_a_photo_that_fails_gives_its_place_back() -> None:
    def fail(_: bytes) -> Photo:
        raise FaceOffError(Reason.IMAGE_CORRUPT, "It is broken.")

    measuring = Measuring(fail, at_once=1)
    for _ in range(2):
        with pytest.raises(FaceOffError, match="broken"):
            measuring.measure(b"", (Priority.BULK, "a"), seconds=60)


@pytest.mark.parametrize("files", [{"photo": b"2"}, {"photo": b"3", "reference": b"2"}])
def test_the_door_says_when_to_come_back(
    files: dict[str, bytes], slow: Slow, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_MEASURE_SECONDS", 0.01)
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with (
        house(lambda _: rooms, ByName(), decode=slow.read) as there,
        httpx2.Client(base_url=there.http, headers={"Authorization": "Bearer alice"}, timeout=60) as http,
    ):
        first = threads.submit(http.post, "/v1/protections", files={"photo": b"1"})
        until(lambda: slow.begun == ["1"])
        answer = http.post("/v1/protections", files=files)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json()["reason"] == "OVERLOADED"
        slow.end("1")
        assert first.result().status_code == 202


def test_results_need_no_pixels_here(photo: bytes) -> None:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    expected = protect(photo, FAST, rooms, lambda _: None).candidate.data
    with ExitStack() as stack:
        peers = {name: connect(address) for name, address in stack.enter_context(served_rooms(rooms)).items()}
        decoder = stack.enter_context(Decoder())
        there = stack.enter_context(
            house(lambda deadline: remote_rooms(**peers, deadline=deadline), decode=decoder.measure)
        )
        client = stack.enter_context(closing(Client(there.grpc)))
        job = client.submit(photo, FAST)
        assert client.protect(photo, FAST, lambda _: None).candidate.data == expected
        client.wait(job.id)
        assert client.result(job.id).candidate.data == expected
        for peer in peers.values():
            peer.close()
