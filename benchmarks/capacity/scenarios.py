"""The days that docs/capacity.md shows, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.capacity.hpa import Autoscaler, external
from benchmarks.capacity.model import Figures
from benchmarks.capacity.replay import Arrivals, Cluster, Day, replay
from benchmarks.capacity.traffic import Curve
from faceoff.types import Priority

METRICS = external(
    [
        ("faceoff_queued_work_seconds", "AverageValue", 30),
        ("faceoff_queue_oldest_age_seconds", "Value", 60),
    ]
)
BEHAVIOR: Mapping[str, Any] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 30},
            {"type": "Pods", "value": 2, "periodSeconds": 30},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 600,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    },
}
"""As the chart renders them for what is scaled on work; tests/unit/capacity/test_chart.py compares."""


@dataclass(frozen=True)
class Goal:
    """``share`` of the interactive photos begin within ``seconds``."""

    share: float
    seconds: float

    def met(self, day: Day) -> bool:
        waits = day.waits[Priority.INTERACTIVE]
        return sum(wait <= self.seconds for wait in waits) >= self.share * len(waits)


GOAL = Goal(0.95, 60.0)


@dataclass(frozen=True)
class Scenario:
    name: str
    about: str
    arrivals: Arrivals
    servers: int
    workers: int
    cluster: Cluster = field(default_factory=Cluster)

    def run(self, figures: Figures) -> Day:
        return replay(self.arrivals, figures, self.cluster, self._scaler(self.servers), self._scaler(self.workers))

    def _scaler(self, most: int) -> Autoscaler:
        return Autoscaler.of({"minReplicas": 1, "maxReplicas": most, "metrics": METRICS, "behavior": BEHAVIOR})


_LARGER = Cluster(cores=4, node_cores=16, other_cores=8)


def defaults() -> list[Scenario]:
    small, large = Curve(0.06, heap_photos=100).arrivals(), Curve(1.0, heap_photos=1000).arrivals()
    return [
        Scenario(
            "small",
            "the chart's defaults with `autoscaling.engine`: up to 2 model servers of a core, 8 workers, nodes of 4 cores.",
            small,
            servers=2,
            workers=8,
        ),
        Scenario(
            "by the queue",
            "the same as large, if only what waits counted: an empty queue looks the same at half load and at full load, "
            "so what is needed is taken away, and fetched again. That is why a photo at work counts, too.",
            large,
            servers=16,
            workers=16,
            cluster=replace(_LARGER, horizon=0.0),
        ),
        Scenario(
            "large",
            "up to 16 model servers of 4 cores, and 16 workers, on nodes of 16.",
            large,
            servers=16,
            workers=16,
            cluster=_LARGER,
        ),
    ]


def own(arrivals: Arrivals) -> Scenario:
    return Scenario("own", "what the file says, as large.", arrivals, servers=16, workers=16, cluster=_LARGER)
