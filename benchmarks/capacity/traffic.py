"""Photos that come in: a day with a night, an evening, a rush and a heap; or what a file says."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.capacity.replay import Arrivals

DAY = 86_400
HOUR = 3600


@dataclass(frozen=True)
class Curve:
    """``mean`` interactive photos a second over the day, least at 4 and most at 20 o'clock, where ``swing`` is the share by
    which they differ from the mean; at ``rush`` o'clock ``times`` as many for ``rush_minutes``; at ``heap`` o'clock a tenant's
    ``heap_photos`` bulk photos within a minute."""

    mean: float
    swing: float = 0.7
    rush: float = 20.0
    rush_minutes: float = 15.0
    times: float = 2.0
    heap: float = 10.0
    heap_photos: int = 100

    def rate(self, second: int) -> float:
        hour = second / HOUR
        # Sixteen hours from the least to the most, eight back.
        phase = (hour - 4) / 16 if 4 <= hour < 20 else 1 + ((hour - 20) % 24) / 8
        rate = self.mean * (1 - self.swing * math.cos(math.pi * phase))
        rushing = 0 <= hour - self.rush < self.rush_minutes / 60
        return rate * (self.times if rushing else 1.0)

    def arrivals(self, seed: int = 0) -> Arrivals:
        """At random, the same for a seed."""
        chance = np.random.default_rng(seed)
        interactive = chance.poisson([self.rate(second) for second in range(DAY)])
        bulk = np.zeros(DAY, int)
        begin = int(self.heap * HOUR)
        bulk[begin : begin + 60] = np.bincount(np.arange(self.heap_photos) % 60, minlength=60)
        return Arrivals(interactive.tolist(), bulk.tolist())


def read(file: Path, seed: int = 0) -> Arrivals:
    """Of a CSV with the columns ``second`` (ascending, from 0), ``interactive`` and ``bulk``: photos a second from then on,
    until the next row; the last row says when it ends. Raises ValueError for a file that says something else."""
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    try:
        times = [int(row["second"]) for row in rows]
        rates = [[float(row[name]) for name in ("interactive", "bulk")] for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: every row has a second, interactive and bulk ({error})") from None
    lengths = np.diff(times)
    if len(rows) < 2 or times[0] != 0 or lengths.min() < 1 or np.min(rates) < 0:
        raise ValueError(f"{file}: seconds begin at 0 and ascend, two rows at least, no rate is below 0")
    drawn = np.random.default_rng(seed).poisson(np.repeat(rates[:-1], lengths, axis=0))
    return Arrivals(drawn[:, 0].tolist(), drawn[:, 1].tolist())
