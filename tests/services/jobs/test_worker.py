from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import lease as lease_module
from faceoff.jobs.core import Engine, in_memory
from faceoff.jobs.engine import Limits, Operation, State
from faceoff.jobs.sweeper import Sweeper
from faceoff.jobs.worker import Work, Worker
from faceoff.rooms import Report
from faceoff.types import Priority, Progress
from tests.services.jobs.conftest import Open


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(lease_module, "_PAUSE", 0.02)
    engine = in_memory(Limits(lease=1.0))
    yield engine
    engine.close()


def ended(engine: Engine, work: Work, grace: float = 1.0) -> Operation:
    job = engine.submit("ann", Priority.INTERACTIVE, b"how", [b"photo"]).id
    with Worker(engine, work, grace=grace):
        *_, last = engine.watch("ann", job)
    return last


def test_work_is_done(engine: Engine) -> None:
    def work(tenant: str, request: bytes, parts: Sequence[bytes], report: Report) -> tuple[bytes, bytes]:
        report(Progress("attack", 1, 1))
        return tenant.encode() + request, parts[0][::-1]

    operation = ended(engine, work)
    assert (operation.state, operation.detail) == (State.SUCCEEDED, b"annhow")
    assert engine.result("ann", operation.id) == b"otohp"


@pytest.mark.parametrize(
    ("error", "reason", "tries"),
    [
        (FaceOffError(Reason.NO_FACE_DETECTED, "No face."), Reason.NO_FACE_DETECTED, 1),
        (ValueError("secret pixels"), Reason.INTERNAL, 3),
    ],
)
def test_failures(
    engine: Engine, error: Exception, reason: Reason, tries: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(*_: object) -> tuple[bytes, bytes]:
        raise error

    operation = ended(engine, work)
    assert (operation.state, operation.attempts) == (State.FAILED, tries)
    assert operation.error
    assert operation.error.reason is reason
    assert "secret" not in operation.error.message + capfd.readouterr().err


@pytest.mark.parametrize("reason", [Reason.SURROGATE_UNAVAILABLE, Reason.SERVICE_UNAVAILABLE, Reason.OVERLOADED])
def test_who_is_away_is_waited_for(engine: Engine, reason: Reason) -> None:
    times = iter(range(6))

    def work(*_: object) -> tuple[bytes, bytes]:
        if next(times) < 5:
            raise FaceOffError(reason, "Away.")
        return b"", b"result"

    operation = ended(engine, work)
    assert (operation.state, operation.attempts) == (State.SUCCEEDED, 1)


def test_a_cancellation_stops_the_work(engine: Engine) -> None:
    stopped = threading.Event()
    job = engine.submit("ann", Priority.INTERACTIVE, b"how", [b"photo"]).id

    def work(_: str, __: bytes, ___: Sequence[bytes], report: Report) -> tuple[bytes, bytes]:
        try:
            while True:
                report(Progress("attack", 1, 2))
                time.sleep(0.01)
        finally:
            stopped.set()

    with Worker(engine, work):
        while engine.get("ann", job).state is State.QUEUED:
            time.sleep(0.01)
        engine.cancel("ann", job)
        assert stopped.wait(2)
        assert engine.get("ann", job).state is State.CANCELLED


@pytest.mark.parametrize(("patience", "attempts"), [(20.0, 1), (-1.0, 2)])
def test_a_store_that_was_full(
    open_engine: Open, patience: float, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker waits for room, and when it has waited long enough, the job is another's."""
    monkeypatch.setattr(lease_module, "_PATIENCE", patience)
    engine = open_engine(Limits(lease=1.0))
    put, refused = engine._store.blobs.put, threading.Event()

    def full_once(name: str, data: bytes, note: bytes = b"") -> None:
        if "result" in name and not refused.is_set():
            refused.set()
            raise FaceOffError(Reason.OVERLOADED, "The store of photos is full.")
        put(name, data, note)

    monkeypatch.setattr(engine._store.blobs, "put", full_once)
    operation = ended(engine, lambda *_: (b"", b"photo"))
    assert (operation.state, operation.attempts) == (State.SUCCEEDED, attempts)
    assert engine.result("ann", operation.id) == b"photo"
    assert not engine._held


def test_stopping_lets_work_finish(engine: Engine) -> None:
    began = threading.Event()
    job = engine.submit("ann", Priority.INTERACTIVE, b"how", [b"photo"]).id
    later = engine.submit("ann", Priority.INTERACTIVE, b"how", [b"photo"]).id

    def work(*_: object) -> tuple[bytes, bytes]:
        began.set()
        time.sleep(0.5)
        return b"", b"result"

    with Worker(engine, work, grace=5.0):
        assert began.wait(2)
    assert engine.result("ann", job) == b"result"
    assert engine.get("ann", later).state is State.QUEUED


def test_stopping_hands_back_what_takes_too_long(engine: Engine) -> None:
    began = threading.Event()
    job = engine.submit("ann", Priority.INTERACTIVE, b"how", [b"photo"]).id

    def work(_: str, __: bytes, ___: Sequence[bytes], report: Report) -> tuple[bytes, bytes]:
        while True:
            report(Progress("attack", 1, 2))
            began.set()
            time.sleep(0.01)

    with Worker(engine, work, grace=0.2):
        assert began.wait(2)
    assert (engine.get("ann", job).state, engine.get("ann", job).attempts) == (State.QUEUED, 0)
    lease = engine.take(0.5)
    assert lease
    assert lease.operation.id == job


def test_mistakes_end_no_thread(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One each of the worker's, of the sweeper's and of the thread that keeps leases; then all go on."""
    broken: dict[str, int] = {}

    def once(kind: type, name: str) -> None:
        method = getattr(kind, name)

        def failing(*arguments: Any) -> Any:
            broken[name] = broken.get(name, 0) + 1
            if broken[name] == 1:
                raise KeyError(name)
            return method(*arguments)

        monkeypatch.setattr(kind, name, failing)

    once(Engine, "take")
    once(Engine, "sweep")
    once(lease_module.Held, "beat")

    def work(*_: object) -> tuple[bytes, bytes]:
        end = time.monotonic() + 20
        while (broken.get("beat", 0) < 2 or broken.get("sweep", 0) < 2) and time.monotonic() < end:
            time.sleep(0.01)
        return b"", b"photo"

    with Sweeper(engine, 0.05):
        assert ended(engine, work).state is State.SUCCEEDED
    assert min(broken.values()) >= 2
