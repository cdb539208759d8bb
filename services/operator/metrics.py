"""What the operator counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter("faceoff_operator_reconciles", "Looks at an object, by how they ended.", ("kind", "outcome"))
SECONDS = Histogram(
    "faceoff_operator_reconcile_seconds", "Time of a look.", ("kind",), buckets=(0.03, 0.1, 0.3, 1, 3, 10, 30)
)
WAITING = Gauge("faceoff_operator_waiting", "Objects that wait to be looked at.")
