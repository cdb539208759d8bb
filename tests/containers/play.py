"""The rendered chart as `podman kube play` runs it: users, capabilities, read-only roots, limits, mounts, environment and
commands are the chart's; Services, probes, ports, claims and places are not podman's, and are taken out or replaced."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

from tests.chart.render import Object, containers, objects

_NOT_PODMANS = (
    "topologySpreadConstraints",
    "priorityClassName",
    "imagePullSecrets",
    "automountServiceAccountToken",
    "initContainers",  # podman 4 removes them while they run
)
_NOT_OF_A_CONTAINER = ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle")
_STAND_INS = {"tensorflow/serving": "faceoff-stand-in/serving:latest", "nats": "faceoff-stand-in/nats:latest"}

SERVICES = ("detector", "attacker", "amplifier", "verifier", "gateway", "worker")
OTHERS = ("model-server", "nats")


def config_maps() -> list[Object]:
    return [deepcopy(one) for one in objects() if one["kind"] == "ConfigMap"]


def pod(component: str, store: Path) -> Object:
    """One pod of a component, under the name that its Service has in the cluster. ``store`` has the networks."""
    name = f"faceoff-{component}"
    (made,) = (
        one
        for one in objects()
        if one["metadata"]["name"] == name and one["kind"] in ("Deployment", "StatefulSet", "Pod")
    )
    spec = deepcopy(made["spec"] if made["kind"] == "Pod" else made["spec"]["template"]["spec"])
    for key in _NOT_PODMANS:
        spec.pop(key, None)
    for container in containers(spec):
        for key in _NOT_OF_A_CONTAINER:
            container.pop(key, None)
        container["image"] = f"localhost/{_STAND_INS.get(container['image'].split(':')[0], container['image'])}"
        container["imagePullPolicy"] = "Never"
    spec["volumes"] = [_volume(one, store) for one in spec.get("volumes", [])]
    spec["volumes"] += [
        {"name": one["metadata"]["name"], "emptyDir": {}} for one in made["spec"].get("volumeClaimTemplates", [])
    ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def _volume(volume: Object, store: Path) -> Object:
    if "persistentVolumeClaim" in volume:
        return {"name": volume["name"], "hostPath": {"path": str(store), "type": "Directory"}}
    return volume
