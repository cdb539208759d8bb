"""Too much at once, and senders that stop in the middle."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import grpc
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.client import Client, State
from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import core
from faceoff.jobs.engine import Limits
from faceoff.pipeline import Request, Rooms
from faceoff.rpc import convert
from faceoff.rpc.connect import calling, connect
from faceoff.tenants import gate
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Plan, Progress
from faceoff.v1 import protection_pb2
from faceoff.v1.protection_pb2_grpc import ProtectionServiceStub
from services.gateway import upload, web
from services.gateway.accounts import Accounts
from services.gateway.door import Door
from services.gateway.measuring import Measuring
from services.gateway.places import Places
from services.gateway.pool import Pool
from services.gateway.servicer import ProtectionServicer
from tests.services.house import ByName, House, house

ALICE = {"Authorization": "Bearer alice"}
PNG = ALICE | {"Content-Type": "image/png"}


@pytest.fixture
def rooms() -> Rooms:
    return Rooms(BoxDetector(1), NoiseAttacker(0.05), LocalAmplifier(), FixedVerifier())


@pytest.fixture
def small(rooms: Rooms, tmp_path: Path) -> Iterator[House]:
    """Two jobs of a tenant at once, and no more than five calls."""
    file = tmp_path / "tenants.yaml"
    file.write_text("defaults: {rate: 0.1, burst: 5}\n")
    with house(lambda _: rooms, ByName(), gate.Settings(tenants=file), Limits(tenant_jobs=2), workers=1) as there:
        yield there


def test_refusals_say_when_to_come_back(small: House, photo: bytes) -> None:
    answers = [httpx2.post(f"{small.http}/v1/protections", content=photo, headers=PNG) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202, 202, 503, 503, 503, 429]
    assert [answer.json()["reason"] for answer in answers[2:]] == ["OVERLOADED"] * 3 + ["QUOTA_EXCEEDED"]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers[2:])


def test_a_repeat_is_never_refused(small: House, photo: bytes) -> None:
    def send(key: str, content: bytes = photo) -> httpx2.Response:
        headers = PNG | {"Idempotency-Key": key}
        return httpx2.post(f"{small.http}/v1/protections", content=content, headers=headers)

    first = send("key")
    assert first.status_code == 202
    assert {send(f"other-{n}").status_code for n in range(6)} == {202, 503, 429}
    for _ in range(3):
        again = send("key")
        assert (again.status_code in (200, 202), again.headers["location"]) == (True, first.headers["location"])
    conflict = send("key", photo + b"another")
    assert (conflict.status_code, conflict.json()["reason"]) == (409, "IDEMPOTENCY_CONFLICT")


def test_uploads_at_once_have_a_bound(rooms: Rooms, photo: bytes) -> None:
    with house(lambda _: rooms, ByName()) as there, ExitStack() as stack:
        host, _, port = there.http.removeprefix("http://").rpartition(":")
        head = "POST /v1/protections HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: image/png\r\n"
        for _ in range(8):
            line = stack.enter_context(socket.create_connection((host, int(port))))
            line.sendall(f"{head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo[:100])
        answer = _until(503, lambda: httpx2.post(f"{there.http}/v1/protections", content=photo, headers=PNG))
        assert answer.json()["reason"] == Reason.OVERLOADED
        bob = PNG | {"Authorization": "Bearer bob"}  # whom alice does not keep out
        assert httpx2.post(f"{there.http}/v1/protections", content=photo, headers=bob).status_code == 202
        stack.close()  # they break off
        assert _until(202, lambda: httpx2.post(f"{there.http}/v1/protections", content=photo, headers=PNG))
        assert len(httpx2.get(f"{there.http}/v1/operations", headers=ALICE).json()["operations"]) <= 3


def test_downloads_at_once_have_a_bound(rooms: Rooms, photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read = threading.Event()

    def slowly(result: bytes) -> Iterator[bytes]:
        yield result[:1]
        read.wait(30)
        yield result[1:]

    monkeypatch.setattr(convert, "to_chunks", slowly)
    with house(lambda _: rooms, ByName()) as there, ExitStack() as stack:
        created = httpx2.post(f"{there.http}/v1/protections?wait=30s", content=photo, headers=PNG, timeout=60)
        place = f"{there.http}{created.headers['location']}/result"
        stack.callback(read.set)
        for _ in range(12):
            stream = stack.enter_context(httpx2.stream("GET", place, headers=ALICE, timeout=60))
            assert stream.status_code == 200
        refused = httpx2.get(place, headers=ALICE)
        assert (refused.status_code, refused.json()["reason"]) == (503, Reason.OVERLOADED)
        read.set()
        assert _until(200, lambda: httpx2.get(place, headers=ALICE, timeout=60)).content


def test_a_photo_too_large_is_refused_before_it_ends(rooms: Rooms) -> None:
    with house(lambda _: rooms, ByName()) as there:
        host, _, port = there.http.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(
                b"POST /v1/protections HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\n"
                b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
            for _ in range(24):
                line.sendall(chunk)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += line.recv(1000)
        assert answer.startswith(b"HTTP/1.1 413")


def test_a_silent_stream_is_kept_alive(rooms: Rooms, photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_HEARTBEAT", 0.1)
    with house(lambda _: rooms, ByName(), workers=0) as there:
        place = httpx2.post(f"{there.http}/v1/protections", content=photo, headers=PNG).headers["location"]
        with httpx2.stream("GET", f"{there.http}{place}/events", headers=ALICE, timeout=10) as stream:
            for line in stream.iter_lines():
                if line == ": still here":
                    break
        httpx2.delete(f"{there.http}{place}", headers=ALICE)


def test_no_tenant_takes_all_calls(rooms: Rooms, photo: bytes) -> None:
    with ExitStack() as stack:
        there = stack.enter_context(house(lambda _: rooms, ByName(), workers=0, calls=4))
        alice, bob = (stack.enter_context(closing(Client(there.grpc, name))) for name in ("alice", "bob"))
        job = alice.submit(photo, Request(Plan()))
        watches = [alice.watch(job.id) for _ in range(4)]  # they end with the client
        for watch in watches[:3]:
            assert next(watch).id == job.id
        with pytest.raises(FaceOffError) as caught:
            next(watches[3])
        assert (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 2.0)
        assert next(bob.watch(bob.submit(photo, Request(Plan())).id)).state is State.QUEUED


def test_photos_that_do_not_queue_have_a_bound(rooms: Rooms, photo: bytes) -> None:
    """Half of it is one tenant's; who is refused has sent nothing yet."""
    over = threading.Event()
    with house(lambda _: rooms, ByName()) as there, ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        clients = {name: stack.enter_context(closing(Client(there.grpc, name))) for name in ("alice", "bob")}

        def protect(client: Client) -> threading.Event:
            inside = threading.Event()

            def report(_: Progress) -> None:
                inside.set()
                if over.is_set():
                    raise InterruptedError

            pool.submit(client.protect, photo, Request(Plan(iterations=10_000)), report)
            return inside

        def refused(tenant: str) -> float | None:
            with closing(connect(there.grpc, {"authorization": f"Bearer {tenant}"})) as peer:
                with pytest.raises(FaceOffError) as caught, calling(peer):
                    list(ProtectionServiceStub(peer.channel).Protect(_silent(over), timeout=20))
                assert caught.value.reason is Reason.OVERLOADED
                return caught.value.retry_after

        try:
            assert all(protect(clients["alice"]).wait(20) for _ in range(4))
            assert refused("alice") == 2.0
            assert all(protect(clients["bob"]).wait(20) for _ in range(4))
            assert refused("carol") == 2.0
            job = clients["alice"].submit(photo, Request(Plan(iterations=1)))
            assert clients["alice"].wait(job.id).state is State.SUCCEEDED
        finally:
            over.set()


def _silent(over: threading.Event) -> Iterator[protection_pb2.ProtectRequest]:
    over.wait(20)
    yield protection_pb2.ProtectRequest()


def test_an_upload_over_grpc_has_a_clock(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "SECONDS", 0.2)
    over = threading.Event()

    def slow() -> Iterator[protection_pb2.CreateProtectionRequest]:
        yield protection_pb2.CreateProtectionRequest(header=protection_pb2.ProtectHeader(strength="subtle"))
        over.wait(20)

    with house(lambda _: rooms, ByName()) as there, closing(connect(there.grpc, {"authorization": "Bearer a"})) as peer:
        call = ProtectionServiceStub(peer.channel).CreateProtection.future(slow(), timeout=20)
        try:
            assert call.code() is grpc.StatusCode.CANCELLED
        finally:
            over.set()


def test_a_result_is_paid_even_if_its_caller_hangs_up(rooms: Rooms, photo: bytes, tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text("defaults: {quota: 100}\n")
    parts = [
        protection_pb2.ProtectRequest(header=convert.to_header(Request(Plan(iterations=2)))),
        protection_pb2.ProtectRequest(chunk=photo),
    ]
    context = SimpleNamespace(
        invocation_metadata=lambda: (("authorization", "Bearer alice"),),
        time_remaining=lambda: 60.0,
        add_callback=lambda _: True,
        cancel=lambda: None,
    )
    with (
        closing(core.in_memory()) as jobs,
        closing(gate.Gate(gate.Settings(tenants=file), ["127.0.0.1:1"])) as entry,
    ):
        entry.authenticator = ByName()
        door = Door(jobs, entry, Accounts(jobs, entry), Measuring(image.decode), lambda _: rooms)
        servicer = ProtectionServicer(door, lambda _: rooms, Pool(entry.targets), Places(4), Places(4))
        answers = servicer.Protect(iter(parts), context)  # type: ignore[arg-type]
        while not next(answers).HasField("result"):
            pass
        answers.close()  # type: ignore[attr-defined]
        assert entry.limiter.used("alice") == pytest.approx(0.1536)


PARTS = st.one_of(
    st.builds(lambda data: protection_pb2.ProtectRequest(chunk=data), st.binary(max_size=50)),
    st.builds(
        lambda number, data: protection_pb2.ProtectRequest(
            reference=protection_pb2.ReferenceChunk(number=number, chunk=data)
        ),
        st.integers(-1, 9),
        st.binary(max_size=50),
    ),
    st.just(protection_pb2.ProtectRequest()),
    st.builds(
        lambda strength: protection_pb2.ProtectRequest(header=protection_pb2.ProtectHeader(strength=strength)),
        st.sampled_from(["", "subtle", "none"]),
    ),
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(PARTS, max_size=8))
def test_any_upload_over_grpc_is_read_or_refused(parts: list[protection_pb2.ProtectRequest]) -> None:
    try:
        request, photo = convert.from_upload(iter(parts))
    except FaceOffError as error:
        refused: Reason | None = error.reason
    else:
        refused = None
        sent = [part.chunk or part.reference.chunk for part in parts[1:]]
        assert b"".join([photo, *request.terms.references]) == b"".join(sent)
    assert refused in (None, Reason.INVALID_ARGUMENT)


def _until(status: int, send: object) -> httpx2.Response:
    for _ in range(100):
        answer: httpx2.Response = send()  # type: ignore[operator]
        if answer.status_code == status:
            return answer
        time.sleep(0.05)
    raise AssertionError(answer.text)
