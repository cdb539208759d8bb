"""The HorizontalPodAutoscaler's decision, as kube-controller-manager takes it, for an autoscaling/v2 with external metrics.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details says what is computed here. KEDA
makes such an object, too, so this is also how KEDA scales between 1 and the maximum."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SYNC_SECONDS = 15.0
"""Between two decisions."""
TOLERANCE = 0.1
"""The share by which a metric may miss its target before anything is done."""


@dataclass(frozen=True)
class Metric:
    """``average``: the target is for each replica (AverageValue), else for all together (Value)."""

    name: str
    target: float
    average: bool

    def propose(self, value: float, current: int, ready: int) -> int:
        """How many replicas ``value`` asks for where there are ``current``, of which ``ready`` are ready."""
        ratio = value / (self.target * (current if self.average else 1))
        if abs(1 - ratio) <= TOLERANCE:
            return current
        return math.ceil(value / self.target) if self.average else math.ceil(ratio * ready)


@dataclass(frozen=True)
class Policy:
    """At most ``value`` pods, or percent, in ``seconds``."""

    percent: bool
    value: int
    seconds: float

    def most(self, start: int) -> int:
        """What ``start`` replicas, those at the beginning of the period, may become."""
        return math.ceil(start * (1 + self.value / 100)) if self.percent else start + self.value

    def least(self, start: int) -> int:
        return int(start * (1 - self.value / 100)) if self.percent else start - self.value


@dataclass(frozen=True)
class Direction:
    """Up or down: the stabilisation window in seconds, and the policies, of which the one that allows most counts."""

    window: float
    policies: tuple[Policy, ...]


@dataclass
class Autoscaler:
    minimum: int
    maximum: int
    metrics: tuple[Metric, ...]
    up: Direction
    down: Direction
    _proposals: deque[tuple[float, int]] = field(default_factory=deque)
    _changes: deque[tuple[float, int]] = field(default_factory=deque)

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Autoscaler:
        """Of a HorizontalPodAutoscaler's spec whose metrics are all external, and whose behavior is said in full."""
        behavior = spec["behavior"]
        metrics = [one["external"] for one in spec["metrics"]]
        return cls(
            spec["minReplicas"],
            spec["maxReplicas"],
            tuple(_metric(one["metric"]["name"], one["target"]) for one in metrics),
            _direction(behavior["scaleUp"]),
            _direction(behavior["scaleDown"]),
        )

    def decide(self, now: float, current: int, ready: int, values: Mapping[str, float]) -> int:
        """The replicas that shall be from ``now`` (seconds) on. A metric that ``values`` has not is one that gave no answer."""
        known = [
            metric.propose(values[metric.name], current, ready) for metric in self.metrics if metric.name in values
        ]
        wanted = max(known, default=current)
        if len(known) < len(self.metrics):
            wanted = max(wanted, current)  # nothing is taken away on half the truth
        wanted = self._limited(now, current, self._stable(now, current, wanted))
        if wanted != current:
            self._changes.append((now, wanted - current))
        return wanted

    def _stable(self, now: float, current: int, wanted: int) -> int:
        """Up to the lowest that was proposed in the window of going up, down to the highest in the window of going down."""
        _forget(self._proposals, now - max(self.up.window, self.down.window))
        self._proposals.append((now, wanted))
        low = min(proposed for when, proposed in self._proposals if when > now - self.up.window or when == now)
        high = max(proposed for when, proposed in self._proposals if when > now - self.down.window or when == now)
        return min(max(current, low), high)

    def _limited(self, now: float, current: int, wanted: int) -> int:
        _forget(self._changes, now - max(policy.seconds for policy in (*self.up.policies, *self.down.policies)))
        if wanted > current:
            most = max(policy.most(current - self._changed(now, policy)) for policy in self.up.policies)
            wanted = min(wanted, max(most, current))
        elif wanted < current:
            least = min(policy.least(current - self._changed(now, policy)) for policy in self.down.policies)
            wanted = max(wanted, min(least, current))
        return min(max(wanted, self.minimum), self.maximum)

    def _changed(self, now: float, policy: Policy) -> int:
        return sum(change for when, change in self._changes if when > now - policy.seconds)


def _metric(name: str, target: Mapping[str, str]) -> Metric:
    average = target["type"] == "AverageValue"
    return Metric(name, float(target["averageValue" if average else "value"]), average)


def _direction(spec: Mapping[str, Any]) -> Direction:
    policies: Sequence[Mapping[str, Any]] = spec["policies"]
    return Direction(
        float(spec["stabilizationWindowSeconds"]),
        tuple(Policy(one["type"] == "Percent", one["value"], float(one["periodSeconds"])) for one in policies),
    )


def _forget(events: deque[tuple[float, int]], before: float) -> None:
    while events and events[0][0] < before:
        events.popleft()


def external(targets: Iterable[tuple[str, str, float]]) -> list[dict[str, Any]]:
    """Metrics of a spec: (name, AverageValue or Value, target)."""
    return [
        {
            "type": "External",
            "external": {
                "metric": {"name": name},
                "target": {"type": kind, kind[0].lower() + kind[1:]: f"{target:g}"},
            },
        }
        for name, kind, target in targets
    ]
