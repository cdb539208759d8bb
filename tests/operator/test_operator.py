"""The operator against kmock, with kopf's real watches."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import kmock
import kopf
import pytest

from services.operator import api, campaigns, handlers, resources, specs
from services.operator.pods import REVISION
from tests.operator.cluster import create, delete, patch, until
from tests.operator.house import House, campaign, condition, house, surrogate_set

COMPLETE = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
OWNED = ("Deployment", "Job", "CronJob", "ConfigMap", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler")


def run(test: Callable[[House], Coroutine[Any, Any, None]], turning: bool = True) -> None:
    async def inside() -> None:
        async with house(turning) as made:
            await made.claims()
            await test(made)

    asyncio.run(inside())


def settled(made: House, name: str = "default") -> bool:
    """Whether the set is as its spec says, and nothing else is there of it."""
    body = made.cluster.all("SurrogateSet")[name]
    revision = resources.revision(specs.surrogate_set(body))
    service = made.cluster.all("Service").get(name)
    return (
        condition(body, "Ready") == ("True", "Serving")
        and condition(body, "Progressing") == ("False", "Settled")
        and body["status"]["observedGeneration"] == body["metadata"]["generation"]
        and service is not None
        and service["spec"]["selector"][REVISION] == revision
        and names(made, "Deployment", name) == names(made, "Job", name) == names(made, "ConfigMap", name)
        and names(made, "Deployment", name) == [f"{name}-{revision}"]
    )


def names(made: House, kind: str, owner: str) -> list[str]:
    return [
        name
        for name, one in made.cluster.all(kind).items()
        if any(reference["name"] == owner for reference in one["metadata"].get("ownerReferences", ()))
    ]


def complete(made: House, name: str = "alpha") -> bool:
    return condition(made.cluster.all("Campaign")[name], "Ready") == ("True", "Complete")


def test_a_set_is_made_changed_and_deleted() -> None:
    async def test(made: House) -> None:
        await made.start()
        await create(made.client, surrogate_set(replicas={"min": 1, "max": 3}))
        await until(lambda: settled(made), "the set is served")
        first = names(made, "Deployment", "default")
        assert names(made, "HorizontalPodAutoscaler", "default") == ["default"]

        await patch(made.client, "SurrogateSet", "default", {"spec": {"version": "v2", "replicas": {"max": 1}}})
        await until(lambda: settled(made), "the new version is served")
        assert names(made, "Deployment", "default") != first
        assert names(made, "HorizontalPodAutoscaler", "default") == []
        assert made.cluster.all("SurrogateSet")["default"]["status"]["version"] == "v2"

        await delete(made.client, "SurrogateSet", "default")
        await asyncio.sleep(0.5)
        assert not any(names(made, kind, "default") for kind in OWNED), "nothing is made again"

    run(test)


def test_the_old_version_serves_until_the_new_one_is_ready() -> None:
    async def test(made: House) -> None:
        await made.start()
        await create(made.client, surrogate_set())
        await until(lambda: settled(made), "the set is served")
        body = made.cluster.all("SurrogateSet")["default"]
        old = resources.revision(specs.surrogate_set(body))
        new = resources.revision(specs.surrogate_set({**body, "spec": {**body["spec"], "version": "v2"}}))
        made.cluster.stuck.add(f"default-{new}")

        await patch(made.client, "SurrogateSet", "default", {"spec": {"version": "v2"}})
        await until(lambda: len(names(made, "Deployment", "default")) == 2, "both stand side by side")
        rolling = ("True", "RollingOut")
        await until(
            lambda: condition(made.cluster.all("SurrogateSet")["default"], "Progressing") == rolling, "it says so"
        )
        assert made.cluster.all("Service")["default"]["spec"]["selector"][REVISION] == old
        assert condition(made.cluster.all("SurrogateSet")["default"], "Ready") == ("True", "Serving")

        made.cluster.stuck.clear()
        await until(lambda: settled(made), "the new one is promoted and the old one gone")

    run(test)


def test_models_that_cannot_be_fetched_leave_the_old_version_serving() -> None:
    async def test(made: House) -> None:
        await made.start()
        await create(made.client, surrogate_set())
        await until(lambda: settled(made), "the set is served")
        body = made.cluster.all("SurrogateSet")["default"]
        new = resources.revision(specs.surrogate_set({**body, "spec": {**body["spec"], "version": "v2"}}))
        made.cluster.failing.add(f"default-{new}")
        await patch(made.client, "SurrogateSet", "default", {"spec": {"version": "v2"}})
        failed = ("True", "FetchFailed")
        await until(lambda: condition(made.cluster.all("SurrogateSet")["default"], "Degraded") == failed, "it is said")
        assert condition(made.cluster.all("SurrogateSet")["default"], "Ready") == ("True", "Serving")
        assert made.cluster.all("SurrogateSet")["default"]["status"]["version"] == "v1"

        await patch(made.client, "SurrogateSet", "default", {"spec": {"version": "v1"}})
        await until(lambda: settled(made), "going back removes the failed one")

    run(test)


def test_accuracy_and_served_version_are_told() -> None:
    async def test(made: House) -> None:
        await create(made.client, surrogate_set())
        body = made.cluster.all("SurrogateSet")["default"]
        revision = resources.revision(specs.surrogate_set(body))
        for component, status in (
            ("model-fetch", {"phase": "Succeeded"}),
            ("model-server", {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}),
        ):
            labels = {
                "faceoff.dev/owner": "surrogateset.default",
                REVISION: revision,
                "app.kubernetes.io/component": component,
            }
            meta = {"name": component, "labels": labels}
            await create(made.client, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status})
        made.cluster.logs["model-fetch/check"] = "sface           known crop  ok        differs by 1.0e-06\nnonsense\n"
        await made.start()
        await until(lambda: settled(made), "the set is served")
        status = made.cluster.all("SurrogateSet")["default"]["status"]
        assert status["servedVersion"] == "7"
        assert status["accuracy"] == [
            {"network": "sface", "check": "known crop", "outcome": "ok", "detail": "differs by 1.0e-06"}
        ]

    run(test)


def test_a_campaign_runs_reports_progress_and_leaves_its_volumes() -> None:
    async def test(made: House) -> None:
        await made.start()
        await create(made.client, campaign(parallelism=2, schedule="0 3 * * 1"))
        await until(lambda: bool(names(made, "Job", "alpha")), "the models are fetched")
        [models] = names(made, "Job", "alpha")
        job = models.removesuffix("-models")
        await patch(made.client, "Job", models, COMPLETE, "status")
        await until(lambda: job in names(made, "Job", "alpha"), "it runs")
        labels = made.cluster.all("Job")[job]["spec"]["template"]["metadata"]["labels"]
        for index, said in enumerate(
            ("x: 3 of 10 cells, ? left\nx: 4 of 10 cells, 1.0 min left\n", "x: 1 of 6 cells, ? left\n")
        ):
            marked = {**labels, "batch.kubernetes.io/job-completion-index": str(index)}
            await create(
                made.client, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{index}", "labels": marked}}
            )
            made.cluster.logs[f"p{index}/run"] = said

        def body() -> Any:
            return made.cluster.all("Campaign")["alpha"]

        assert made.cluster.all("CronJob")["alpha"]["spec"]["suspend"] is True
        await patch(made.client, "Campaign", "alpha", {"metadata": {"annotations": {"look": "again"}}})
        await until(lambda: body().get("status", {}).get("progress") == "5/16", "progress is told")

        await patch(made.client, "Job", job, COMPLETE, "status")
        await until(lambda: complete(made), "it is complete")
        assert body()["status"]["progress"] == "16/16"
        assert body()["status"]["results"]["path"] == job.replace("alpha-", "alpha/")
        await until(lambda: made.cluster.all("CronJob")["alpha"]["spec"]["suspend"] is False, "it is verified again")
        await delete(made.client, "Campaign", "alpha")
        assert not any(names(made, kind, "alpha") for kind in OWNED)
        assert set(made.cluster.all("PersistentVolumeClaim")) == {"photos", "secret"}

    run(test, turning=False)


def test_a_campaign_whose_models_cannot_be_fetched_says_so() -> None:
    async def test(made: House) -> None:
        body = campaign()
        body["metadata"] |= {"namespace": "lab", "uid": "x"}
        run_of = campaigns.name(body, specs.campaign(body))
        made.cluster.failing.add(f"{run_of}-models")
        await made.start()
        await create(made.client, campaign())
        failed = ("True", "FetchFailed")
        await until(lambda: condition(made.cluster.all("Campaign")["alpha"], "Degraded") == failed, "it is said")
        assert names(made, "Job", "alpha") == [f"{run_of}-models"]

    run(test)


def test_a_suspended_campaign_goes_on() -> None:
    async def test(made: House) -> None:
        await made.start()
        await create(made.client, campaign(suspend=True))
        suspended = ("False", "Suspended")
        await until(lambda: condition(made.cluster.all("Campaign")["alpha"], "Ready") == suspended, "it waits")
        await patch(made.client, "Campaign", "alpha", {"spec": {"suspend": False}})
        await until(lambda: complete(made), "it is complete")

    run(test)


@pytest.mark.parametrize(
    "body",
    [
        surrogate_set(members=["../../etc"]),
        surrogate_set(members=['x" } config { name: "y']),
        surrogate_set(members=["--from"]),
        surrogate_set(version="v1\nkueue.x-k8s.io/queue-name: other"),
        surrogate_set(image="stranger/miner"),
        surrogate_set(replicas={"min": 3, "max": 1}),
        surrogate_set(replicas={"min": 0, "max": 1}),
        surrogate_set(replicas={"min": 10**30, "max": 10**30}),
        surrogate_set(members="facenet"),
        surrogate_set(name="a" * 60),
        campaign(photos={"claim": "secret"}),
        campaign(photos={"claim": "../photos"}),
        campaign(command=["sh"]),
        campaign(schedule="* * * * * ; rm"),
        campaign(campaign={**campaign()["spec"]["campaign"], "people": {"folder": "../../store"}}),
        campaign(campaign={**campaign()["spec"]["campaign"], "people": {"folder": "/etc"}}),
        campaign(campaign={**campaign()["spec"]["campaign"], "people": {"folder": "people", "among": [".."]}}),
        campaign(campaign={**campaign()["spec"]["campaign"], "victims": {"remote": ["azure"]}}),
        campaign(campaign={**campaign()["spec"]["campaign"], "victims": {"local": ["dlib"], "file": "/etc/passwd"}}),
        campaign(campaign=None),
        campaign(accelerator={"kind": "gpu"}),
    ],
    ids=lambda body: str(list(body["spec"].items()))[-60:],
)
def test_hostile_fields_are_refused_and_nothing_is_made(body: dict[str, Any]) -> None:
    async def test(made: House) -> None:
        await made.start()
        await create(made.client, body)
        kind, name = body["kind"], body["metadata"]["name"]
        refused = ("True", "Refused")
        await until(lambda: condition(made.cluster.all(kind)[name], "Degraded") == refused, "it is refused")
        [degraded] = [one for one in made.cluster.all(kind)[name]["status"]["conditions"] if one["type"] == "Degraded"]
        assert degraded["message"].startswith(("spec", "metadata.name"))
        assert not any(made.cluster.all(other) for other in OWNED)

    run(test)


@pytest.mark.parametrize("status", [409, 429, 500, 503, 0])
def test_errors_of_the_api_are_got_over(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "FIRST_PAUSE", 0.01)

    async def test(made: House) -> None:
        seen: dict[str, int] = {}

        def fault(request: kmock.Request) -> int | None:
            """The operator's first call of every kind fails."""
            what = f"{request.method} {request.url.path}"
            if "kopf" in request.headers.get("User-Agent", ""):
                return None
            seen[what] = seen.get(what, 0) + 1
            return status if seen[what] == 1 else None

        await create(made.client, surrogate_set(replicas={"min": 1, "max": 2}))
        made.cluster.fault = fault
        await made.start()
        await until(lambda: settled(made), "the set is served all the same")

    run(test)


def test_calls_that_never_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "TIMEOUT", aiohttp.ClientTimeout(total=1))

    async def test(made: House) -> None:
        hanging = asyncio.Event()
        original, left = made.cluster._handle, [2]

        async def handle(request: kmock.Request) -> Any:
            if left[0] and "apply" in request.headers.get("Content-Type", ""):
                left[0] -= 1
                await hanging.wait()
            return await original(request)

        monkeypatch.setattr(type(made.cluster), "_handle", lambda self, request: handle(request))
        await made.start()
        await create(made.client, surrogate_set())
        await until(lambda: settled(made), "the set is served all the same")
        assert not left[0]
        hanging.set()

    run(test)


def test_a_watch_tries_for_ever_and_is_never_long_behind() -> None:
    settings = kopf.OperatorSettings()
    handlers.configure(settings)
    pauses = settings.networking.error_backoffs
    assert not isinstance(pauses, float)
    for _ in range(2):  # each call begins anew
        first = list(itertools.islice(pauses, 1000))
        assert len(first) == 1000
        assert max(first) <= 10
