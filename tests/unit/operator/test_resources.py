"""Builders: golden facts, and for any spec objects that Kubernetes takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.operator import campaigns, pods, resources, specs
from services.operator.settings import KUEUE_QUEUE, Settings
from services.operator.specs import Refused

VERSIONS = ("1.31", "1.37")
SETTINGS = Settings(
    "lab", "faceoff:1", "serving:1", "serving:1-gpu", "models", victims="victims", autoscaler="hpa",
    campaign_gpu_image="faceoff:1-gpu",
)  # fmt: skip


def body(kind: str, spec: dict[str, Any], name: str = "default") -> dict[str, Any]:
    meta = {"name": name, "namespace": "lab", "uid": "00000000-0000-0000-0000-000000000000", "generation": 3}
    return {"apiVersion": "faceoff.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}


SET = {"version": "v1", "members": ["sface", "facenet"], "victims": ["dlib"], "replicas": {"min": 1, "max": 3}}
CAMPAIGN = {
    "campaign": {
        "name": "x",
        "people": {"folder": "a/people"},
        "plans": [
            {"plan": "balanced", "name": "p"},
            {
                "plan": "strong",
                "set": {"surrogates": ["sface"]},
                "grid": {"surrogates": [["facenet"], ["sface", "facenet"]]},
            },
            {"plan": "balanced", "name": "q", "set": {"surrogates": ["sface"]}},
        ],
        "victims": {"local": ["dlib"], "remote": ["azure"], "consent": ["azure"]},
    },
    "photos": {"claim": "photos"},
    "results": {"claim": "results"},
    "parallelism": 2,
    "schedule": "0 3 * * 1",
}


def objects_of_set(one: dict[str, Any], settings: Settings = SETTINGS) -> list[dict[str, Any]]:
    spec = specs.surrogate_set(one)
    revision = resources.revision(spec)
    return [
        resources.fetch_job(one, spec, settings),
        resources.model_config(one, spec),
        resources.deployment(one, spec, settings),
        resources.service(one, revision),
        resources.disruption_budget(one, revision),
        resources.autoscaler(one, spec, settings, revision),
    ]


def objects_of_campaign(one: dict[str, Any], settings: Settings = SETTINGS) -> list[dict[str, Any]]:
    spec = specs.campaign(one)
    made = [campaigns.files(one, spec), campaigns.fetch_job(one, spec, settings), campaigns.job(one, spec, settings)]
    return [*made, campaigns.cron_job(one, spec, settings, done=False)] if spec.schedule else made


def assert_valid(objects: list[dict[str, Any]]) -> None:
    for one in objects:
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)
        assert one["metadata"]["ownerReferences"][0]["controller"] is True
        assert len(one["metadata"]["name"]) <= 63
        for pod in pod_specs(one):
            assert pod["automountServiceAccountToken"] is False
            assert pod["securityContext"]["runAsNonRoot"] is True
            for container in (*pod.get("initContainers", ()), *pod["containers"]):
                assert container["image"] in ("faceoff:1", "faceoff:1-gpu", "serving:1", "serving:1-gpu")
                assert container["command"] in (["faceoff"], ["tensorflow_model_server"])
                security = container["securityContext"]
                assert security["readOnlyRootFilesystem"] is True
                assert security["capabilities"] == {"drop": ["ALL"]}


def pod_specs(one: Any) -> list[dict[str, Any]]:
    """Every pod's spec inside an object."""
    if isinstance(one, dict):
        found = [one] if "containers" in one else []
        return found + [pod for value in one.values() for pod in pod_specs(value)]
    return [pod for value in one for pod in pod_specs(value)] if isinstance(one, list) else []


def test_a_sets_objects() -> None:
    one = body("SurrogateSet", SET)
    objects = objects_of_set(one)
    assert_valid(objects)
    job, config, deployment, service, budget, scaler = objects
    name = job["metadata"]["name"]
    assert (
        name == config["metadata"]["name"] == deployment["metadata"]["name"] == scaler["spec"]["scaleTargetRef"]["name"]
    )
    assert name.startswith("default-v1-")
    revision = name.removeprefix("default-")
    home = f"/store/sets/default/{revision}"
    assert config["data"]["models.config"] == (
        "model_config_list {\n"
        f'  config {{ name: "facenet+sface" base_path: "{home}/models/facenet+sface" model_platform: "tensorflow" }}\n'
        f'  config {{ name: "dlib" base_path: "{home}/models/dlib" model_platform: "tensorflow" }}\n'
        "}\n"
    )
    steps = job["spec"]["template"]["spec"]
    assert [step["args"] for step in (*steps["initContainers"], *steps["containers"])] == [
        ["models", "fetch", "--quiet", "dlib", "facenet", "sface"],
        ["models", "build", "--quiet", "sface,facenet", "dlib"],
        ["models", "check", "dlib", "facenet", "sface"],
    ]
    assert {"name": "FACEOFF_HOME", "value": home} in steps["containers"][0]["env"]
    assert "replicas" not in deployment["spec"], "the autoscaler decides"
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert service["metadata"]["name"] == budget["metadata"]["name"] == scaler["metadata"]["name"] == "default"
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (1, 3)
    assert "tolerations" not in deployment["spec"]["template"]["spec"]


def test_a_fixed_number_of_gpus() -> None:
    spec = SET | {"replicas": {"min": 2, "max": 2}, "accelerator": {"kind": "gpu", "count": 2}}
    deployment = objects_of_set(body("SurrogateSet", spec))[2]
    pod = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["replicas"] == 2
    assert pod["containers"][0]["image"] == "serving:1-gpu"
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_settings_say_where_pods_run_and_how_large_they_are() -> None:
    small, large = ({"requests": {"cpu": cpu, "memory": "1Gi"}, "limits": {"memory": "3Gi"}} for cpu in ("1", "8"))
    room = {"key": "room", "operator": "Equal", "value": "faces", "effect": "NoSchedule"}
    told = replace(
        SETTINGS, pull_secrets=("pull",), fetch_env={"PIP_INDEX_URL": "https://mirror", "FACEOFF_HOME": "/elsewhere"},
        serving_resources=small, campaign_resources=large, serving_flags=("--x=1",),
        serving_gpu_place={"nodeSelector": {"pool": "gpu"}, "tolerations": [room]},
    )  # fmt: skip
    gpu = {"accelerator": {"kind": "gpu", "count": 1}}
    fetching, _, plain = objects_of_set(body("SurrogateSet", SET), told)[:3]
    served = objects_of_set(body("SurrogateSet", SET | gpu), told)[2]
    run = objects_of_campaign(body("Campaign", CAMPAIGN | gpu), told)
    assert_valid([fetching, plain, served, *run])
    for pod in pod_specs([fetching, plain, served, *run]):
        assert pod["imagePullSecrets"] == [{"name": "pull"}]

    (pod,) = pod_specs(served)
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert [one["key"] for one in pod["tolerations"]] == ["room", "nvidia.com/gpu"]
    assert pod["containers"][0]["args"][-1] == "--x=1"
    assert pod["containers"][0]["resources"] == {**small, "limits": {"memory": "3Gi", "nvidia.com/gpu": "1"}}
    assert not {"nodeSelector", "tolerations"} & pod_specs(plain)[0].keys()
    assert pod_specs(plain)[0]["containers"][0]["resources"] == small

    for pod in pod_specs([fetching, run[1]]):
        for step in (*pod["initContainers"], *pod["containers"]):
            assert step["resources"] == large
            env = {one["name"]: one["value"] for one in step["env"]}
            assert len(env) == len(step["env"])
            assert env["PIP_INDEX_URL"] == "https://mirror"
            assert env["FACEOFF_HOME"].startswith("/store/")
    (pod,) = pod_specs(run[2])
    [work], [report] = pod["initContainers"], pod["containers"]
    assert (work["image"], report["image"]) == ("faceoff:1-gpu", "faceoff:1")
    assert work["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert report["resources"] == large
    assert "PIP_INDEX_URL" not in str(pod)


def test_where_nothing_scales_there_are_as_many_as_the_least() -> None:
    one = body("SurrogateSet", SET)
    deployment = resources.deployment(one, specs.surrogate_set(one), replace(SETTINGS, autoscaler="none"))
    assert deployment["spec"]["replicas"] == 1


def test_keda_scales_to_zero() -> None:
    keda = Settings("lab", "faceoff:1", "serving:1", "", "models", autoscaler="keda", prometheus="http://p:9090")
    scaled = objects_of_set(body("SurrogateSet", SET | {"replicas": {"min": 0, "max": 2}}), keda)[-1]
    assert (scaled["kind"], scaled["spec"]["minReplicaCount"]) == ("ScaledObject", 0)
    assert [one["metadata"]["query"] for one in scaled["spec"]["triggers"]] == [
        'sum(faceoff_queued_work_seconds{namespace="lab"})',
        'max(faceoff_queue_oldest_age_seconds{namespace="lab"})',
    ]


def test_a_revision_is_its_version_and_its_networks() -> None:
    def revision(**changes: Any) -> str:
        return resources.revision(specs.surrogate_set(body("SurrogateSet", SET | changes)))

    assert revision() == revision(members=["facenet", "sface"]) == revision(replicas={"min": 2, "max": 9})
    assert len({revision(), revision(version="v2"), revision(members=["sface"]), revision(victims=[])}) == 4


def test_a_campaigns_objects() -> None:
    one = body("Campaign", CAMPAIGN, "alpha")
    objects = objects_of_campaign(one)
    assert_valid(objects)
    files, models, job, cron = objects
    run = job["metadata"]["name"].removeprefix("alpha-")
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == len(files["data"]) == 2
    fetching, pod = (one["spec"]["template"]["spec"] for one in (models, job))
    assert [step["args"] for one in (fetching, pod) for step in (*one["initContainers"], *one["containers"])] == [
        ["models", "fetch", "--quiet", "dlib", "facenet", "faceplugin", "mobilefacenet", "sface"],
        [
            "models",
            "build",
            "--quiet",
            "dlib",
            "facenet",
            "facenet,faceplugin,mobilefacenet,sface",
            "facenet,sface",
            "sface",
        ],
        [
            "campaign",
            "run",
            "/campaign/$(JOB_COMPLETION_INDEX).yaml",
            "--out",
            f"/results/alpha/{run}/$(JOB_COMPLETION_INDEX)",
        ],
        ["campaign", "report", f"/results/alpha/{run}/$(JOB_COMPLETION_INDEX)"],
    ]
    assert [volume["name"] for volume in fetching["volumes"]] == ["store", "scratch"], "it sees no photo"
    mounts = {mount["name"]: mount for mount in pod["initContainers"][-1]["volumeMounts"]}
    assert {name for name, mount in mounts.items() if not mount.get("readOnly")} == {"results", "scratch"}
    assert cron["spec"]["suspend"] is True
    again = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"][-1]
    assert again["args"][-1] == "--verify-only"


def test_a_campaigns_parts_are_campaigns() -> None:
    from pathlib import Path

    from faceoff.campaign.config import parse

    parts = campaigns.parts(specs.campaign(body("Campaign", CAMPAIGN)))
    read = [parse(part, Path("/campaign/0.yaml")) for part in parts]
    assert [[series.title for series in one.plans] for one in read] == [["p", "q"], ["strong"]]
    assert {str(one.people.folder) for one in read} == {"/photos/a/people"}
    assert {str(one.victims.file) for one in read} == {"/victims/victims.yaml"}


def test_kueue_says_when_a_campaign_runs() -> None:
    queued = Settings(
        "lab", "faceoff:1", "serving:1", "", "models", victims="victims", job_labels={KUEUE_QUEUE: "gpus"}
    )
    job = objects_of_campaign(body("Campaign", CAMPAIGN), queued)[2]
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"][KUEUE_QUEUE] == "gpus"


TEXT = st.one_of(
    st.text(max_size=70),
    st.from_regex(specs.LABEL[1:-1], fullmatch=True),
    st.sampled_from(["../x", "a\nb: c", "a b", '"', "{{", "$(X)", "-x", "facenet", "a" * 64, "é", "\x00", "v1\n"]),
)
NUMBER = st.one_of(st.integers(), st.integers(0, 4), st.sampled_from([10**30, -1, 2**63, 1.5, True, "1", None]))


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT, TEXT, st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=3), NUMBER, NUMBER, NUMBER)
def test_any_set_is_refused_or_valid(
    name: str, version: str, members: list[str], victims: list[str], low: Any, high: Any, count: Any
) -> None:
    spec = {
        "version": version,
        "members": members,
        "victims": victims,
        "replicas": {"min": low, "max": high},
        "accelerator": {"kind": "gpu", "count": count},
    }
    try:
        objects = objects_of_set(body("SurrogateSet", spec, name))
    except Refused:
        return
    assert_valid(objects)


NAME = st.from_regex(specs.NAME[1:-1], fullmatch=True)
NETWORKS = st.lists(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True), min_size=1, max_size=16, unique=True
)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAME, st.from_regex(specs.LABEL[1:-1], fullmatch=True), NETWORKS, st.integers(0, 5), st.integers(1, 995))
def test_any_set_that_is_allowed_is_valid(name: str, version: str, members: list[str], low: int, more: int) -> None:
    spec = {"version": version, "members": members, "replicas": {"min": low, "max": low + more}}
    assert_valid(objects_of_set(body("SurrogateSet", spec, name)))


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT, TEXT, TEXT, TEXT, TEXT, NUMBER, TEXT)
def test_any_campaign_is_refused_or_valid(
    name: str, claim: str, folder: str, person: str, schedule: str, parallelism: Any, words: str
) -> None:
    content = {**CAMPAIGN["campaign"], "claim": words, "people": {"folder": folder, "among": [person]}}  # type: ignore[dict-item]
    spec = {
        **CAMPAIGN,
        "campaign": content,
        "photos": {"claim": claim},
        "schedule": schedule,
        "parallelism": parallelism,
    }
    try:
        objects = objects_of_campaign(body("Campaign", spec, name))
    except Refused:
        return
    assert_valid(objects)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAME, st.text(max_size=40), st.integers(1, 100), st.sampled_from(["* * * * *", "0 3 * * 1", "*/5 0-3 1,2 * *"]))
def test_any_campaign_that_is_allowed_is_valid(name: str, words: str, parallelism: int, schedule: str) -> None:
    content = {**CAMPAIGN["campaign"], "claim": words}  # type: ignore[dict-item]
    spec = {**CAMPAIGN, "campaign": content, "schedule": schedule, "parallelism": parallelism}
    assert_valid(objects_of_campaign(body("Campaign", spec, name)))


@pytest.mark.parametrize("name", ["x" * 33, "1a", "-", "a.b", "A", "a\n", "a/../b", ""])
def test_names_that_do_not_fit_into_a_services(name: str) -> None:
    with pytest.raises(Refused, match=r"metadata\.name"):
        specs.surrogate_set(body("SurrogateSet", SET, name))


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert pods.digest({"a": 1, "b": 2}) == pods.digest({"b": 2, "a": 1})
