"""Values: what is refused, what scales, and that the README says them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from services.operator import resources
from services.operator.settings import Settings, parse
from services.operator.specs import surrogate_set
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
        "registry=mirror.example/house/",
        "registry=https://mirror.example",
        "modelServer.resources=null",
    ],
)
def test_wrong_values_are_refused(wrong: str) -> None:
    assert template("values.yaml", (wrong,)).returncode


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (("autoscaling.engine=keda",), "autoscaling.prometheus"),
        (
            (
                "autoscaling.engine=keda",
                "nats.enabled=false",
                "services.attacker.autoscaling.by=",
                "modelServer.autoscaling.by=",
            ),
            "autoscaling.prometheus",
        ),
        (("modelServer.enabled=false",), "modelServer.address"),
        (("autoscaling.engine=hpa", "services.worker.autoscaling.min=0"), "keda"),
        (("services.detector.autoscaling.min=5",), "detector: autoscaling.min is above max"),
        (("autoscaling.engine=hpa", "modelServer.autoscaling.min=3"), "model-server: autoscaling.min is above max"),
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


def test_work_is_followed_and_the_oldest_age() -> None:
    hpa = kinds("HorizontalPodAutoscaler", "values.yaml", ("autoscaling.engine=hpa",))["attacker"]["spec"]
    work, age = (one["external"] for one in hpa["metrics"])
    assert work["metric"]["name"] == "faceoff_queued_work_seconds"
    assert work["target"] == {"type": "AverageValue", "averageValue": "30"}
    assert age["metric"]["name"] == "faceoff_queue_oldest_age_seconds"
    assert age["target"] == {"type": "Value", "value": "60"}
    triggers = kinds("ScaledObject", "values-gpu.yaml")["attacker"]["spec"]["triggers"]
    assert [one["metadata"]["query"] for one in triggers] == [
        'sum(faceoff_queued_work_seconds{namespace="photos"})',
        'max(faceoff_queue_oldest_age_seconds{namespace="photos"})',
    ]


SET: dict[str, Any] = {
    "kind": "SurrogateSet",
    "metadata": {"name": "default", "namespace": "photos", "uid": "1"},
    "spec": {"version": "v1", "members": ["facenet", "sface"], "replicas": {"min": 1, "max": 8}},
}


@pytest.mark.parametrize(
    ("kind", "file", "sets"),
    [
        ("HorizontalPodAutoscaler", "values.yaml", ("autoscaling.engine=hpa", "autoscaling.workSeconds=45")),
        ("ScaledObject", "values-gpu.yaml", ("autoscaling.oldestSeconds=90",)),
    ],
)
def test_sets_are_scaled_as_the_charts_own_model_servers(kind: str, file: str, sets: tuple[str, ...]) -> None:
    settings, spec = operator(file, sets), surrogate_set(SET)
    made = resources.autoscaler(SET, spec, settings, "v1")
    charts = kinds(kind, file, sets)["model-server"]
    assert made["kind"] == kind
    assert without(made["spec"]) == without(charts["spec"])
    assert resources.scaled(spec, settings)
    assert not resources.scaled(spec, operator())


def without(spec: Object) -> Object:
    """What follows whom, but not whom it scales, and between which bounds."""
    own = ("scaleTargetRef", "minReplicas", "maxReplicas", "minReplicaCount", "maxReplicaCount")
    return {key: value for key, value in spec.items() if key not in own}


@pytest.mark.parametrize("file", FILES)
def test_the_operators_pods_are_as_the_values_say(file: str) -> None:
    sets = (
        "imagePullSecrets={pull,other}", "models.env.NO_PROXY=a\\,b", 'models.env.WORDS="quoted" $(x)',
        "modelServer.flags={--a=1}", "modelServer.nodeSelector.pool=faces", "modelServer.tolerations[0].key=faces",
        "modelServer.tolerations[0].operator=Exists", "operator.campaignGpuImage=faceoff/cli:1-gpu",
    )  # fmt: skip
    charts = kinds("Deployment", file, sets)["model-server"]["spec"]["template"]["spec"]
    gpu = file == "values-gpu.yaml"
    one = {**SET, "spec": {**SET["spec"], "accelerator": {"kind": "gpu" if gpu else "none", "count": 1}}}
    settings = operator(file, sets)
    made = resources.deployment(one, surrogate_set(one), settings)["spec"]["template"]["spec"]
    for field in ("imagePullSecrets", "nodeSelector", "tolerations"):
        assert made[field] == charts[field]
    ours, theirs = (json.loads(json.dumps(pod["containers"][0]["resources"])) for pod in (made, charts))
    for asked in (ours, theirs):
        asked["limits"] = {name: str(amount) for name, amount in asked["limits"].items()}
    assert ours == theirs
    assert made["containers"][0]["args"][-1] == charts["containers"][0]["args"][-1] == "--a=1"
    assert settings.fetch_env == {"NO_PROXY": "a,b", "WORDS": '"quoted" $(x)'}
    assert settings.campaign_gpu_image == "faceoff/cli:1-gpu"
    other = {**SET, "spec": {**SET["spec"], "accelerator": {"kind": "none" if gpu else "gpu", "count": 1}}}
    assert "nodeSelector" not in resources.deployment(other, surrogate_set(other), settings)["spec"]["template"]["spec"]


def operator(file: str = "values.yaml", sets: tuple[str, ...] = ()) -> Settings:
    """The operator's settings, read from what it is told."""
    (container,) = kinds("Deployment", file, sets)["operator"]["spec"]["template"]["spec"]["containers"]
    return parse(container["args"])


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
