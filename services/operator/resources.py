"""The objects of a SurrogateSet. Pure: a spec goes in, dicts come out.

A revision is a version with the networks that it has. Each has a folder of the store, a Job that fills it, a Deployment and
a ConfigMap of its own, so that two can stand side by side; the Service's selector says which one is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.operator.pods import (
    HOME,
    OWNER,
    REVISION,
    Object,
    claim,
    command,
    container,
    digest,
    labels,
    meta,
    owner,
    pod,
)
from services.operator.settings import Settings
from services.operator.specs import SurrogateSetSpec

GRPC, REST = 8500, 8501
DRAIN = 15
"""Seconds in which clients learn that an address is gone, before the server stops."""

WORK, AGE = "faceoff_queued_work_seconds", "faceoff_queue_oldest_age_seconds"
"""What autoscalers follow, as the chart's do."""

_MONITORING = 'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'


def revision(spec: SurrogateSetSpec) -> str:
    return f"{spec.version}-{digest([sorted(spec.members), sorted(spec.victims)])}"


def models(spec: SurrogateSetSpec) -> list[str]:
    """Names of the models that are served, the set first."""
    chosen = "+".join(sorted(spec.members))
    return list(dict.fromkeys([chosen, *sorted(spec.victims)]))


def fetch_job(body: Mapping[str, Any], spec: SurrogateSetSpec, settings: Settings) -> Object:
    """Brings the weights, builds the models and checks them. What it prints last is the accuracy."""
    marked = labels(body, "model-fetch", revision(spec))
    names = sorted({*spec.members, *spec.victims})
    home = _home(body, spec)
    steps = [
        command(name, settings, home, ["models", name, *arguments], env=settings.fetch_env)
        for name, arguments in (
            ("fetch", ["--quiet", *names]),
            ("build", ["--quiet", ",".join(spec.members), *spec.victims]),
            ("check", names),
        )
    ]
    volumes = [claim("store", settings.store)]
    spec_of_pod = pod(
        settings, steps[-1:], volumes, settings.campaign_priority, restartPolicy="Never", initContainers=steps[:-1]
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta(body, _name(body, spec), marked),
        "spec": {
            "backoffLimit": 3,
            "activeDeadlineSeconds": 7200,
            "template": {"metadata": {"labels": marked}, "spec": spec_of_pod},
        },
    }


def model_config(body: Mapping[str, Any], spec: SurrogateSetSpec) -> Object:
    """models.config and monitoring.config of TensorFlow Serving."""
    entries = "".join(
        f'  config {{ name: "{model}" base_path: "{HOME}/{_home(body, spec)}/models/{model}" '
        'model_platform: "tensorflow" }\n'
        for model in models(spec)
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta(body, _name(body, spec), labels(body, "model-server", revision(spec))),
        "data": {"models.config": f"model_config_list {{\n{entries}}}\n", "monitoring.config": _MONITORING},
    }


def deployment(body: Mapping[str, Any], spec: SurrogateSetSpec, settings: Settings) -> Object:
    """TensorFlow Serving. It has no ``replicas`` where an autoscaler decides."""
    marked = labels(body, "model-server", revision(spec))
    gpu = spec.accelerator.kind == "gpu"
    health = {"grpc": {"port": GRPC, "service": "ModelService"}}
    server = container(
        "serving",
        settings.serving_gpu_image if gpu else settings.serving_image,
        settings.serving_resources,
        spec.accelerator,
        args=[
            f"--port={GRPC}",
            f"--rest_api_port={REST}",
            "--model_config_file=/config/models.config",
            "--monitoring_config_file=/config/monitoring.config",
            "--enable_grpc_healthcheck_service",
            "--enable_serialization_as_tensor_content",
            "--enable_model_warmup",
            # Callers come back through DNS now and then, and so find new pods; calls under way are not cut.
            "--grpc_channel_arguments=grpc.max_connection_age_ms=60000",
            *settings.serving_flags,
        ],
        # The image's own start script looks for a model of its own.
        command=["tensorflow_model_server"],
        ports=[{"name": "grpc", "containerPort": GRPC}, {"name": "metrics", "containerPort": REST}],
        # The ports open only when every model is loaded, which may take minutes.
        startupProbe={**health, "periodSeconds": 5, "failureThreshold": 180},
        readinessProbe={**health, "periodSeconds": 5, "timeoutSeconds": 5},
        livenessProbe={**health, "periodSeconds": 20, "timeoutSeconds": 10, "failureThreshold": 6},
        lifecycle={"preStop": {"sleep": {"seconds": DRAIN}}},
        volumeMounts=[
            {"name": "store", "mountPath": HOME, "readOnly": True},
            {"name": "config", "mountPath": "/config", "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108
        ],
    )
    volumes = [
        claim("store", settings.store, read_only=True),
        {"name": "config", "configMap": {"name": _name(body, spec)}},
    ]
    chosen = {OWNER: owner(body), REVISION: revision(spec), "app.kubernetes.io/component": "model-server"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": chosen},
    }
    place = settings.serving_gpu_place if gpu else settings.serving_place
    spec_of_pod = pod(
        settings, [server], volumes, settings.serving_priority, gpu, place,
        terminationGracePeriodSeconds=DRAIN + 60, topologySpreadConstraints=[spread],
    )  # fmt: skip
    # A GPU to spare for a second pod is rare: there the old one makes room.
    surge = {"maxSurge": 0, "maxUnavailable": 1} if gpu else {"maxSurge": 1, "maxUnavailable": 0}
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(body, _name(body, spec), marked),
        "spec": {
            "selector": {"matchLabels": chosen},
            "strategy": {"rollingUpdate": surge},
            "template": {"metadata": {"labels": marked}, "spec": spec_of_pod},
        },
    }
    if not scaled(spec, settings):
        made["spec"]["replicas"] = spec.replicas.min
    return made


def service(body: Mapping[str, Any], active: str) -> Object:
    """The headless Service that clients ask, over the pods of the ``active`` revision."""
    name = body["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(body, name, labels(body, "model-server", active)),
        "spec": {
            "clusterIP": "None",
            "selector": {OWNER: owner(body), REVISION: active, "app.kubernetes.io/component": "model-server"},
            "ports": [
                {"name": "grpc", "port": GRPC, "targetPort": "grpc", "protocol": "TCP"},
                {"name": "metrics", "port": REST, "targetPort": "metrics", "protocol": "TCP"},
            ],
        },
    }


def disruption_budget(body: Mapping[str, Any], active: str) -> Object:
    name = body["metadata"]["name"]
    chosen = {OWNER: owner(body), "app.kubernetes.io/component": "model-server"}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(body, name, labels(body, "model-server", active)),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": chosen}},
    }


def autoscaler(body: Mapping[str, Any], spec: SurrogateSetSpec, settings: Settings, active: str) -> Object:
    """The one autoscaler of the set, on the ``active`` revision: a HorizontalPodAutoscaler, or KEDA's ScaledObject."""
    name = body["metadata"]["name"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{name}-{active}"}
    metadata = meta(body, name, labels(body, "model-server", active))
    # Up at once, and down only after ten quiet minutes: a node with a GPU takes minutes to come.
    behavior = {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 30},
                {"type": "Pods", "value": 2, "periodSeconds": 30},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 600,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    }
    followed = (
        ("sum", WORK, "AverageValue", settings.work_seconds),
        ("max", AGE, "Value", settings.oldest_seconds),
    )
    if settings.autoscaler == "keda":
        return {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": metadata,
            "spec": {
                "scaleTargetRef": target,
                "minReplicaCount": spec.replicas.min,
                "maxReplicaCount": spec.replicas.max,
                "cooldownPeriod": 600,
                "fallback": {"failureThreshold": 3, "replicas": max(spec.replicas.min, 1)},
                "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}},
                "triggers": [
                    {
                        "type": "prometheus",
                        "metricType": kind,
                        "metadata": {
                            "serverAddress": settings.prometheus,
                            "query": f'{over}({metric}{{namespace="{settings.namespace}"}})',
                            "threshold": str(amount),
                        },
                    }
                    for over, metric, kind, amount in followed
                ],
            },
        }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": max(spec.replicas.min, 1),
            "maxReplicas": spec.replicas.max,
            "metrics": [
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": metric},
                        "target": {"type": kind, "averageValue" if kind == "AverageValue" else "value": str(amount)},
                    },
                }
                for _, metric, kind, amount in followed
            ],
            "behavior": behavior,
        },
    }


def scaled(spec: SurrogateSetSpec, settings: Settings) -> bool:
    """Whether an autoscaler decides how many replicas there are."""
    return settings.autoscaler != "none" and spec.replicas.min < spec.replicas.max


def _name(body: Mapping[str, Any], spec: SurrogateSetSpec) -> str:
    return f"{body['metadata']['name']}-{revision(spec)}"


def _home(body: Mapping[str, Any], spec: SurrogateSetSpec) -> str:
    return f"sets/{body['metadata']['name']}/{revision(spec)}"
