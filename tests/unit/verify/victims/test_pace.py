from __future__ import annotations

from pathlib import Path

import pytest

from faceoff.verify.victims.pace import Breaker, Pace
from faceoff.verify.victims.store import Store


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_a_seconds_worth_at_once_and_then_its_rate(tmp_path: Path) -> None:
    clock = Clock()
    pace = Pace(Store(tmp_path), clock)
    waits = [pace.take("azure", 4.0, 60.0) for _ in range(8)]
    assert waits == pytest.approx([0, 0, 0, 0, 0.25, 0.5, 0.75, 1.0])
    assert pace.take("facepp", 4.0, 60.0) == 0  # a bucket each
    clock.now += 100
    assert Pace(Store(tmp_path), clock).take("azure", 4.0, 0.0) == 0


def test_a_wait_beyond_ones_patience_takes_no_token(tmp_path: Path) -> None:
    clock = Clock()
    pace = Pace(Store(tmp_path), clock)
    assert pace.take("azure", 0.1, 0.0) == 0
    for _ in range(5):
        assert pace.take("azure", 0.1, 9.0) is None
    assert pace.take("azure", 0.1, 11.0) == pytest.approx(10.0)


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try() -> None:
    clock = Clock()
    breaker = Breaker(failures=2, rest=30.0, clock=clock)
    breaker.record(failed=True)
    breaker.record(failed=False)
    breaker.record(failed=True)
    assert breaker.wait() == 0
    breaker.record(failed=True)
    assert breaker.wait() == 30
    clock.now += 31
    assert breaker.wait() == 0
    assert breaker.wait() == 30  # somebody is trying
    breaker.record(failed=True)
    assert breaker.wait() == 30
    clock.now += 31
    assert breaker.wait() == 0
    breaker.record(failed=False)
    assert breaker.wait() == 0
    assert breaker.wait() == 0
