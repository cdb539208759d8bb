"""The chart, rendered by the real helm."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "faceoff"
RELEASE, NAMESPACE = "faceoff", "photos"
FILES = ("values.yaml", "values-gpu.yaml", "values-research.yaml")
EVERYTHING = (
    "registry=mirror.example/house",
    "tls.enabled=true",
    "victims.secret=victims",
    "autoscaling.engine=hpa",
    "access.keysSecret=keys",
    "access.tenantsSecret=tenants",
    "access.testKeySecret=test-key",
    "access.webhooks=true",
    "nats.passwordSecret=nats",
    "imagePullSecrets={pull}",
    "operator.jobLabels.queue=research",
    "monitoring.rules=true",
    "monitoring.serviceMonitor=true",
    "monitoring.dashboard=true",
)
"""Every switch at once."""

SMALLEST = ("nats.enabled=false", "operator.enabled=false", "networkPolicy.enabled=false", "priorityClasses.create=false",
            "modelServer.enabled=false", "modelServer.address=elsewhere:8500", "models.fetch=false",
            "models.existingClaim=models", "autoscaling.cpu=false")  # fmt: skip

Object = dict[str, Any]


class Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, as the API server warns of it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {twice}", node.start_mark)
        return super().construct_mapping(node, deep)


def tool(name: str) -> str:
    """helm or kubectl, of `make cluster-tools` or else of the PATH."""
    own = ROOT / ".venv" / "tools" / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here: make cluster-tools")
    return found


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, timeout=60)


def template(file: str, sets: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    flags = [part for one in sets for part in ("--set", one)]
    return helm("template", RELEASE, str(CHART), "-n", NAMESPACE, "-f", str(CHART / file), *flags)


@cache
def objects(file: str = "values.yaml", sets: tuple[str, ...] = ()) -> tuple[Object, ...]:
    """Not to be changed: every test has the same."""
    done = template(file, sets)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.load_all(done.stdout, Loader) if document)


def kinds(kind: str, file: str = "values.yaml", sets: tuple[str, ...] = ()) -> dict[str, Object]:
    """The objects of a kind, by name without the release's."""
    return {
        one["metadata"]["name"].removeprefix(f"{RELEASE}-"): one for one in objects(file, sets) if one["kind"] == kind
    }


def pods(*arguments: Any) -> dict[str, Object]:
    """The specs of all pods, by what makes them."""
    found = {}
    for one in objects(*arguments):
        name = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] == "Pod":
            found[name] = one["spec"]
        elif one["kind"] in ("Deployment", "StatefulSet", "Job"):
            found[name] = one["spec"]["template"]["spec"]
    return found


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]
