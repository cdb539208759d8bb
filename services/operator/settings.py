"""Settings of the operator, from the command line and the environment. What a custom resource may not say stands here: images,
where models are kept, which Secret and which queue are used."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"


@dataclass(frozen=True)
class Size:
    """What a container asks for: ``cpu`` and ``memory`` as Kubernetes writes them. Memory is also its limit."""

    cpu: str
    memory: str


@dataclass(frozen=True)
class Settings:
    """``image`` has the command ``faceoff``. ``store`` is the claim of the models' volume. ``autoscaler`` is hpa (an external
    metric) or keda (asks ``prometheus``); both take ``metric``, of which ``target`` per replica is right. ``victims`` is the
    Secret whose key victims.yaml names the commercial victims of campaigns. ``job_labels`` go on
    the Jobs of campaigns and their pods."""

    namespace: str
    image: str
    serving_image: str
    serving_gpu_image: str
    store: str
    autoscaler: str = "hpa"
    metric: str = "faceoff_queued_work_seconds"
    target: int = 30
    prometheus: str = ""
    victims: str = ""
    job_labels: dict[str, str] = field(default_factory=dict)
    serving_priority: str = ""
    campaign_priority: str = ""
    serving: Size = Size("2", "4Gi")
    campaign: Size = Size("2", "6Gi")
    health: str = "http://0.0.0.0:8080/healthz"
    metrics_port: int = 9100

    @property
    def queued(self) -> bool:
        """Kueue, not the operator, says when a Job may run."""
        return KUEUE_QUEUE in self.job_labels


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
    option("serving-image", None, "image of TensorFlow Serving")
    option("serving-gpu-image", "", "the same for sets with a GPU (default: they are refused)")
    option("store", None, "PersistentVolumeClaim of the models")
    option("autoscaler", "hpa", "what scales model servers", choices=("hpa", "keda"))
    option("metric", Settings.metric, "metric of the work that waits for model servers, in seconds")
    option("target", str(Settings.target), "seconds of waiting work per replica", type=int)
    option("prometheus", "", "address that KEDA asks")
    option("victims", "", "Secret with victims.yaml, for campaigns with commercial victims (default: they are refused)")
    option("job-labels", "", "key=value,...: labels of campaigns' Jobs, such as Kueue's queue", type=labels)
    option("serving-priority", "", "priority class of model servers")
    option("campaign-priority", "", "priority class of campaigns")
    option("serving-size", "2,4Gi", "cpu,memory of a model server", type=size)
    option("campaign-size", "2,6Gi", "cpu,memory of a campaign's pod and of the models' fetcher", type=size)
    option("health", Settings.health, "URL at which the liveness probe is answered")
    option("metrics-port", str(Settings.metrics_port), "of Prometheus metrics", type=int)
    flags = vars(parser.parse_args(arguments))
    if flags["autoscaler"] == "keda" and not flags["prometheus"]:
        parser.error("KEDA needs --prometheus")
    serving, campaign = flags.pop("serving_size"), flags.pop("campaign_size")
    return Settings(serving=serving, campaign=campaign, **flags)


def labels(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if any(not key or not equals for key, equals, _ in pairs):
        raise argparse.ArgumentTypeError("labels are key=value,key=value")
    return {key: value for key, _, value in pairs}


def size(text: str) -> Size:
    cpu, comma, memory = text.partition(",")
    if not (cpu and comma and memory):
        raise argparse.ArgumentTypeError("a size is cpu,memory")
    return Size(cpu, memory)
