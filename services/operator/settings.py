"""Settings of the operator, from the command line and the environment. What a custom resource may not say stands here: images,
where models are kept, where pods run and how large they are, which Secret and which queue are used."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"

Json = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """``image`` has the command ``faceoff``, ``campaign_gpu_image`` has it with CUDA. ``store`` is the claim of the models'
    volume. ``autoscaler`` is none, hpa (external metrics) or keda (asks ``prometheus``); ``work_seconds`` of waiting work per
    replica are right, and jobs that wait for ``oldest_seconds``. ``victims`` is the Secret whose key victims.yaml names the
    commercial victims of campaigns. ``fetch_env`` is further environment of pods that fetch networks. ``job_labels`` go on the
    Jobs of campaigns and their pods. ``serving_place`` and ``serving_gpu_place`` are the nodeSelector and the tolerations of
    model servers without a GPU and with one."""

    namespace: str
    image: str
    serving_image: str
    serving_gpu_image: str
    store: str
    campaign_gpu_image: str = ""
    autoscaler: str = "none"
    work_seconds: int = 30
    oldest_seconds: int = 60
    prometheus: str = ""
    victims: str = ""
    pull_secrets: tuple[str, ...] = ()
    fetch_env: dict[str, str] = field(default_factory=dict)
    job_labels: dict[str, str] = field(default_factory=dict)
    serving_priority: str = ""
    campaign_priority: str = ""
    serving_resources: Json = field(default_factory=lambda: _resources("4Gi"))
    campaign_resources: Json = field(default_factory=lambda: _resources("6Gi"))
    serving_flags: tuple[str, ...] = ()
    serving_place: Json = field(default_factory=dict)
    serving_gpu_place: Json = field(default_factory=dict)
    health: str = "http://0.0.0.0:8080/healthz"
    metrics_port: int = 9100

    @property
    def queued(self) -> bool:
        """Kueue, not the operator, says when a Job may run."""
        return KUEUE_QUEUE in self.job_labels


def _resources(memory: str) -> Json:
    return {"requests": {"cpu": "2", "memory": memory}, "limits": {"memory": memory}}


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """A wrong command line ends the process with status 2, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m services.operator", description="Makes SurrogateSets and Campaigns of one namespace come true."
    )

    def option(name: str, default: str | None, text: str, **more: object) -> None:
        variable = f"FACEOFF_{name.replace('-', '_').upper()}"
        value = os.environ.get(variable, default)
        parser.add_argument(f"--{name}", default=value, required=value is None, help=f"[{variable}] {text}", **more)  # type: ignore[arg-type]

    option("namespace", None, "the only namespace that is looked at")
    option("image", None, "image that has the faceoff command")
    option("campaign-gpu-image", "", "the same with CUDA, for campaigns with a GPU (default: they are refused)")
    option("serving-image", None, "image of TensorFlow Serving")
    option("serving-gpu-image", "", "the same for sets with a GPU (default: they are refused)")
    option("pull-secrets", "", "NAME,...: Secrets with which images are pulled", type=names)
    option("store", None, "PersistentVolumeClaim of the models")
    option("fetch-env", "{}", "JSON: further environment of pods that fetch networks", type=mapping)
    option("autoscaler", Settings.autoscaler, "what scales model servers", choices=("none", "hpa", "keda"))
    option("work-seconds", str(Settings.work_seconds), "seconds of waiting work per replica", type=int)
    option("oldest-seconds", str(Settings.oldest_seconds), "seconds that the oldest job may wait", type=int)
    option("prometheus", "", "address that KEDA asks")
    option("victims", "", "Secret with victims.yaml, for campaigns with commercial victims (default: they are refused)")
    option("job-labels", "", "key=value,...: labels of campaigns' Jobs, such as Kueue's queue", type=labels)
    option("serving-priority", "", "priority class of model servers")
    option("serving-resources", json.dumps(_resources("4Gi")), "JSON: what a model server asks for", type=mapping)
    option("serving-flags", "[]", "JSON: further flags of TensorFlow Serving", type=sequence)
    option("serving-place", "{}", "JSON: nodeSelector and tolerations of model servers without a GPU", type=place)
    option("serving-gpu-place", "{}", "the same of those with one, which tolerate the GPUs' taint anyway", type=place)
    option("campaign-priority", "", "priority class of campaigns")
    asked = "JSON: what pods of campaigns ask for, and those that fetch networks"
    option("campaign-resources", json.dumps(_resources("6Gi")), asked, type=mapping)
    option("health", Settings.health, "URL at which the liveness probe is answered")
    option("metrics-port", str(Settings.metrics_port), "of Prometheus metrics", type=int)
    flags = vars(parser.parse_args(arguments))
    if flags["autoscaler"] == "keda" and not flags["prometheus"]:
        parser.error("KEDA needs --prometheus")
    return Settings(**flags)


def names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def labels(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if any(not key or not equals for key, equals, _ in pairs):
        raise argparse.ArgumentTypeError("labels are key=value,key=value")
    return {key: value for key, _, value in pairs}


def mapping(text: str) -> Json:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{text} is no JSON object")
    return found


def sequence(text: str) -> tuple[Any, ...]:
    found = json.loads(text)
    if not isinstance(found, list):
        raise argparse.ArgumentTypeError(f"{text} is no JSON list")
    return tuple(found)


def place(text: str) -> Json:
    found = mapping(text)
    if not found.keys() <= {"nodeSelector", "tolerations"}:
        raise argparse.ArgumentTypeError("a place has nodeSelector and tolerations")
    return found
