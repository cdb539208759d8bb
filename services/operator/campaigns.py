"""The objects of a Campaign. Pure: a spec goes in, dicts come out.

A run is the campaign with the photos it is over. Its plans are dealt to the indices of a Job; each index has a file, a folder
of results and a report of its own, because a folder belongs to one campaign and one run at a time (decision 0014)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from faceoff.presets import PLANS
from services.operator.pods import Object, claim, command, digest, labels, meta, pod
from services.operator.settings import Settings
from services.operator.specs import CampaignSpec

HOME = "campaigns"
PHOTOS, RESULTS, FILES, VICTIMS = "/photos", "/results", "/campaign", "/victims"
_INDEX = "$(JOB_COMPLETION_INDEX)"


def run(spec: CampaignSpec) -> str:
    """Names what is computed, and so the folder it goes to."""
    return digest([spec.campaign, spec.photos.claim, len(parts(spec))])


def parts(spec: CampaignSpec) -> list[dict[str, Any]]:
    """The campaign of each index, as its file has it."""
    people = {**spec.campaign["people"], "folder": f"{PHOTOS}/{spec.campaign['people']['folder']}"}
    victims = dict(spec.campaign["victims"])
    if victims.get("remote"):
        victims["file"] = f"{VICTIMS}/victims.yaml"
    whole = {**spec.campaign, "people": people, "victims": victims}
    count = min(spec.parallelism, len(whole["plans"]))
    return [{**whole, "plans": whole["plans"][index::count]} for index in range(count)]


def networks(spec: CampaignSpec) -> tuple[list[str], list[str]]:
    """The networks that a campaign needs, and the sets of them, ``a,b`` each."""
    sets: set[str] = set(spec.campaign["victims"].get("local", ()))
    for series in spec.campaign["plans"]:
        own = (series.get("set") or {}).get("surrogates") or PLANS[series["plan"]].surrogates
        for names in (series.get("grid") or {}).get("surrogates") or [own]:
            sets.add(",".join(sorted(set(names))))
    return sorted({name for names in sets for name in names.split(",")}), sorted(sets)


def place(body: Mapping[str, Any], spec: CampaignSpec) -> str:
    """The folder of the results, in their claim."""
    return f"{body['metadata']['name']}/{run(spec)}"


def files(body: Mapping[str, Any], spec: CampaignSpec) -> Object:
    """A file for each index. JSON is YAML."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta(body, name(body, spec), labels(body, "campaign", run(spec))),
        "data": {f"{index}.yaml": json.dumps(part) for index, part in enumerate(parts(spec))},
    }


def fetch_job(body: Mapping[str, Any], spec: CampaignSpec, settings: Settings) -> Object:
    """Brings and builds what the run needs, once for all indices, in pods that see no photo. The run's own pods need no
    way out of the cluster."""
    names, sets = networks(spec)
    marked = labels(body, "model-fetch", run(spec))
    fetch, build = (
        command(name, settings, HOME, ["models", name, "--quiet", *what], env=settings.fetch_env)
        for name, what in (("fetch", names), ("build", sets))
    )
    volumes = [claim("store", settings.store)]
    spec_of_pod = pod(
        settings, [build], volumes, settings.campaign_priority, restartPolicy="Never", initContainers=[fetch]
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta(body, f"{name(body, spec)}-models", marked),
        "spec": {
            "backoffLimit": 3,
            "activeDeadlineSeconds": 7200,
            "template": {"metadata": {"labels": marked}, "spec": spec_of_pod},
        },
    }


def job(body: Mapping[str, Any], spec: CampaignSpec, settings: Settings) -> Object:
    marked = labels(body, "campaign", run(spec)) | settings.job_labels
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta(body, name(body, spec), marked),
        "spec": {**_work(body, spec, settings, marked), "suspend": spec.suspend or settings.queued},
    }


def cron_job(body: Mapping[str, Any], spec: CampaignSpec, settings: Settings, done: bool) -> Object:
    """Shows the stored pictures to the victims again; there are some when the Job is ``done``."""
    marked = labels(body, "campaign-verify", run(spec)) | settings.job_labels
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": meta(body, body["metadata"]["name"], marked),
        "spec": {
            "schedule": spec.schedule,
            "suspend": spec.suspend or not done,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "metadata": {"labels": marked},
                "spec": _work(body, spec, settings, marked, "--verify-only"),
            },
        },
    }


def name(body: Mapping[str, Any], spec: CampaignSpec) -> str:
    return f"{body['metadata']['name']}-{run(spec)}"


def _work(
    body: Mapping[str, Any], spec: CampaignSpec, settings: Settings, marked: Mapping[str, str], *flags: str
) -> Object:
    """A Job's spec. A step each in a container of its own, one after another: no shell."""
    folder = f"{RESULTS}/{place(body, spec)}/{_INDEX}"
    work = command(
        "run", settings, HOME, ["campaign", "run", f"{FILES}/{_INDEX}.yaml", "--out", folder, *flags], spec.accelerator,
        read_only=True,
    )  # fmt: skip
    report = command("report", settings, HOME, ["campaign", "report", folder], read_only=True)
    results = {"name": "results", "mountPath": RESULTS}
    report["volumeMounts"].append(results)
    work["volumeMounts"] += [
        results,
        {"name": "photos", "mountPath": PHOTOS, "readOnly": True},
        {"name": "files", "mountPath": FILES, "readOnly": True},
    ]
    volumes = [
        claim("store", settings.store, read_only=True),
        claim("results", spec.results.claim),
        claim("photos", spec.photos.claim, read_only=spec.photos.claim != spec.results.claim),
        {"name": "files", "configMap": {"name": name(body, spec)}},
    ]
    if spec.campaign["victims"].get("remote"):
        work["volumeMounts"].append({"name": "victims", "mountPath": VICTIMS, "readOnly": True})
        volumes.append({"name": "victims", "secret": {"secretName": settings.victims, "defaultMode": 0o440}})
    gpu = spec.accelerator.kind == "gpu"
    spec_of_pod = pod(
        settings, [report], volumes, settings.campaign_priority, gpu,
        restartPolicy="Never", initContainers=[work], terminationGracePeriodSeconds=60,
    )  # fmt: skip
    count = len(parts(spec))
    return {
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        "backoffLimit": 6,
        "template": {"metadata": {"labels": dict(marked)}, "spec": spec_of_pod},
    }
