"""Requests and work, over memory and a file: what fits, what is given back, what a crash leaves."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants.quota import Limiter, cost
from faceoff.tenants.settings import UNLIMITED, Limits
from faceoff.types import Method, Plan

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[float], Limiter]:
    file = tmp_path / "state" / "tenants.db" if request.param == "file" else None
    return lambda quota: Limiter(file, lambda _: Limits(rate=2.0, burst=3, quota=quota), clock)


def refused(call: Callable[[], object]) -> FaceOffError:
    with pytest.raises(FaceOffError) as caught:
        call()
    assert caught.value.reason is Reason.QUOTA_EXCEEDED
    return caught.value


def test_what_a_photo_costs() -> None:
    assert cost(4000, 3000, Plan(iterations=40)) == 480
    assert cost(4000, 3000, Plan(method=Method.PGD_LINF, iterations=40, search_steps=8)) == 480
    assert cost(1000, 1000, Plan(method=Method.CW_L2, iterations=100, search_steps=5, warm_start=20)) == 520


def test_requests_come_in_bursts_and_then_at_their_rate(make: Callable[[float], Limiter], clock: Clock) -> None:
    limiter = make(1.0)
    for _ in range(3):
        limiter.admit("acme")
    assert refused(lambda: limiter.admit("acme")).retry_after == pytest.approx(0.5)
    limiter.admit("other")
    clock.now += timedelta(seconds=0.5)
    limiter.admit("acme")
    refused(lambda: limiter.admit("acme"))


def test_work_is_set_aside_and_given_back(make: Callable[[float], Limiter], clock: Clock) -> None:
    limiter = make(100.0)
    done, failed, cancelled = (limiter.reserve("acme", amount) for amount in (50.0, 30.0, 20.0))
    error = refused(lambda: limiter.reserve("acme", 0.000001))
    assert error.retry_after == 12 * 3600
    assert limiter.reserve("other", 100.0)
    limiter.settle(done)
    assert limiter.used("acme") == 100
    limiter.settle(failed, 0)
    limiter.settle(cancelled, 5)
    assert limiter.used("acme") == 55
    for reservation in (done, failed, cancelled, "made-up"):
        limiter.settle(reservation, 0)
    assert limiter.used("acme") == 55
    assert limiter.reserve("acme", 45)


def test_more_than_a_days_work_is_not_worth_waiting_for(make: Callable[[float], Limiter]) -> None:
    limiter = make(100.0)
    assert refused(lambda: limiter.reserve("acme", 100.1)).retry_after is None
    assert refused(lambda: limiter.reserve("acme", 1e300)).retry_after is None
    assert limiter.used("acme") == 0


def test_a_new_day_is_a_new_quota_and_yesterdays_jobs_settle_with_theirs(
    make: Callable[[float], Limiter], clock: Clock
) -> None:
    limiter = make(100.0)
    late, forgotten = limiter.reserve("acme", 60), limiter.reserve("acme", 40)
    clock.now += timedelta(hours=12)
    assert limiter.used("acme") == 0
    assert limiter.reserve("acme", 100)
    limiter.settle(late, 0)
    assert limiter.used("acme") == 100
    clock.now += timedelta(days=1)
    assert limiter.reserve("acme", 100)
    limiter.settle(forgotten, 0)
    assert limiter.used("acme") == 100


def test_without_limits_nothing_is_refused() -> None:
    limiter = Limiter(None, lambda _: UNLIMITED)
    for _ in range(100):
        limiter.admit("local")
        limiter.reserve("local", 1e9)
    assert math.isfinite(limiter.used("local"))


def test_callers_at_once_get_no_more_than_the_quota(make: Callable[[float], Limiter]) -> None:
    limiter, kept = make(10.0), []

    def ask() -> None:
        for _ in range(5):
            try:
                kept.append(limiter.reserve("acme", 1.0))
            except FaceOffError:
                return

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == len(set(kept)) == 10


def test_what_a_killed_process_had_set_aside_stays_counted(tmp_path: Path, clock: Clock) -> None:
    def limiter() -> Limiter:
        return Limiter(tmp_path / "tenants.db", lambda _: Limits(2.0, 3, 10.0), clock)

    child = os.fork()
    if not child:
        limiter().reserve("acme", 7.0)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert limiter().used("acme") == 7
    refused(lambda: limiter().reserve("acme", 4.0))


def test_what_cannot_be_counted_is_not_let_in(tmp_path: Path, clock: Clock) -> None:
    limiter = Limiter(tmp_path / "tenants.db", lambda _: Limits(2.0, 3, 10.0), clock)
    with limiter._store.transaction() as db:
        db.execute("DROP TABLE used")
        db.execute("DROP TABLE buckets")
    for call in (lambda: limiter.reserve("acme", 1.0), lambda: limiter.admit("acme")):
        with pytest.raises(FaceOffError) as caught:
            call()
        assert caught.value.reason is Reason.SERVICE_UNAVAILABLE


@given(st.lists(st.tuples(st.floats(0, 40), st.sampled_from([None, 0.0, 0.5, 2.0]))))
@settings(deadline=None)
def test_the_sum_is_that_of_what_was_kept(jobs: list[tuple[float, float | None]]) -> None:
    limiter, kept = Limiter(None, lambda _: Limits(2.0, 3, 100.0), Clock()), 0.0
    for amount, share in jobs:
        try:
            reservation = limiter.reserve("acme", amount)
        except FaceOffError:
            assert kept + amount > 99.99
            continue
        limiter.settle(reservation, None if share is None else share * amount)
        kept += amount * min(1.0, 1.0 if share is None else share)
    assert limiter.used("acme") == pytest.approx(kept, abs=1e-3)
