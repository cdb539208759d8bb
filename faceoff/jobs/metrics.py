"""What jobs are counted and timed by. No label names a tenant."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from faceoff.errors import FaceOffError
from faceoff.jobs.record import Record
from faceoff.jobs.store import Blobs

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

DURATION = Histogram(
    "faceoff_job_duration_seconds",
    "From a job's acceptance to its end; the mode is its priority.",
    ("mode", "outcome"),
    buckets=_SECONDS,
)
QUEUED = Histogram("faceoff_job_queue_seconds", "From a job's acceptance to its first beginning.", buckets=_SECONDS)
SHED = Counter("faceoff_shed", "Jobs refused because too much waits, by the limit that was reached.", ("reason",))
for _limit in ("tenant_jobs", "tenant_bytes", "jobs", "bytes", "time"):
    SHED.labels(_limit)  # 0 from the start: a rate does not see the step with which a counter appears


def observe_begin(record: Record) -> None:
    if record.attempts == 1:
        QUEUED.observe(max(0.0, record.started - record.created), _exemplar(record))


def observe_end(record: Record) -> None:
    seconds = max(0.0, time.time() - record.created)
    DURATION.labels(record.priority.name.lower(), record.state.value).observe(seconds, _exemplar(record))


def observe_refusal(reason: str) -> None:
    SHED.labels(reason).inc()


def _exemplar(record: Record) -> dict[str, str] | None:
    """The trace in which to look, said to whoever scrapes OpenMetrics."""
    return {"trace_id": record.trace.split("-")[1]} if record.trace else None


class JobsCollector(Collector):
    """Gauges that are read when they are asked for. ``oldest_waiting`` is when the job that waits longest was accepted."""

    def __init__(self, oldest_waiting: Callable[[], float | None], blobs: Blobs, ttl: float) -> None:
        self._oldest_waiting, self._blobs, self._ttl = oldest_waiting, blobs, ttl

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that asking the broker is left to who scrapes."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("faceoff_job_ttl_seconds", "What a job has to end, and then its result.", self._ttl)
        now = time.time()
        waiting = self._oldest_waiting()
        yield GaugeMetricFamily(
            "faceoff_queue_oldest_age_seconds", "Age of the job that waits longest.", now - waiting if waiting else 0.0
        )
        try:
            count, oldest = self._blobs.census()
        except FaceOffError:
            return  # the broker is away: no figure is better than an old one
        yield GaugeMetricFamily("faceoff_blobs_live", "Encrypted photos and results that are stored.", count)
        yield GaugeMetricFamily(
            "faceoff_blobs_oldest_age_seconds", "Age of the oldest of them.", now - oldest if oldest else 0.0
        )
