"""Ratios that hold on a noisy machine: both sides in one run, taking turns, medians."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """``ratio`` is value over the peer's value in the same unit, both medians over ``runs`` runs that took turns."""

    name: str
    ratio: float
    value: float
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


def side_by_side(
    name: str, work: Callable[[], object], peer: Callable[[], object], against: str, runs: int = 7, per: int = 1
) -> Row:
    """Time ``work`` and ``peer`` in turns after one warm-up of each; the value is seconds for one of ``per`` units. The ratio
    is the median of the pairs' ratios, which drifts of the machine's speed touch least."""
    work()
    peer()
    pairs = [(seconds(work), seconds(peer)) for _ in range(runs)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    return Row(name, ratio, statistics.median(ours for ours, _ in pairs) / per, "s", against, runs)
