"""What the services count and time, for Prometheus. Labels are names of ours only, nothing of a photo or a caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from faceoff.errors import FaceOffError
from faceoff.types import Mask, Plan, Verdict
from faceoff.verify.rates import COUNTED, plain
from faceoff.verify.victims.budget import Spending

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

REQUESTS = Counter("faceoff_requests", "Calls answered.", ("method", "code"))
STAGES = Histogram("faceoff_stage_duration_seconds", "Time a stage took.", ("stage", "outcome"), buckets=_SECONDS)
ITERATIONS = Counter("faceoff_attack_iterations", "Iterations spent on masks.", ("surrogates", "method"))
BATCH = Histogram(
    "faceoff_attack_batch_size", "Faces that shared a call of the networks.", buckets=(1, 2, 4, 8, 16, 32)
)
VERIFICATIONS = Counter(
    "faceoff_verifications", "Verdicts on photos as they are uploaded, by victim and outcome.", ("victim", "outcome")
)
CONFIDENCE = Histogram(
    "faceoff_verification_confidence",
    "Similarity that a victim sees between a protected face and the person, of evidence alone; its threshold is .5.",
    ("victim",),
    buckets=(0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.475, 0.5, 0.525, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1.0),
)


def observe_call(method: str, code: str, seconds: float) -> None:
    """One call of ``method`` (its full name), ended with a gRPC ``code``. A stage has the name of its method."""
    REQUESTS.labels(method, code).inc()
    STAGES.labels(method.rsplit("/", 1)[-1].lower(), "ok" if code == "OK" else code.lower()).observe(seconds)


def observe_masks(plan: Plan, masks: Sequence[Mask]) -> None:
    spent = sum(mask.iterations for mask in masks)
    ITERATIONS.labels("+".join(sorted(plan.surrogates)), plan.method.value).inc(spent)


def observe_batch(faces: int) -> None:
    BATCH.observe(faces)


def observe_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Other views of a photo are left out: they ask about the same face again, and would weigh on the transfer rate. The
    scores of verdicts that are no evidence are, too: a clean mismatch scores low without any protection."""
    for verdict in plain(verdicts):
        for (
            outcome
        ) in COUNTED:  # a victim that never gives one of them has a 0 of it: a rate of nothing transferred is 0
            VERIFICATIONS.labels(verdict.victim, outcome.value)
        VERIFICATIONS.labels(verdict.victim, verdict.outcome.value).inc()
        if verdict.outcome in COUNTED and verdict.protected_score is not None:
            CONFIDENCE.labels(verdict.victim).observe(verdict.protected_score)


Spent = Callable[[], Mapping[str, Sequence[Spending]]]
"""What commercial victims have cost so far, by name."""


@dataclass(frozen=True)
class SpendingCollector(Collector):
    """Reads the ledger when Prometheus asks. Processes that share a ledger show the same figures: take their maximum."""

    spent: Spent

    def describe(self) -> Iterator[Metric]:
        yield from self._families()

    def collect(self) -> Iterator[Metric]:
        charged, unknown = self._families()
        try:
            spent = self.spent()
        except (FaceOffError, sqlite3.Error):
            return  # a ledger that cannot be read takes no other metric along
        for victim, entries in spent.items():
            for entry in entries:
                charged.add_metric((victim, entry.currency), float(entry.charged))
                unknown.add_metric((victim, entry.currency), float(entry.unknown))
        yield from (charged, unknown)

    def _families(self) -> tuple[CounterMetricFamily, GaugeMetricFamily]:
        labels = ("victim", "currency")
        return (
            CounterMetricFamily("faceoff_verifier_spend", "Money that victims charged.", labels=labels),
            GaugeMetricFamily("faceoff_verifier_spend_unknown", "Money that victims may have charged.", labels=labels),
        )


def export_spending(spent: Spent) -> None:
    REGISTRY.register(SpendingCollector(spent))
