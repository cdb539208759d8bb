"""What is replayed is what the chart renders."""

from __future__ import annotations

import re

import pytest

from benchmarks.capacity import replay, scenarios
from tests.chart.render import CHART, kinds

RULE = (CHART / "files" / "prometheus-autoscaling.yaml").read_text()


@pytest.mark.parametrize(("name", "most"), [("model-server", 2), ("worker", 8)])
def test_the_chart_scales_by_the_spec_that_is_replayed(name: str, most: int) -> None:
    spec = kinds("HorizontalPodAutoscaler", "values.yaml", ("autoscaling.engine=hpa",))[name]["spec"]
    assert spec["metrics"] == scenarios.METRICS
    assert spec["behavior"] == scenarios.BEHAVIOR
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, most)
    small = scenarios.defaults()[0]
    assert {"model-server": small.servers, "worker": small.workers}[name] == most


def test_keda_scales_by_the_same_behavior() -> None:
    spec = kinds("ScaledObject", "values-gpu.yaml")["model-server"]["spec"]
    assert spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == scenarios.BEHAVIOR


def test_the_rule_counts_as_the_replay_does() -> None:
    assert f"(faceoff_queue_oldest_age_seconds) + {replay.HORIZON:g})" in RULE
    assert re.findall(r"\[(\d+)m\]", RULE) == [f"{replay.RATE_WINDOW // 60}"]
