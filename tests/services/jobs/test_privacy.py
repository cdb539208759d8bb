"""No photo and no key on the broker's disk beyond what is promised, at whatever moment everything is killed."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from faceoff.errors import FaceOffError
from faceoff.jobs.core import Engine
from faceoff.jobs.engine import Limits, State
from faceoff.jobs.jetstream import connect
from faceoff.jobs.lease import input_name, result_name
from faceoff.jobs.record import Record
from faceoff.types import Priority
from tests.services.jobs.broker import Broker

MARK = b"a face that nobody may see on a disk"
LIMITS = Limits(lease=2.0)


def secret(engine: Engine, name: str) -> bytes:
    entry = engine._store.secrets.read(name)
    assert entry
    return entry.value


def settled(broker: Broker) -> bytes:
    """What is on the disk once the server has written what it was told."""
    time.sleep(0.5)
    broker.kill()
    stored = broker.stored()
    broker.start()
    return stored


def record_of(engine: Engine, job: str) -> Record:
    entry = engine._store.operations.read(f"YW5u.{job}")
    assert entry
    return Record.load(entry.value)


def test_keys_are_overwritten_when_their_time_is_over(broker: Broker) -> None:
    engine = connect(broker.url, LIMITS)
    jobs = [engine.submit("ann", Priority.BULK, b"how", [MARK * 1000]).id for _ in range(3)]
    key = secret(engine, input_name(record_of(engine, jobs[0])))
    stored = settled(broker)
    assert key in stored, "the test can see keys that are there"
    assert MARK not in stored
    assert MARK[::-1] not in stored
    engine.close()
    engine = connect(broker.url, LIMITS)
    lease = engine.take(5)
    assert lease
    lease.succeed(b"detail " + MARK, MARK[::-1] * 1000)
    record = record_of(engine, jobs[0])
    result_key = secret(engine, result_name(record))
    stored = settled(broker)
    assert key not in stored, "the photo's key goes when the mask is there"
    assert result_key in stored
    assert MARK not in stored
    engine.close()
    engine = connect(broker.url, LIMITS)
    engine.delete("ann", jobs[0])
    cancelled = secret(engine, input_name(record_of(engine, jobs[1])))
    engine.cancel("ann", jobs[1])
    stored = settled(broker)
    engine.close()
    for gone in (result_key, cancelled):
        assert gone not in stored
        assert base64.b64encode(gone) not in stored
    assert MARK not in stored
    assert MARK[::-1] not in stored


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_photo_on_the_disk_wherever_it_is_cut_off(tmp_path: Path, broker: Broker, seed: int) -> None:
    """Submit without pause; kill the worker and the broker together at random moments; look at the disk."""
    random_moment = random.Random(seed)
    engine = connect(broker.url, LIMITS)
    over = threading.Event()
    photo = MARK * 4000

    def submit() -> None:
        while not over.is_set():
            try:
                engine.submit("ann", Priority.BULK, b"3", [photo])
            except FaceOffError:
                over.wait(0.2)

    submitter = threading.Thread(target=submit)
    submitter.start()
    command = [sys.executable, "-m", "tests.services.jobs.work", broker.url, json.dumps(asdict(LIMITS))]
    try:
        for _ in range(3):
            worker = subprocess.Popen(command, cwd=Path(__file__).parents[3])
            time.sleep(2 + 2 * random_moment.random())
            worker.kill()
            broker.kill()
            worker.wait()
            stored = broker.stored()
            assert len(stored) > 10_000
            assert MARK not in stored
            assert MARK[::-1] not in stored
            for path in tmp_path.glob("*"):
                if path.is_file():
                    assert MARK not in path.read_bytes()
            broker.start()
    finally:
        over.set()
        submitter.join()
    assert any(job.state is State.SUCCEEDED for job in engine.list("ann", 10_000))
    engine.close()
