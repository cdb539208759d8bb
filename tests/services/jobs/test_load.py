"""Fairness beside a long queue, and goodput when far too much comes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.core import Engine, in_memory
from faceoff.jobs.engine import Limits
from faceoff.jobs.jetstream import connect
from faceoff.jobs.worker import Worker
from faceoff.rooms import Report
from faceoff.types import Priority
from tests.services.jobs.broker import Broker

MANY = Limits(jobs=200_000, tenant_jobs=200_000, lease=30.0)


def next_tenants(engine: Engine, count: int) -> list[str]:
    tenants = []
    for _ in range(count):
        lease = engine.take(5)
        assert lease
        tenants.append(lease.operation.tenant)
        lease.succeed(b"", b"")
    return tenants


def fair(engine: Engine, backlog: int) -> None:
    for _ in range(backlog):
        engine.submit("hog", Priority.BULK, b"", [b"p"])
    next_tenants(engine, 5)
    job = engine.submit("ann", Priority.BULK, b"", [b"p"])
    assert "ann" in next_tenants(engine, 2), "one of two tenants has every other turn"
    assert engine.get("ann", job.id).has_result


def test_a_hundred_thousand_photos_of_another() -> None:
    engine = in_memory(MANY)
    fair(engine, 100_000)
    engine.close()


def test_thousands_of_photos_of_another_on_the_broker(broker: Broker) -> None:
    engine = connect(broker.url, MANY)
    fair(engine, 3_000)
    engine.close()


WORKERS, SECONDS = 4, 0.1  # so long that other work on the machine does not decide


def work(*_: object) -> tuple[bytes, bytes]:
    time.sleep(SECONDS)
    return b"", b""


def goodput(offered: float, seconds: float) -> tuple[float, list[FaceOffError]]:
    """Jobs done a second when ``offered`` a second are submitted, and what was refused."""
    counted: list[float] = []
    refused: list[FaceOffError] = []

    def counting(tenant: str, request: bytes, parts: Sequence[bytes], report: Report) -> tuple[bytes, bytes]:
        result = work(tenant, request, parts, report)
        counted.append(time.monotonic())
        return result

    engine = in_memory(Limits(jobs=40, tenant_jobs=40))
    began = time.monotonic()
    with Worker(engine, counting, WORKERS, grace=1.0):
        submitted = 0
        while (now := time.monotonic() - began) < seconds:
            while submitted < now * offered:
                submitted += 1
                try:
                    engine.submit("ann", Priority.INTERACTIVE, b"", [b"p"])
                except FaceOffError as error:
                    refused.append(error)
            time.sleep(0.005)
    engine.close()
    settled = [when for when in counted if began + 0.3 < when < began + seconds]
    return len(settled) / (seconds - 0.3), refused


@pytest.mark.timeout(120)
def test_goodput_at_ten_times_the_load() -> None:
    capacity = WORKERS / SECONDS
    ratios = []
    for _ in range(3):
        peak, _ = goodput(capacity, 3.0)
        loaded, refused = goodput(10 * capacity, 3.0)
        assert len(refused) > capacity
        assert all(error.reason is Reason.OVERLOADED and error.retry_after for error in refused)
        ratios.append(loaded / peak)
    assert statistics.median(ratios) >= 0.9, ratios
