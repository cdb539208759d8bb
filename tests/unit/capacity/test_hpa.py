"""The HorizontalPodAutoscaler's formula against cases worked out by hand from Kubernetes' documentation and source."""

from __future__ import annotations

import pytest

from benchmarks.capacity.hpa import Autoscaler, Direction, Metric, Policy

WORK, AGE = Metric("work", 30.0, average=True), Metric("age", 60.0, average=False)
FREE = Policy(False, 1000, 1.0)
AT_ONCE = Direction(0.0, (FREE,))


def autoscaler(
    *metrics: Metric, up: Direction = AT_ONCE, down: Direction = AT_ONCE, least: int = 1, most: int = 100
) -> Autoscaler:
    return Autoscaler(least, most, metrics, up, down)


@pytest.mark.parametrize(
    ("value", "current", "wanted"),
    [
        (300.0, 1, 10),  # 300 / 30
        (301.0, 1, 11),  # rounded up
        (65.0, 2, 2),  # 65 / (30 * 2) = 1.083, within a tenth
        (67.0, 2, 3),  # 1.117 is not
        (54.0, 2, 2),  # .9 is within
        (53.0, 2, 2),  # .883 is not, but 53 / 30 is rounded up to 2
        (0.0, 5, 0),
    ],
)
def test_a_target_for_each_replica(value: float, current: int, wanted: int) -> None:
    assert WORK.propose(value, current, current) == wanted


@pytest.mark.parametrize(
    ("value", "current", "ready", "wanted"),
    [
        (120.0, 3, 3, 6),  # twice the target, twice the replicas
        (120.0, 6, 3, 6),  # of those that are ready
        (65.0, 3, 3, 3),  # within a tenth
        (30.0, 4, 4, 2),
        (0.0, 4, 4, 0),
    ],
)
def test_a_target_for_all_together(value: float, current: int, ready: int, wanted: int) -> None:
    assert AGE.propose(value, current, ready) == wanted


def test_the_metric_that_asks_for_most_counts() -> None:
    assert autoscaler(WORK, AGE).decide(0, 2, 2, {"work": 120.0, "age": 180.0}) == 6
    assert autoscaler(WORK, AGE).decide(0, 2, 2, {"work": 240.0, "age": 60.0}) == 8


def test_a_metric_without_an_answer_takes_nothing_away() -> None:
    assert autoscaler(WORK, AGE).decide(0, 5, 5, {"work": 30.0}) == 5
    assert autoscaler(WORK, AGE).decide(0, 5, 5, {"work": 300.0}) == 10
    assert autoscaler(WORK, AGE).decide(0, 5, 5, {}) == 5


def test_bounds() -> None:
    assert autoscaler(WORK, most=4).decide(0, 2, 2, {"work": 3000.0}) == 4
    assert autoscaler(WORK, least=3).decide(0, 5, 5, {"work": 0.0}) == 3


def test_up_by_the_policy_that_allows_most_in_its_period() -> None:
    """100 % or 2 pods in 30 s: from 1 to 3; nothing more in the period that began with 1; then from 3 to 6."""
    up = Direction(0.0, (Policy(True, 100, 30.0), Policy(False, 2, 30.0)))
    one = autoscaler(WORK, up=up)
    assert one.decide(0, 1, 1, {"work": 3000.0}) == 3
    assert one.decide(15, 3, 1, {"work": 3000.0}) == 3
    assert one.decide(30, 3, 1, {"work": 3000.0}) == 6
    assert one.decide(60, 6, 6, {"work": 3000.0}) == 12


def test_percents_are_rounded_up_when_going_up_and_cut_when_going_down() -> None:
    assert Policy(True, 10, 60.0).most(5) == 6  # 5.5
    assert Policy(True, 10, 60.0).least(5) == 4  # 4.5


def test_down_to_the_highest_that_was_proposed_in_the_window() -> None:
    """Kubernetes' own example: of what was proposed in the last 300 s the highest holds."""
    one = autoscaler(WORK, down=Direction(300.0, (FREE,)))
    assert one.decide(0, 10, 10, {"work": 270.0}) == 10  # 9 are within a tenth
    assert one.decide(60, 10, 10, {"work": 150.0}) == 10
    assert one.decide(120, 10, 10, {"work": 30.0}) == 10
    assert one.decide(300, 10, 10, {"work": 30.0}) == 5  # the 10 of second 0 is too old, the 5 of second 60 is not
    assert one.decide(360, 5, 5, {"work": 30.0}) == 1


def test_down_a_pod_a_minute() -> None:
    one = autoscaler(WORK, down=Direction(0.0, (Policy(False, 1, 60.0),)))
    replicas, seen = 4, []
    for now in range(0, 195, 15):
        replicas = one.decide(now, replicas, replicas, {"work": 0.0})
        seen.append(replicas)
    assert seen == [3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1]


def test_up_waits_where_there_is_a_window() -> None:
    one = autoscaler(WORK, up=Direction(60.0, (FREE,)))
    assert one.decide(0, 1, 1, {"work": 30.0}) == 1
    assert one.decide(15, 1, 1, {"work": 300.0}) == 1
    assert one.decide(75, 1, 1, {"work": 300.0}) == 10
