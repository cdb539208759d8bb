"""The share of a photo's time that is not the attack: decoding, finding the face, pasting, encoding and verdicts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks import photos
from benchmarks.measure import Row
from faceoff.local import rooms
from faceoff.networks.home import default_home
from faceoff.pipeline import Request, Rooms, protect
from faceoff.presets import STRENGTHS
from faceoff.types import Progress

RUNS = 3


def rows() -> Iterator[Row]:
    photo, here = photos.encoded(), rooms(default_home())
    times = [one(photo, here) for _ in range(RUNS + 1)][1:]
    share = statistics.median(around / total for around, total in times)
    total = statistics.median(total for _, total in times)
    against = "the whole of a photo with one face at balanced; value is its seconds"
    yield Row("overhead_share", share, total, "s", against, RUNS)


def one(photo: bytes, here: Rooms) -> tuple[float, float]:
    """Seconds outside the attack, and in all."""
    marks: dict[str, list[float]] = {}

    def report(progress: Progress) -> None:
        marks.setdefault(progress.stage, []).append(time.perf_counter())

    start = time.perf_counter()
    protect(photo, Request(STRENGTHS["balanced"]), here, report)
    total = time.perf_counter() - start
    return total - (marks["attack"][-1] - marks["attack"][0]), total
