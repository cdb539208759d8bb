"""What every object that the operator makes has in common. Pure: dicts from dicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from services.operator.settings import Json, Settings
from services.operator.specs import Accelerator

GROUP = "faceoff.dev"
VERSION = "v1alpha1"
MANAGER = "faceoff-operator"
OWNER = f"{GROUP}/owner"
"""Label with the kind and name of the custom resource that an object was made for."""

REVISION = f"{GROUP}/revision"
"""Label with what an object was made from: objects of another revision are replaced, never changed."""

ALLOWED = f"{GROUP}/campaigns"
"""Label of the claims that campaigns may use."""

USER = 10001
GPU = "nvidia.com/gpu"
HOME, SCRATCH = "/store", "/tmp"  # noqa: S108  (an emptyDir of the pod's own)

Object = dict[str, Any]


def digest(value: object) -> str:
    """Eight hexadecimal digits that name ``value``, plain JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def owner(body: Mapping[str, Any]) -> str:
    return f"{body['kind'].lower()}.{body['metadata']['name']}"


def labels(body: Mapping[str, Any], component: str, revision: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/part-of": "faceoff",
        "app.kubernetes.io/managed-by": MANAGER,
        "app.kubernetes.io/component": component,
        OWNER: owner(body),
        REVISION: revision,
    }


def meta(body: Mapping[str, Any], name: str, marked: Mapping[str, str]) -> Object:
    """Metadata of an object that goes when its custom resource goes."""
    reference = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": body["kind"],
        "name": body["metadata"]["name"],
        "uid": body["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": name,
        "namespace": body["metadata"]["namespace"],
        "labels": dict(marked),
        "ownerReferences": [reference],
    }


def container(name: str, image: str, resources: Json, accelerator: Accelerator | None = None, **more: Any) -> Object:
    """A container of the restricted profile; ``more`` are its other fields."""
    if accelerator and accelerator.kind == "gpu":
        resources = {**resources, "limits": {**(resources.get("limits") or {}), GPU: str(accelerator.count)}}
    return {
        "name": name,
        "image": image,
        "resources": resources,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **more,
    }


def command(
    name: str,
    settings: Settings,
    home: str,
    arguments: Sequence[str],
    accelerator: Accelerator | None = None,
    read_only: bool = False,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Object:
    """A container that runs ``faceoff`` with models in ``home``, a folder of the store."""
    variables = {"HOME": SCRATCH, "TF_CPP_MIN_LOG_LEVEL": "3", **env, "FACEOFF_HOME": f"{HOME}/{home}"}
    return container(
        name,
        settings.campaign_gpu_image if accelerator and accelerator.kind == "gpu" else settings.image,
        settings.campaign_resources,
        accelerator,
        command=["faceoff"],
        args=list(arguments),
        env=[{"name": name, "value": value} for name, value in variables.items()],
        volumeMounts=[
            {"name": "store", "mountPath": HOME, "readOnly": read_only},
            {"name": "scratch", "mountPath": SCRATCH},
        ],
    )


def pod(
    settings: Settings,
    containers: Sequence[Object],
    volumes: Sequence[Object],
    priority: str,
    gpu: bool = False,
    place: Mapping[str, Any] = MappingProxyType({}),
    **more: Any,
) -> Object:
    """A pod's spec: nobody's user, no token of the API server, and where a GPU is asked for, the pool's taint tolerated.
    ``place`` has a nodeSelector and further tolerations."""
    spec: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": list(containers),
        "volumes": [*volumes, {"name": "scratch", "emptyDir": {}}],
        **more,
    }
    if priority:
        spec["priorityClassName"] = priority
    if settings.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in settings.pull_secrets]
    if place.get("nodeSelector"):
        spec["nodeSelector"] = dict(place["nodeSelector"])
    tolerations = list(place.get("tolerations") or ())
    if gpu:
        tolerations.append({"key": GPU, "operator": "Exists", "effect": "NoSchedule"})
    if tolerations:
        spec["tolerations"] = tolerations
    return spec


def claim(name: str, of: str, read_only: bool = False) -> Object:
    return {"name": name, "persistentVolumeClaim": {"claimName": of, "readOnly": read_only}}
