"""Values: what is refused, what scales, and that the README says them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from tests.chart.render import CHART, FILES, ROOT, Object, kinds, objects, template


@pytest.mark.parametrize(
    "wrong",
    [
        "unknown=1",
        "services.detector.unknown=1",
        "services.unknown.replicas=1",
        "autoscaling.engine=both",
        "services.detector.digest=latest",
        "models.sets={facenet}",
        "models.networks={a b}",
        "modelServer.flags={port=1}",
        "modelServer.gpus=-1",
        "grace=0",
        "access.keysSecret=Not A Name",
        "monitoring.rules=yes please",
    ],
)
def test_wrong_values_are_refused(wrong: str) -> None:
    assert template("values.yaml", (wrong,)).returncode


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (("autoscaling.engine=keda",), "autoscaling.prometheus"),
        (("modelServer.enabled=false",), "modelServer.address"),
        (("autoscaling.engine=hpa", "services.worker.autoscaling.min=0"), "keda"),
    ],
)
def test_values_that_do_not_fit_together_are_refused_and_it_is_said_why(sets: tuple[str, ...], said: str) -> None:
    done = template("values.yaml", sets)
    assert done.returncode
    assert said in done.stderr


def test_the_readme_has_every_value() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "chart-docs.py", "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", FILES[1:])
def test_a_values_file_says_only_what_is_different(file: str) -> None:
    def leaves(value: object, path: str = "") -> dict[str, object]:
        if not isinstance(value, dict) or not value:
            return {path: value}
        return {key: leaf for name, one in value.items() for key, leaf in leaves(one, f"{path}.{name}").items()}

    ours, defaults = (leaves(yaml.safe_load((CHART / name).read_text())) for name in (file, "values.yaml"))
    blocks = (".autoscaling.", ".resources.")  # read as a whole
    same = [path for path, value in ours.items() if defaults.get(path) == value and not any(b in path for b in blocks)]
    assert same == []


def scaled(file: str = "values.yaml", sets: tuple[str, ...] = ()) -> dict[str, str]:
    """How each Deployment is scaled. Two autoscalers of one Deployment fail."""
    found: dict[str, str] = {}
    for one in objects(file, sets):
        if one["kind"] in ("HorizontalPodAutoscaler", "ScaledObject"):
            target = one["spec"]["scaleTargetRef"]["name"].removeprefix("faceoff-")
            assert target not in found
            found[target] = "keda" if one["kind"] == "ScaledObject" else one["spec"]["metrics"][0]["type"]
    return found


def test_cpu_scales_what_computes_itself_and_one_engine_what_waits_for_networks() -> None:
    cpu = dict.fromkeys(("detector", "amplifier", "verifier", "gateway"), "Resource")
    work = ("attacker", "worker", "model-server")
    assert scaled() == cpu
    assert scaled(sets=("autoscaling.engine=hpa",)) == cpu | dict.fromkeys(work, "External")
    assert scaled("values-gpu.yaml") == cpu | dict.fromkeys(work, "keda")
    assert scaled("values-research.yaml") == {}
    assert scaled(sets=("autoscaling.cpu=false",)) == {}


@pytest.mark.parametrize(
    ("file", "sets"), [("values.yaml", ()), ("values.yaml", ("autoscaling.engine=hpa",)), ("values-gpu.yaml", ())]
)
def test_what_is_scaled_has_no_replicas_of_its_own(file: str, sets: tuple[str, ...]) -> None:
    names = scaled(file, sets)
    for name, deployment in kinds("Deployment", file, sets).items():
        assert ("replicas" in deployment["spec"]) == (name not in names), name


def test_autoscalers_and_the_operator_ask_for_one_metric() -> None:
    from services.operator.settings import Settings

    (work, age) = kinds("HorizontalPodAutoscaler", "values.yaml", ("autoscaling.engine=hpa",))["attacker"]["spec"][
        "metrics"
    ]
    assert work["external"]["metric"]["name"] == Settings.metric
    assert work["external"]["target"] == {"type": "AverageValue", "averageValue": "30"}
    assert age["external"]["metric"]["name"] == "faceoff_queue_oldest_age_seconds"
    triggers = kinds("ScaledObject", "values-gpu.yaml")["attacker"]["spec"]["triggers"]
    assert Settings.metric in triggers[0]["metadata"]["query"]
    assert 'namespace="photos"' in triggers[0]["metadata"]["query"]


def test_priority_classes_are_in_order() -> None:
    values = {name: one["value"] for name, one in kinds("PriorityClass").items()}
    assert sorted(values, key=lambda name: values[name]) == ["campaign", "bulk", "interactive"]
    assert not kinds("PriorityClass", "values-research.yaml")
    assert "priorityClassName" not in str(objects("values-research.yaml"))


def test_monitoring_is_there_when_asked_for() -> None:
    assert not kinds("ServiceMonitor")
    assert not kinds("PrometheusRule")
    monitors = kinds("ServiceMonitor", "values-gpu.yaml")
    services, servers = monitors["services"]["spec"], monitors["model-servers"]["spec"]
    chosen = {name for name, one in kinds("Service", "values-gpu.yaml").items() if matches(services["selector"], one)}
    assert chosen >= {"detector", "attacker", "amplifier", "verifier", "gateway", "worker", "operator"}
    assert "model-server" not in chosen
    assert matches(servers["selector"], kinds("Service")["model-server"])
    assert servers["endpoints"] == [{"port": "metrics", "path": "/monitoring/prometheus/metrics"}]


def matches(selector: Object, service: Object) -> bool:
    labels = service["metadata"]["labels"]
    refused = [e for e in selector.get("matchExpressions", []) if labels[e["key"]] in e["values"]]
    return bool(selector["matchLabels"].items() <= labels.items() and not refused)


def test_the_operator_may_what_its_own_list_says() -> None:
    role = kinds("Role")["operator"]
    assert role["rules"] == yaml.safe_load((ROOT / "services" / "operator" / "rbac.yaml").read_text())["rules"]
