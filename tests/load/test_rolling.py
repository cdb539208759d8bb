"""Under load every process is replaced, the new one before the old one, by SIGTERM: nobody's photo fails, none is lost, and
workers that end do theirs to the end.

LOAD_SECONDS (0) is how long each state of the house lasts at least."""

from __future__ import annotations

import itertools
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from faceoff.client import Client, State
from faceoff.rpc.serving import ServingNetworks
from tests.load.rooms import SURROGATE
from tests.load.town import MODEL_SERVER, ROOMS, Town
from tests.load.visitors import Visitor, by_call, by_http, by_job

SECONDS = float(os.environ.get("LOAD_SECONDS", "0"))
PHOTOS = 1
"""That every visitor gets before the next change."""


@contextmanager
def visited(place: Town, visitors: list[Visitor], capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    for visitor in visitors:
        visitor.start()
    settle(place, visitors)
    yield
    settle(place, visitors)
    for visitor in visitors:
        visitor.leave()
    said = ", ".join(f"{visitor.name} {visitor.seen} photos, {dict(visitor.repeats)}" for visitor in visitors)
    with capsys.disabled():
        sys.stdout.write(f"\nload: {said}\n")
    assert not [wrong for visitor in visitors for wrong in visitor.wrong]


def settle(place: Town, visitors: list[Visitor]) -> None:
    """Wait until every visitor has got some more photos."""
    wanted, began = [visitor.seen + PHOTOS for visitor in visitors], time.monotonic()
    while any(visitor.seen < goal for visitor, goal in zip(visitors, wanted, strict=True)) or (
        time.monotonic() - began < SECONDS
    ):
        place.check()
        assert not [wrong for visitor in visitors for wrong in visitor.wrong]
        assert time.monotonic() - began < 120 + SECONDS, "photos are stuck"
        time.sleep(0.1)


def attacks(place: Town, **labels: str) -> float:
    """How many attacks the attacker that is there now has been asked for."""
    asked = {"method": "/faceoff.v1.AttackerService/Attack", **labels}
    with urllib.request.urlopen(f"http://{place.metrics[place.now('attacker')]}/metrics") as page:
        families = list(text_string_to_metric_families(page.read().decode()))
    samples = (one for family in families for one in family.samples if one.name == "faceoff_requests_total")
    return sum(one.value for one in samples if asked.items() <= one.labels.items())


def version(place: Town) -> int:
    """The surrogate's that attackers get."""
    with ServingNetworks(place.networks) as networks:
        return int(networks.version(SURROGATE))


@pytest.mark.timeout(600 + 20 * SECONDS)
def test_every_service_is_replaced(
    place: Town, photo: bytes, protected: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    visitors = [
        Visitor("by-call", by_call(place.grpc, photo), protected),
        Visitor("by-job", by_job(place.grpc, photo), protected),
        Visitor("by-HTTP", by_http(place.http, photo), protected),
    ]
    with visited(place, visitors, capsys):
        for kind in (*ROOMS, "gateway"):
            place.replace(kind)
            settle(place, visitors)


@pytest.mark.timeout(600 + 20 * SECONDS)
def test_a_new_version_of_a_surrogate(
    place: Town, photo: bytes, protected: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the operator rolls it: model servers with the new version start, those with the old one end."""
    visitors = [
        Visitor("by-call", by_call(place.grpc, photo), protected),
        Visitor("by-job", by_job(place.grpc, photo), protected),
    ]
    before, failed = version(place), attacks(place, code="UNAVAILABLE")
    with visited(place, visitors, capsys):
        place.replace(MODEL_SERVER)
    assert version(place) == before + 1
    assert attacks(place, code="UNAVAILABLE") == failed


@pytest.mark.timeout(600 + 20 * SECONDS)
def test_workers_come_and_go(place: Town, photo: bytes, protected: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """No job is lost, and none is done twice: the attacker has heard of each photo once."""
    workers = ["worker-1", place.hire()]
    visitors = [Visitor(f"job-{number}", by_job(place.grpc, photo), protected) for number in range(4)]
    before = attacks(place)
    with visited(place, visitors, capsys):
        for _ in range(2):
            place.stop(workers.pop(0))
            workers.append(place.hire())
            settle(place, visitors)
    done = sum(visitor.seen for visitor in visitors)
    assert attacks(place) - before == done
    with closing(Client(place.grpc)) as client:
        jobs = list(itertools.islice(client.list(), done))
        assert all(job.state is State.SUCCEEDED and job.attempts == 1 for job in jobs)
