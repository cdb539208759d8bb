"""The chart on a real API server, with its real admission, scheduler and controllers."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.chart.render import CHART, EVERYTHING, FILES
from tests.cluster.client import ApiError, Object, until
from tests.cluster.cluster import CLASSES, Cluster

GPU = "values-gpu.yaml"
HARMLESS = {
    "FailedScheduling": "a claim was not bound yet, or the node with a GPU was not there",
    "FailedGetResourceMetric": "there is no metrics-server",
    "FailedComputeMetricsReplicas": "as above",
    "FailedGetExternalMetric": "there is no adapter",
    "CalculateExpectedPodCountFailed": "a budget was looked at before what its pods belong to",
    "FailedToUpdateEndpointSlices": "a Service was looked at before the node of its pods",
}
"""Events that say what these tests leave out, or what has passed by the time that all is ready."""

STAYS = {
    "ConfigMap": {"kube-root-ca.crt"},
    "ServiceAccount": {"default"},
    "PersistentVolumeClaim": {"faceoff-models"},
}  # docs/operations.md
KINDS = (
    ("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "Service"), ("v1", "ServiceAccount"), ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"), ("apps/v1", "Deployment"), ("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"), ("autoscaling/v2", "HorizontalPodAutoscaler"), ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"), ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"), ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"), ("keda.sh/v1alpha1", "ScaledObject"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
)  # fmt: skip


def left(cluster: Cluster, namespace: str) -> dict[str, set[str]]:
    found = {kind: set(cluster.all(version, kind, namespace)) for version, kind in KINDS}
    return {kind: names for kind, names in found.items() if names}


@pytest.mark.parametrize("file", FILES)
def test_it_installs_runs_and_goes(cluster: Cluster, file: str) -> None:
    with cluster.namespace() as namespace, ExitStack() as more:
        cluster.install(namespace, "-f", str(CHART / file))
        if file == GPU:
            waits_for_a_gpu(cluster, namespace)
            more.enter_context(cluster.nodes.gpu("test-gpu"))
        cluster.ready(namespace)
        assert not strange(cluster, namespace), cluster.explain(namespace)
        if file == GPU:
            [only] = [one for one in cluster.pods(namespace) if one["spec"]["nodeName"] == "test-gpu"]
            assert only["metadata"]["labels"]["app.kubernetes.io/component"] == "model-server"
        cluster.helm(namespace, "test")

        cluster.helm(namespace, "uninstall", "--wait")
        until(lambda: left(cluster, namespace) == STAYS, "all else is gone", explain=lambda: left(cluster, namespace))
        assert not [name for name in cluster.all("scheduling.k8s.io/v1", "PriorityClass", "") if "faceoff" in name]


def strange(cluster: Cluster, namespace: str) -> list[Object]:
    """Events that should not be. Controllers that were overtaken try again, and say so."""
    return [
        one
        for one in cluster.warnings(namespace)
        if one["reason"] not in HARMLESS and "the object has been modified" not in one.get("message", "")
    ]


def waits_for_a_gpu(cluster: Cluster, namespace: str) -> None:
    """Model servers wait for a node with a GPU, and nothing else does."""
    server = {f"{kind}/faceoff-model-server" for kind in ("Deployment", "Service", "PodDisruptionBudget")}
    until(
        lambda: set(cluster.unready(namespace)) == server,
        "all else is ready",
        explain=lambda: cluster.explain(namespace),
    )
    short = "Insufficient nvidia.com/gpu"
    until(lambda: any(short in one.get("message", "") for one in cluster.warnings(namespace)), "a GPU is missed")


@pytest.mark.parametrize("sets", [EVERYTHING], ids=["everything"])
def test_no_object_of_any_values_is_warned_of(cluster: Cluster, sets: tuple[str, ...]) -> None:
    """Server-side dry runs, whose warnings helm does not show: a field that is deprecated, unknown or stands twice."""
    flags = [part for one in sets for part in ("--set", one)]
    with cluster.namespace() as namespace:
        cluster.install(namespace, *flags)
        text = cluster.run("helm", "template", "faceoff", str(CHART), *CLASSES, *flags, "-n", namespace)
        before = len(cluster.client.warnings)
        for document in yaml.safe_load_all(text):
            if document:
                cluster.client.apply(document, namespace, dryRun="All", fieldValidation="Strict")
        assert cluster.client.warnings[before:] == []


def test_the_namespace_is_really_restricted(cluster: Cluster, tmp_path: Path) -> None:
    """And a chart whose pods are not of the profile would be seen: helm shows the API server's warning."""
    pod = {"containers": [{"name": "root", "image": "root"}]}
    labels = {"app": "root"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "root"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "root.yaml").write_text(yaml.safe_dump(deployment))
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: root, version: 0.1.0}")
    with cluster.namespace() as namespace:
        with pytest.raises(ApiError, match="violates PodSecurity"):
            cluster.client.create(
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": pod}, namespace
            )
        with pytest.raises(AssertionError, match="would violate PodSecurity"):
            cluster.helm(namespace, "install", str(tmp_path))


def test_crds_are_upgraded_as_documented(cluster: Cluster, tmp_path: Path) -> None:
    """helm leaves them as they are, and is their owner."""
    for file in (CHART / "crds").glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text().replace("maximum: 16", "maximum: 8"))
    with cluster.namespace() as namespace:
        cluster.install(namespace)
        for folder in (tmp_path, CHART / "crds"):
            cluster.run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", str(folder))


def test_upgrade_and_rollback(cluster: Cluster) -> None:
    """Services roll, another list of networks is another Job, what autoscalers decided stays, and the way back works."""
    with cluster.namespace() as namespace:
        cluster.install(namespace)
        cluster.ready(namespace)
        jobs = set(cluster.all("batch/v1", "Job", namespace))
        gateway = cluster.all("apps/v1", "Deployment", namespace)["faceoff-gateway"]
        cluster.client.merge(gateway, {"spec": {"replicas": 3}}, "scale")
        more = [
            "models.networks={dlib,sface}",
            "tag=0.2.0",
            "nats.resources.limits.memory=2Gi",
            "services.worker.replicas=2",
        ]
        cluster.install(namespace, *(part for one in more for part in ("--set", one)), action="upgrade")
        cluster.ready(namespace)
        until(lambda: images(cluster, namespace) == {"0.2.0"}, "new pods run, and old ones are gone")
        assert cluster.all("apps/v1", "Deployment", namespace)["faceoff-gateway"]["spec"]["replicas"] == 3
        assert set(cluster.all("batch/v1", "Job", namespace)).isdisjoint(jobs)

        cluster.helm(namespace, "rollback", "1")
        cluster.ready(namespace)
        until(lambda: images(cluster, namespace) == {"0.1.0"}, "pods of before run again")
        assert set(cluster.all("batch/v1", "Job", namespace)) == jobs


def images(cluster: Cluster, namespace: str) -> set[str]:
    """Tags of what runs of our own images."""
    used = {one["image"] for pod in cluster.pods(namespace, "app.kubernetes.io/component!=model-fetch")
            for one in pod["spec"]["containers"] if pod["status"]["phase"] == "Running"}  # fmt: skip
    return {image.rpartition(":")[2] for image in used if image.startswith("faceoff/")}
