"""What the services count and time, for Prometheus. Labels are names of ours only, nothing of a photo or a caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import Counter, Histogram

from faceoff.types import Mask, Plan, Verdict

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

REQUESTS = Counter("faceoff_requests", "Calls answered.", ("method", "code"))
STAGES = Histogram("faceoff_stage_duration_seconds", "Time a stage took.", ("stage", "outcome"), buckets=_SECONDS)
ITERATIONS = Counter("faceoff_attack_iterations", "Iterations spent on masks.", ("surrogates", "method"))
BATCH = Histogram(
    "faceoff_attack_batch_size", "Faces that shared a call of the networks.", buckets=(1, 2, 4, 8, 16, 32)
)
VERIFICATIONS = Counter("faceoff_verifications", "Verdicts.", ("victim", "outcome"))
CONFIDENCE = Histogram(
    "faceoff_verification_confidence",
    "Similarity that a victim sees between a face and its protected self.",
    ("victim",),
    buckets=tuple(step / 20 for step in range(1, 21)),
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
    for verdict in verdicts:
        VERIFICATIONS.labels(verdict.victim, verdict.outcome.value).inc()
        if verdict.protected_score is not None:
            CONFIDENCE.labels(verdict.victim).observe(verdict.protected_score)
