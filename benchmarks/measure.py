"""Ratios that hold on a noisy machine: all sides in one run, taking turns, medians."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One line of the results: ``ratio`` compares ``value`` (in ``unit``) with what ``against`` says, both medians over
    ``runs`` rounds in which the sides took turns. It is None where nothing could be compared; then ``against`` says why."""

    name: str
    ratio: float | None
    value: float | None
    unit: str
    against: str
    runs: int

    def print(self) -> None:
        numbers = {name: round(value, 4) for name, value in asdict(self).items() if isinstance(value, float)}
        print(json.dumps(asdict(self) | numbers), flush=True)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(*works: Callable[[], object], runs: int) -> list[list[float]]:
    """Each work's seconds in every round, after one round to warm up. Every second round goes backwards, so that nobody
    always comes after the same neighbour."""
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    for turn in range(runs):
        order = range(len(works)) if turn % 2 == 0 else reversed(range(len(works)))
        for index in order:
            times[index].append(seconds(works[index]))
    return times


def compared(name: str, ours: Sequence[float], theirs: Sequence[float], unit: str, against: str) -> Row:
    """The row of ``ours`` over ``theirs``. The ratio is the median of the rounds' ratios, which drifts of the machine's speed
    touch least."""
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    return Row(name, ratio, statistics.median(ours), unit, against, len(ours))
