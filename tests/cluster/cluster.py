"""What the tests do with a cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tests.chart.render import CHART, tool
from tests.cluster.client import Client, Object, until
from tests.cluster.nodes import CLASS, Nodes
from tests.cluster.plane import Plane

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
WORKLOADS = (
    ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("batch/v1", "Job"), ("v1", "PersistentVolumeClaim"),
    ("policy/v1", "PodDisruptionBudget"),
)  # fmt: skip
FOREIGN = (
    ("keda.sh", "v1alpha1", "ScaledObject"), ("monitoring.coreos.com", "v1", "ServiceMonitor"),
    ("monitoring.coreos.com", "v1", "PrometheusRule"), ("cert-manager.io", "v1", "Certificate"),
    ("cert-manager.io", "v1", "Issuer"),
)  # fmt: skip
CLASSES = [part for one in ("models", "nats", "victims") for part in ("--set", f"{one}.storageClass={CLASS}")]

_spaces = count(1)


@dataclass
class Cluster:
    """``client`` is the administrator's; ``plane`` is None where the cluster is somebody else's."""

    kubeconfig: Path
    folder: Path
    client: Client
    nodes: Nodes
    plane: Plane | None

    def run(self, command: str, *arguments: str) -> str:
        """helm or kubectl. Raises AssertionError with what it said, and also where it only warned."""
        done = subprocess.run(
            [tool(command), *arguments, "--kubeconfig", str(self.kubeconfig)],
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, f"{command} {' '.join(arguments)}\n{done.stderr}"
        assert "warning" not in done.stderr.lower(), done.stderr
        return done.stdout

    def helm(self, namespace: str, action: str, *arguments: str) -> str:
        return self.run("helm", action, "faceoff", *arguments, "-n", namespace)

    def install(self, namespace: str, *arguments: str, action: str = "install") -> None:
        self.helm(namespace, action, str(CHART), *CLASSES, *arguments)

    @contextmanager
    def namespace(self, name: str = "") -> Iterator[str]:
        """A namespace of the restricted profile; it goes afterwards, and before it the release in it."""
        name = name or f"photos-{next(_spaces)}"
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
        self.client.create(space)
        account = partial(self.client.get, "v1", "ServiceAccount", "default", name)
        until(account, "the namespace has its account")
        try:
            yield name
        finally:
            self.helm(name, "uninstall", "--ignore-not-found")
            self.client.delete(space)
            until(
                lambda: self.client.get("v1", "Namespace", name) is None,
                "the namespace is gone",
                explain=lambda: self.client.get("v1", "Namespace", name),
            )

    def all(self, version: str, kind: str, namespace: str, labels: str = "") -> dict[str, Object]:
        return {one["metadata"]["name"]: one for one in self.client.list(version, kind, namespace, labels)}

    def pods(self, namespace: str, labels: str = "") -> list[Object]:
        return self.client.list("v1", "Pod", namespace, labels)

    def unready(self, namespace: str) -> list[str]:
        """What has not come to its desired state."""
        found = [
            f"{kind}/{name}"
            for version, kind in WORKLOADS
            for name, one in self.all(version, kind, namespace).items()
            if not _ready(kind, one)
        ]
        served = {
            one["metadata"]["labels"]["kubernetes.io/service-name"]
            for one in self.client.list("discovery.k8s.io/v1", "EndpointSlice", namespace)
            if one.get("ports") and any(point["conditions"]["ready"] for point in one.get("endpoints") or ())
        }
        services = {name for name, one in self.all("v1", "Service", namespace).items() if one["spec"].get("selector")}
        return found + [f"Service/{name}" for name in sorted(services - served)]

    def ready(self, namespace: str) -> None:
        until(lambda: not self.unready(namespace), "all is ready", explain=lambda: self.explain(namespace))

    def explain(self, namespace: str) -> str:
        events = [
            f"{one['involvedObject']['name']}: {one['reason']}: {one.get('message', '')}"
            for one in self.warnings(namespace)
        ]
        return "\n".join([*self.unready(namespace), *dict.fromkeys(events), *self.nodes.problems[-5:]])

    def warnings(self, namespace: str) -> list[Object]:
        """Events that say that something is wrong."""
        return [one for one in self.client.list("v1", "Event", namespace) if one["type"] == "Warning"]

    def token(self, namespace: str, account: str) -> str:
        where = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        return str(self.client.call("POST", where, request)["status"]["token"])

    def foreign_kinds(self) -> None:
        """CRDs of other projects' kinds, of which only the names are real."""
        for group, version, kind in FOREIGN:
            plural = f"{kind.lower()}s"
            anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            one = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
            crd = {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural}, "versions": [one]},
            }  # fmt: skip
            if self.client.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}") is None:
                self.client.apply(crd)

    @contextmanager
    def cordoned(self) -> Iterator[None]:
        """Nodes that are not the tests' take no pod meanwhile."""
        strangers = [one for one in self.client.list("v1", "Node") if not one["spec"].get("unschedulable")]
        for node in strangers:
            self.client.merge(node, {"spec": {"unschedulable": True}})
        try:
            yield
        finally:
            for node in strangers:
                self.client.merge(node, {"spec": {"unschedulable": None}})


def _ready(kind: str, one: Object) -> bool:
    status: Any = one.get("status", {})
    match kind:
        case "Job":
            return any(each["type"] == "Complete" and each["status"] == "True" for each in status.get("conditions", ()))
        case "PersistentVolumeClaim":
            return bool(status.get("phase") == "Bound")
        case "PodDisruptionBudget":
            return bool(status.get("currentHealthy", 0) >= max(status.get("desiredHealthy", 0), 1))
    wanted = one["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= one["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == status.get("replicas", 0) == wanted
    )
