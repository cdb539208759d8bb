"""What is missing for a Campaign. It looks at how things are, never at what happened, so it may begin anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.operator import campaigns, specs, status
from services.operator.api import Api
from services.operator.pods import ALLOWED, MANAGER, OWNER, REVISION, Object, owner
from services.operator.rollout import SOON, STEADY, write
from services.operator.settings import Settings
from services.operator.specs import CampaignSpec, Refused

INDEX = "batch.kubernetes.io/job-completion-index"


async def reconcile(api: Api, body: Mapping[str, Any], settings: Settings, now: str) -> float:
    """Bring the objects of the campaign ``body`` one step nearer to its spec. Returns when to look again, in seconds. Raises
    what the API raises."""
    try:
        spec = specs.campaign(body)
        await _check(api, spec, settings)
    except Refused as error:
        before = body.get("status") or {}
        states = {
            "Ready": (False, "Refused", "the spec is not acted on"),
            "Progressing": (False, "Refused", ""),
            "Degraded": (True, "Refused", str(error)),
        }
        await write(api, body, {**before, "conditions": status.conditions(body, states, now)})
        return STEADY
    name, run = campaigns.name(body, spec), campaigns.run(spec)
    await api.apply(campaigns.files(body, spec))
    job = await api.get("Job", name)
    fetched = "Complete" if job else await _fetch(api, campaigns.fetch_job(body, spec, settings))
    if fetched == "Complete":
        await _run(api, campaigns.job(body, spec, settings), job, spec.suspend, settings)
    ended = status.finished(job)
    if spec.schedule:
        await api.apply(campaigns.cron_job(body, spec, settings, done=ended == "Complete"))
    else:
        await api.delete("CronJob", body["metadata"]["name"])
    await _sweep(api, owner(body), run)

    pods = await _pods(api, body, run, "campaign")
    before = (body.get("status") or {}) if (body.get("status") or {}).get("job") == name else {}
    parts = await _parts(api, pods, before.get("parts") or [], len(campaigns.parts(spec)), ended == "Complete")
    states = _states(spec, fetched, ended, await _pods(api, body, run, "model-fetch") if fetched == "Failed" else pods)
    content = {
        "conditions": status.conditions(body, states, now),
        "progress": status.summary(parts),
        "parts": parts,
        "results": {"claim": spec.results.claim, "path": campaigns.place(body, spec)},
        "job": name,
    }
    await write(api, body, content)
    return STEADY if ended or fetched == "Failed" or spec.suspend else SOON


async def _fetch(api: Api, wanted: Object) -> str | None:
    """How the Job that brings the models ended; made where there is none."""
    job = await api.get("Job", wanted["metadata"]["name"])
    if job is None:
        await api.create(wanted)
    return status.finished(job)


async def _run(api: Api, wanted: Object, job: Object | None, suspend: bool, settings: Settings) -> None:
    name = wanted["metadata"]["name"]
    held = suspend and settings.queued  # Kueue would resume a suspended Job; a run that is begun anew goes on
    if job is None:
        if not held:
            await api.create(wanted)
    elif status.finished(job) is None:
        if held:
            await api.delete("Job", name)
        elif not settings.queued and bool(job["spec"].get("suspend")) != suspend:
            await api.merge("Job", name, {"spec": {"suspend": suspend}})


async def _pods(api: Api, body: Mapping[str, Any], run: str, component: str) -> list[Object]:
    return await api.select("Pod", {OWNER: owner(body), REVISION: run, "app.kubernetes.io/component": component})


async def _check(api: Api, spec: CampaignSpec, settings: Settings) -> None:
    """What only the settings and the namespace can say. Raises Refused."""
    if spec.campaign["victims"].get("remote") and not settings.victims:
        raise Refused("spec.campaign.victims.remote: the operator has no commercial victims (victims)")
    if spec.accelerator.kind == "gpu" and not settings.campaign_gpu_image:
        raise Refused("spec.accelerator: the operator has no image for campaigns with a GPU (campaign-gpu-image)")
    for field, claim in (("photos", spec.photos.claim), ("results", spec.results.claim)):
        found = await api.get("PersistentVolumeClaim", claim)
        # Else whoever may write campaigns could have any volume of the namespace mounted.
        if found is None or (found["metadata"].get("labels") or {}).get(ALLOWED) != "true":
            raise Refused(f"spec.{field}.claim: there is no claim {claim} with the label {ALLOWED}=true")


async def _sweep(api: Api, of: str, run: str) -> None:
    """Remove what belongs to another run. Its results stay. A Job of the CronJob is the CronJob's."""
    for kind in ("Job", "ConfigMap"):
        for found in await api.select(kind, {OWNER: of, "app.kubernetes.io/managed-by": MANAGER}):
            marked = found["metadata"]["labels"]
            if marked[REVISION] != run and marked["app.kubernetes.io/component"] != "campaign-verify":
                await api.delete(kind, found["metadata"]["name"])


async def _parts(
    api: Api, pods: Sequence[Object], before: Sequence[Mapping[str, int]], count: int, complete: bool
) -> list[dict[str, int]]:
    """How far each index is: what its pod said last, or what was known before."""
    parts = [dict(before[index]) if index < len(before) else {"done": 0, "total": 0} for index in range(count)]
    for pod in sorted(pods, key=lambda one: str(one["metadata"].get("creationTimestamp", ""))):
        index = str((pod["metadata"].get("labels") or {}).get(INDEX, ""))
        if index.isdecimal() and int(index) < count and not _settled(parts[int(index)]):
            said = status.progress(await api.log(pod["metadata"]["name"], "run"))
            parts[int(index)] = said or parts[int(index)]
    return [{"done": part["total"] if complete else part["done"], "total": part["total"]} for part in parts]


def _settled(part: Mapping[str, int]) -> bool:
    return 0 < part["total"] == part["done"]


def _states(
    spec: CampaignSpec, fetched: str | None, ended: str | None, pods: Sequence[Object]
) -> dict[str, tuple[bool, str, str]]:
    words = status.last_words(pods)
    if ended == "Complete":
        return {
            "Ready": (True, "Complete", ""),
            "Progressing": (False, "Complete", ""),
            "Degraded": (False, "AsExpected", ""),
        }
    if fetched == "Failed":
        return {
            "Ready": (False, "FetchFailed", "the models could not be fetched or built"),
            "Progressing": (False, "FetchFailed", ""),
            "Degraded": (True, "FetchFailed", words or "see the Job"),
        }
    if ended == "Failed":
        return {
            "Ready": (False, "Failed", "the run ended before its cells"),
            "Progressing": (False, "Failed", ""),
            "Degraded": (True, "Failed", words or "see the Job"),
        }
    state = "Suspended" if spec.suspend else "Running" if fetched else "Fetching"
    return {
        "Ready": (False, state, ""),
        "Progressing": (not spec.suspend, state, ""),
        "Degraded": (bool(words), "Retrying" if words else "AsExpected", words),
    }
