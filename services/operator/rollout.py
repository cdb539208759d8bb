"""What is missing for a SurrogateSet. It looks at how things are, never at what happened, so it may begin anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from services.operator import resources, specs, status
from services.operator.api import Api
from services.operator.model_status import NotLoaded
from services.operator.pods import MANAGER, OWNER, REVISION, Object, owner
from services.operator.settings import Settings
from services.operator.specs import Refused, SurrogateSetSpec

SOON, STEADY = 10.0, 300.0
"""Seconds until the next look: while something is under way, and otherwise. Events bring an earlier one."""

Served = Callable[[str, str], Awaitable[str | None]]
"""The version of a model that the server at an address has loaded (model_status.served_version)."""


async def reconcile(api: Api, body: Mapping[str, Any], settings: Settings, served: Served, now: str) -> float:
    """Bring the objects of the set ``body`` one step nearer to its spec. Returns when to look again, in seconds. Raises what
    the API raises."""
    try:
        spec = specs.surrogate_set(body)
        _check(spec, settings)
    except Refused as error:
        await _refuse(api, body, str(error), now)
        return STEADY
    name, wanted = body["metadata"]["name"], resources.revision(spec)
    job = await _job(api, resources.fetch_job(body, spec, settings))
    fetched = status.finished(job)

    active = await _active(api, name) or wanted
    deployment, version, problem = None, None, ""
    if fetched == "Complete":
        deployment = await _deploy(api, body, spec, settings, active)
        if status.available(deployment):
            try:
                version = await _version(api, body, wanted, resources.models(spec), served)
                active = wanted
            except NotLoaded as error:
                problem = f"the server has not loaded {error}"
    await api.apply(resources.service(body, active))
    await api.apply(resources.disruption_budget(body, active))
    await _autoscale(api, body, spec, settings, active)
    await _sweep(api, owner(body), {active, wanted})

    standing = await api.get("Deployment", f"{name}-{active}")
    words = status.last_words(await _pods(api, body, wanted, "model-fetch")) if fetched == "Failed" else ""
    states = _states(spec, wanted, active, fetched, words, standing, deployment, problem)
    before = body.get("status") or {}
    if before.get("activeRevision") != active:
        before = {}
    accuracy = before.get("accuracy") or status.accuracy(await _log(api, body, active))
    content: Object = {
        "conditions": status.conditions(body, states, now),
        "version": active.rpartition("-")[0] if standing else "",
        "activeRevision": active if standing else "",
        "servedVersion": version or before.get("servedVersion", ""),
        "address": f"dns:///{name}.{body['metadata']['namespace']}.svc:{resources.GRPC}",
        "accuracy": accuracy,
    }
    await write(api, body, content)
    return SOON if states["Progressing"][0] or problem else STEADY


async def write(api: Api, body: Mapping[str, Any], content: Object) -> None:
    """Only what is new is written: each write is an event, and each event another look."""
    document = status.document(body, content)
    if document["status"] != (body.get("status") or {}):
        await api.apply_status(document)


def _check(spec: SurrogateSetSpec, settings: Settings) -> None:
    """What only the settings can say. Raises Refused."""
    if spec.replicas.min == 0 and settings.autoscaler != "keda":
        raise Refused("spec.replicas.min: 0 needs KEDA, which the operator was not told to use (autoscaler)")
    if spec.accelerator.kind == "gpu" and not settings.serving_gpu_image:
        raise Refused("spec.accelerator: the operator has no image for GPUs (serving-gpu-image)")


async def _refuse(api: Api, body: Mapping[str, Any], message: str, now: str) -> None:
    """What is served stays as it is; the status says why nothing else happens."""
    before = body.get("status") or {}
    ready = next((one for one in before.get("conditions") or () if one["type"] == "Ready"), None)
    states = {
        "Ready": (ready["status"] == "True", ready["reason"], ready["message"])
        if ready
        else (False, "Refused", "nothing is served"),
        "Progressing": (False, "Refused", "the spec is not acted on"),
        "Degraded": (True, "Refused", message),
    }
    await write(api, body, {**before, "conditions": status.conditions(body, states, now)})


async def _job(api: Api, wanted: Object) -> Object | None:
    """The Job as it is; made where there is none. A Job's template cannot be changed, so it is never applied."""
    job = await api.get("Job", wanted["metadata"]["name"])
    if job is None:
        await api.create(wanted)
    return job


async def _active(api: Api, name: str) -> str | None:
    service = await api.get("Service", name)
    return str(service["spec"]["selector"][REVISION]) if service else None


async def _deploy(api: Api, body: Mapping[str, Any], spec: SurrogateSetSpec, settings: Settings, active: str) -> Object:
    await api.apply(resources.model_config(body, spec))
    document = resources.deployment(body, spec, settings)
    name = document["metadata"]["name"]
    if not resources.scaled(spec, settings) or await api.get("Deployment", name) is not None:
        return await api.apply(document)
    # A new revision begins as large as the one whose load it takes over. The number is written under another name, so that
    # it stays when the rest is applied again, and is the autoscaler's from then on.
    old = await api.get("Deployment", f"{body['metadata']['name']}-{active}")
    replicas = max(spec.replicas.min, old["spec"].get("replicas", 1) if old else 1, 1)
    made = await api.apply(document)
    seed = {"spec": {"replicas": min(replicas, spec.replicas.max)}}
    return await api.merge("Deployment", name, seed, manager=f"{MANAGER}-seed") or made


async def _version(api: Api, body: Mapping[str, Any], revision: str, models: list[str], served: Served) -> str | None:
    """What one ready server says of its set; None where none can be asked. Raises NotLoaded."""
    for pod in await _pods(api, body, revision, "model-server"):
        state = pod.get("status") or {}
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in state.get("conditions") or ())
        if ready and state.get("podIP"):
            address = f"{state['podIP']}:{resources.GRPC}"
            versions = await asyncio.gather(*(served(address, model) for model in models))
            return versions[0]
    return None


async def _autoscale(
    api: Api, body: Mapping[str, Any], spec: SurrogateSetSpec, settings: Settings, active: str
) -> None:
    """One autoscaler, on what is asked; none where the number is fixed."""
    name = body["metadata"]["name"]
    wanted = resources.autoscaler(body, spec, settings, active) if resources.scaled(spec, settings) else None
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        if wanted is None or wanted["kind"] != kind:
            await api.delete(kind, name)
    if wanted is not None and await api.get("Deployment", f"{name}-{active}") is not None:
        await api.apply(wanted)


async def _sweep(api: Api, of: str, kept: set[str]) -> None:
    """Remove what belongs to no revision that is asked or on its way."""
    for kind in ("Deployment", "Job", "ConfigMap"):
        for found in await api.select(kind, {OWNER: of, "app.kubernetes.io/managed-by": MANAGER}):
            marked = found["metadata"]["labels"]
            if marked[REVISION] not in kept and marked["app.kubernetes.io/component"].startswith("model-"):
                await api.delete(kind, found["metadata"]["name"])


async def _pods(api: Api, body: Mapping[str, Any], revision: str, component: str) -> list[Object]:
    return await api.select("Pod", {OWNER: owner(body), REVISION: revision, "app.kubernetes.io/component": component})


async def _log(api: Api, body: Mapping[str, Any], revision: str) -> str:
    for pod in await _pods(api, body, revision, "model-fetch"):
        if (pod.get("status") or {}).get("phase") == "Succeeded":
            return await api.log(pod["metadata"]["name"], "check")
    return ""


def _states(
    spec: SurrogateSetSpec,
    wanted: str,
    active: str,
    fetched: str | None,
    words: str,
    standing: Object | None,
    deployment: Object | None,
    problem: str,
) -> dict[str, tuple[bool, str, str]]:
    idle = standing is not None and standing["spec"].get("replicas", 1) == 0 == spec.replicas.min
    ready = status.serving(standing) or idle
    done = active == wanted and status.available(deployment) and not problem
    if fetched == "Failed":
        degraded = (True, "FetchFailed", words or "the models could not be fetched, built or checked; see the Job")
    elif problem:
        degraded = (True, "NotLoaded", problem)
    elif standing is not None and active == wanted and not ready:
        degraded = (True, "Unavailable", "no model server is ready")
    else:
        degraded = (False, "AsExpected", "")
    if fetched is None:
        progressing = (True, "Fetching", f"models of {spec.version} are being fetched, built and checked")
    elif fetched == "Failed" or done:
        progressing = (False, "FetchFailed" if fetched == "Failed" else "Settled", "")
    else:
        progressing = (True, "RollingOut", f"{spec.version} is becoming ready")
    version = active.rpartition("-")[0]
    if not ready:
        state = (False, "NotServing", "no model server is ready")
    elif idle and not status.serving(standing):
        state = (True, "ScaledToZero", f"{version} begins when there is work")
    else:
        state = (True, "Serving", f"{version} is served")
    return {"Ready": state, "Progressing": progressing, "Degraded": degraded}
