"""However and wherever a job ends: what it cost is settled once, and its tenant is told under one id."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.client import Client, Request, State
from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import lease as lease_module
from faceoff.jobs.core import Engine
from faceoff.jobs.engine import Limits
from faceoff.jobs.jetstream import connect
from faceoff.pipeline import Rooms
from faceoff.rpc import server
from faceoff.tenants import gate
from faceoff.tenants.outbound import Outbound, loopback
from faceoff.tenants.webhooks import Webhooks
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Plan
from services.gateway import accounts
from services.gateway.gateway import NAME, opened
from services.gateway.settings import MESSAGE_LIMIT, Settings
from tests.authority import Authority, authority
from tests.services.house import ByName
from tests.services.jobs.broker import Broker
from tests.services.jobs.conftest import Open, broker, open_engine
from tests.unit.tenants.receiver import Receiver, receiver, trusting

__all__ = ["broker", "open_engine"]  # fixtures

FAST, ENDLESS = Request(Plan(iterations=2)), Request(Plan(iterations=10_000))
COST = 0.1536
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def trust() -> Authority:
    return authority()


@pytest.fixture
def hook(trust: Authority, tmp_path: Path) -> Iterator[Receiver]:
    with receiver(trust, tmp_path / "server") as hook:
        yield hook


@dataclass
class Place:
    """A door: its gate, and a client of it."""

    gate: gate.Gate
    client: Client

    @property
    def used(self) -> float:
        return self.gate.limiter.used("alice")


@dataclass
class Town:
    """Doors over one engine or several, whose tenants are told by ``hook``."""

    file: Path
    hook: Receiver
    trust: Authority

    @contextmanager
    def door(self, engine: Engine, workers: int = 0, backoff: tuple[float, ...] = (0.1,)) -> Iterator[Place]:
        settings = Settings(
            server.Settings(grace=1.0, message_limit=MESSAGE_LIMIT),
            *("", "", "", ""),
            http="127.0.0.1:0",
            workers=workers,
        )
        rooms = Rooms(BoxDetector(1), NoiseAttacker(0.01), LocalAmplifier(), FixedVerifier())
        with ExitStack() as stack:
            entry = stack.enter_context(closing(gate.Gate(gate.Settings(tenants=self.file), ())))
            entry.authenticator = ByName()
            outbound = Outbound(loopback, 2.0, authorities=lambda: trusting(self.trust))
            entry.webhooks = Webhooks(entry._endpoint, outbound, backoff)
            ports = stack.enter_context(opened(settings, engine, entry, lambda _: rooms, image.decode))
            yield Place(entry, stack.enter_context(closing(Client(ports[NAME], "alice"))))

    def told(self) -> Counter[tuple[str, str]]:
        """How each operation was said to have ended."""
        told = [json.loads(one.body) for one in self.hook.received]
        return Counter((one["data"]["operation"], one["type"].removeprefix("protection.")) for one in told)


@pytest.fixture
def town(hook: Receiver, trust: Authority, tmp_path: Path) -> Town:
    (tmp_path / "secret").write_text(SECRET)
    file = tmp_path / "tenants.yaml"
    url = hook.url()
    file.write_text(f'tenants: {{alice: {{quota: 5000, webhook: {{url: "{url}", secret_file: secret}}}}}}\n')
    return Town(file, hook, trust)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_done_is_paid_and_what_is_not_is_given_back(open_engine: Open, town: Town, photo: bytes) -> None:
    engine = open_engine(Limits(lease=5.0))
    with town.door(engine, workers=1) as door:
        done = door.client.wait(door.client.submit(photo, FAST).id)
        failed = door.client.wait(door.client.submit(photo, Request(FAST.plan, faces=(9,))).id)
        running, waiting, deleted = (door.client.submit(photo, ENDLESS).id for _ in range(3))
        until(lambda: door.client.get(running).state is State.RUNNING)
        for job in (running, waiting):
            door.client.cancel(job)
            door.client.cancel(job)
        door.client.delete(deleted)
        assert (done.state, failed.state) == (State.SUCCEEDED, State.FAILED)
        until(lambda: len(town.hook.received) >= 5)
        assert door.used == pytest.approx(COST)
        door.client.delete(done.id)
        time.sleep(0.5)
        assert town.told() == {
            (done.id, "succeeded"): 1,
            (failed.id, "failed"): 1,
            (running, "cancelled"): 1,
            (waiting, "cancelled"): 1,
            (deleted, "cancelled"): 1,
        }
        assert door.used == pytest.approx(COST)


def test_what_waited_too_long_is_given_back(open_engine: Open, town: Town, photo: bytes) -> None:
    engine = open_engine(Limits(ttl=1.0))
    with town.door(engine) as door:
        job = door.client.submit(photo, FAST).id
        assert door.used == pytest.approx(COST)
        time.sleep(1.1)
        engine.sweep()
        until(lambda: town.told() == {(job, "failed"): 1} and door.used == 0)


def test_a_photo_that_kills_its_workers_is_given_back(
    open_engine: Open, town: Town, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module.Held, "beat", lambda _: None)  # as if they had died
    engine = open_engine(Limits(lease=0.5, tries=2))
    with town.door(engine) as door:
        job = door.client.submit(photo, FAST).id
        assert engine.take(5)
        assert engine.take(5)
        until(lambda: engine.take(0.5) is None and door.client.get(job).state is State.FAILED)
        error = door.client.get(job).error
        assert error
        assert error.reason is Reason.TOO_MANY_TRIES
        until(lambda: town.told() == {(job, "failed"): 1} and door.used == 0)


def test_what_one_door_did_not_tell_another_one_tells(
    open_engine: Open, town: Town, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "_HOLD", 0.5)
    monkeypatch.setattr(accounts, "_OVERDUE", 0.2)
    engine = open_engine(Limits())
    town.hook.answers = [500]
    with town.door(engine, backoff=(0.5, 600.0)) as door:
        job = door.client.submit(photo, FAST).id
        door.client.cancel(job)
        until(lambda: len(town.hook.received) == 1)
    with town.door(engine):
        until(lambda: len(town.hook.received) == 2)
        time.sleep(1.0)
    assert town.told() == {(job, "cancelled"): 2}
    assert len({one.headers["webhook-id"] for one in town.hook.received}) == 1


def test_the_door_that_accepted_a_photo_settles_it_wherever_it_ends(broker: Broker, town: Town, photo: bytes) -> None:
    with (
        closing(connect(broker.url)) as engine,
        closing(connect(broker.url)) as other,
        town.door(engine) as here,
        town.door(other, workers=1) as there,
    ):
        jobs = [here.client.submit(photo, Request(FAST.plan, faces=faces)).id for faces in ((), (9,))]
        endless = here.client.submit(photo, ENDLESS).id
        assert [there.client.wait(job).state for job in jobs] == [State.SUCCEEDED, State.FAILED]
        there.client.cancel(endless)
        until(lambda: here.used == pytest.approx(COST) and len(town.hook.received) == 3)
        time.sleep(0.5)
        assert town.told() == {(jobs[0], "succeeded"): 1, (jobs[1], "failed"): 1, (endless, "cancelled"): 1}


def test_a_repeat_is_not_refused_and_costs_nothing(open_engine: Open, town: Town, photo: bytes) -> None:
    town.file.write_text("defaults: {quota: 0.24, rate: 0.0001, burst: 3}\n")
    engine = open_engine(Limits(tenant_jobs=1))
    other = Request(Plan(iterations=1))
    with town.door(engine) as door:
        job = door.client.submit(photo, FAST, "key")
        assert door.used == pytest.approx(COST)
        with pytest.raises(FaceOffError) as caught:
            door.client.submit(photo, FAST, "another")
        assert caught.value.reason is Reason.QUOTA_EXCEEDED  # the quota
        with pytest.raises(FaceOffError) as caught:
            door.client.submit(photo, other, "another")
        assert caught.value.reason is Reason.OVERLOADED  # the queue
        with pytest.raises(FaceOffError) as caught:
            door.client.submit(photo, FAST, "another")
        assert caught.value.message.startswith("These are more requests")
        for _ in range(3):
            assert door.client.submit(photo, FAST, "key").id == job.id
        with pytest.raises(FaceOffError) as caught:
            door.client.submit(photo, other, "key")
        assert caught.value.reason is Reason.IDEMPOTENCY_CONFLICT
        assert door.used == pytest.approx(COST)
        assert [one.operation.id for one in engine.ends()] == []


def test_a_mistake_does_not_end_it(
    open_engine: Open, town: Town, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(Limits())
    known, asked = engine.ends, []

    def mistaken() -> object:
        asked.append(1)
        if len(asked) < 3:
            raise KeyError
        return known()

    monkeypatch.setattr(engine, "ends", mistaken)
    with town.door(engine) as door:
        until(lambda: len(asked) > 3)
        door.client.cancel(door.client.submit(photo, ENDLESS).id)
        until(lambda: door.used == 0)
