"""The operator as a process, with the rights of its service account and no more, on a real API server."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from faceoff.cli.serve import free_port
from services.operator import resources, specs
from services.operator.pods import OWNER, REVISION
from services.operator.settings import parse
from tests.chart.render import ROOT
from tests.cluster.client import ApiError, Object, die_with_parent, until
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import CLASS
from tests.cluster.plane import configuration
from tests.operator.house import campaign, condition, surrogate_set

GROUP = "faceoff.dev/v1alpha1"
OPERATIONS = 100 if "CLUSTER_SLOW" in os.environ else 20
SETS, CAMPAIGNS = ("one", "two", "three"), ("alpha", "beta")
OWNED = (
    ("apps/v1", "Deployment"), ("batch/v1", "Job"), ("batch/v1", "CronJob"), ("v1", "ConfigMap"), ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"), ("autoscaling/v2", "HorizontalPodAutoscaler"), ("v1", "Pod"),
)  # fmt: skip


class Lab:
    """A namespace with the chart in it, and operators that the tests start and kill: the chart's own is only said to run."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace, self.client = cluster, namespace, cluster.client
        [pod] = cluster.pods(namespace, "app.kubernetes.io/component=operator")
        self._arguments = pod["spec"]["containers"][0]["args"]
        self._settings = parse(self._arguments)
        self._kubeconfig = cluster.folder / f"{namespace}.kubeconfig"
        found = yaml.safe_load(cluster.run("kubectl", "config", "view", "--raw", "--minify"))["clusters"][0]["cluster"]
        token = {"token": cluster.token(namespace, pod["spec"]["serviceAccountName"])}
        self._kubeconfig.write_text(yaml.safe_dump(configuration(found, token)))
        self.operators: list[tuple[subprocess.Popen[bytes], int]] = []

    def start(self) -> None:
        metrics = free_port()
        own = [f"--health=http://127.0.0.1:{free_port()}/", f"--metrics-port={metrics}"]
        with (self.cluster.folder / f"{self.namespace}.operator.log").open("ab") as log:
            operator = subprocess.Popen(
                [sys.executable, "-m", "services.operator", *self._arguments, *own],
                env={**os.environ, "KUBECONFIG": str(self._kubeconfig)},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        self.operators.append((operator, metrics))

    def kill(self) -> None:
        operator, _ = self.operators.pop(0)
        operator.kill()
        operator.wait()

    def looks(self) -> list[float]:
        """How often each operator has looked at something."""
        told = []
        for _, port in self.operators:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
            told.append(
                sum(float(line.split()[-1]) for line in lines if line.startswith("faceoff_operator_reconciles_total{"))
            )
        return told

    def create(self, document: Object) -> None:
        self.client.create(document, self.namespace)

    def all(self, kind: str) -> dict[str, Object]:
        return self.cluster.all(GROUP, kind, self.namespace)

    def owned(self, kind: str, name: str) -> dict[str, set[str]]:
        """What is there of a custom resource, by kind."""
        labels = f"{OWNER}={kind.lower()}.{name}"
        found = {one: set(self.cluster.all(version, one, self.namespace, labels)) for version, one in OWNED}
        return {one: names for one, names in found.items() if names}

    def strangers(self) -> list[tuple[str, str, str]]:
        """What is there of custom resources that are not, as (kind, name, owner)."""
        owners = {f"{kind.lower()}.{name}" for kind in ("SurrogateSet", "Campaign") for name in self.all(kind)}
        return [
            (kind, name, one["metadata"]["labels"][OWNER])
            for version, kind in OWNED
            for name, one in self.cluster.all(version, kind, self.namespace, OWNER).items()
            if one["metadata"]["labels"][OWNER] not in owners
        ]

    def state(self, kind: str, name: str) -> dict[str, tuple[str, str]]:
        body = self.all(kind).get(name)
        return {one: condition(body, one) for one in ("Ready", "Progressing", "Degraded")}

    def settled(self, name: str) -> bool:
        """Whether the set is as its spec says, and nothing else is there of it."""
        body = self.all("SurrogateSet")[name]
        spec = specs.surrogate_set(body)
        revision = resources.revision(spec)
        service = self.client.get("v1", "Service", name, self.namespace)
        owned = self.owned("SurrogateSet", name)
        full = {f"{name}-{revision}"}
        return (
            condition(body, "Ready") == ("True", "Serving")
            and condition(body, "Progressing") == ("False", "Settled")
            and body["status"]["observedGeneration"] == body["metadata"]["generation"]
            and service is not None
            and service["spec"]["selector"][REVISION] == revision
            and owned["Deployment"] == owned["Job"] == owned["ConfigMap"] == full
            and owned["PodDisruptionBudget"] == {name}
            and owned.get("HorizontalPodAutoscaler", set())
            == ({name} if resources.scaled(spec, self._settings) else set())
        )

    def complete(self, name: str) -> bool:
        body = self.all("Campaign")[name]
        owned, job = self.owned("Campaign", name), (body.get("status") or {}).get("job")
        return (
            condition(body, "Ready") == ("True", "Complete")
            and body["status"]["observedGeneration"] == body["metadata"]["generation"]
            and owned["Job"] == {job, f"{job}-models"}
            and owned["ConfigMap"] == {job}
            and owned.get("CronJob", set()) == ({name} if body["spec"].get("schedule") else set())
        )

    def explain(self) -> str:
        states = {
            f"{kind}/{name}": (self.state(kind, name), self.owned(kind, name))
            for kind in ("SurrogateSet", "Campaign")
            for name in self.all(kind)
        }
        log = (self.cluster.folder / f"{self.namespace}.operator.log").read_text().splitlines()[-8:]
        return "\n".join(map(str, [*states.items(), *self.strangers(), *log, self.cluster.explain(self.namespace)]))

    def until(self, condition: Any, what: str, seconds: float = 180) -> None:
        until(condition, what, seconds, self.explain)


@pytest.fixture(scope="module")
def lab(cluster: Cluster) -> Iterator[Lab]:
    cluster.nodes.log = say
    with cluster.namespace() as namespace:
        cluster.install(namespace, "--set", "autoscaling.engine=hpa")
        cluster.ready(namespace)
        made = Lab(cluster, namespace)
        for name in ("photos", "results", "secret"):
            labels = {"faceoff.dev/campaigns": "true"} if name != "secret" else {}
            spec = {
                "accessModes": ["ReadWriteMany"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": CLASS,
            }
            made.create(
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": name, "labels": labels},
                    "spec": spec,
                }
            )
        yield made


@pytest.fixture
def working(lab: Lab) -> Iterator[Lab]:
    """With an operator; afterwards without any, and without custom resources."""
    lab.start()
    try:
        yield lab
        for kind in ("SurrogateSet", "Campaign"):
            for name, body in lab.all(kind).items():
                lab.client.delete(body)
                lab.until(lambda kind=kind, name=name: not lab.owned(kind, name), f"what was made for {name} is gone")
    finally:
        while lab.operators:
            lab.kill()


def say(namespace: str, pod: str, container: str) -> str:
    """The logs from which status is read."""
    return {"check": "sface           known crop  ok        differs by 1.0e-06\n",
            "run": "x: 8 of 8 cells, ? left\n"}.get(container, "")  # fmt: skip


def example(name: str) -> Object:
    loaded: Object = yaml.safe_load((ROOT / "deploy" / "examples" / f"{name}.yaml").read_text())
    return loaded


def test_a_set_of_the_examples_is_served_changed_and_deleted(working: Lab) -> None:
    working.create(example("surrogateset"))
    working.until(lambda: working.settled("default"), "the set is served")
    body = working.all("SurrogateSet")["default"]
    assert condition(body, "Degraded") == ("False", "AsExpected")
    assert [one["network"] for one in body["status"]["accuracy"]] == ["sface"]
    before = working.owned("SurrogateSet", "default")

    working.client.merge(body, {"spec": {"version": "2026-12", "replicas": {"min": 2, "max": 2}}})
    working.until(lambda: working.settled("default"), "the new version is served")
    assert before["Deployment"].isdisjoint(working.owned("SurrogateSet", "default")["Deployment"])
    rows = working.cluster.run("kubectl", "get", "surrogatesets", "-n", working.namespace)
    assert "2026-12" in rows

    working.client.delete(body)
    working.until(lambda: not working.owned("SurrogateSet", "default"), "what was made for it is gone")


def test_a_set_with_gpus_waits_for_a_node(working: Lab) -> None:
    working.create(example("surrogateset-gpu"))
    name = example("surrogateset-gpu")["metadata"]["name"]
    rolling = ("True", "RollingOut")
    working.until(lambda: working.state("SurrogateSet", name)["Progressing"] == rolling, "it says that it waits")
    with working.cluster.nodes.gpu("test-gpu"):
        working.until(lambda: working.settled(name), "it is served")
    working.until(lambda: working.state("SurrogateSet", name)["Degraded"] == ("True", "Unavailable"), "it says so")


def test_a_campaign_of_the_examples_completes_and_is_shown_again(working: Lab) -> None:
    working.create(example("campaign"))
    working.until(lambda: working.complete("alpha"), "it is complete")
    body = working.all("Campaign")["alpha"]
    assert body["status"]["progress"] == "16/16"
    cron = working.client.get("batch/v1", "CronJob", "alpha", working.namespace)
    assert cron is not None
    assert (cron["spec"]["suspend"], cron["spec"]["schedule"]) == (False, body["spec"]["schedule"])
    working.cluster.run("kubectl", "create", "job", "again", "--from=cronjob/alpha", "-n", working.namespace)
    working.until(lambda: "Job/again" not in working.cluster.unready(working.namespace), "the pictures are shown again")

    working.client.merge(body, {"spec": {"schedule": None}})
    working.until(lambda: working.complete("alpha"), "nothing is scheduled any more")
    working.client.delete(body)
    working.until(lambda: not working.owned("Campaign", "alpha"), "its pods and jobs are gone")
    claims = working.cluster.all("v1", "PersistentVolumeClaim", working.namespace)
    assert all(claims[name]["status"]["phase"] == "Bound" for name in ("photos", "results", "faceoff-models"))


def test_a_run_that_fails_says_why(working: Lab) -> None:
    def failing(pod: Object) -> int:
        return int(pod["metadata"]["labels"].get(OWNER) == "surrogateset.broken")

    working.cluster.nodes.outcome = failing
    try:
        working.create(surrogate_set("broken"))
        working.until(lambda: "Job" in working.owned("SurrogateSet", "broken"), "the models are fetched")
        [job] = working.cluster.all("batch/v1", "Job", working.namespace, f"{OWNER}=surrogateset.broken").values()
        working.client.merge(job, {"spec": {"backoffLimit": 0}})  # three more tries take a minute
        failed = ("True", "FetchFailed")
        working.until(lambda: working.state("SurrogateSet", "broken")["Degraded"] == failed, "it is said")
    finally:
        working.cluster.nodes.outcome = lambda pod: 0


WHAT = campaign()["spec"]["campaign"]
HOSTILE: list[tuple[Object, str]] = [
    (surrogate_set(members=["../../etc"]), "spec.members"),
    (surrogate_set(members=['x" } config { name: "y']), "spec.members"),
    (surrogate_set(members=["--from"]), "spec.members"),
    (surrogate_set(members=["a", "a"]), "spec.members"),
    (surrogate_set(members=["x"] * 17), "spec.members"),
    (surrogate_set(members=[]), "spec.members"),
    (surrogate_set(members="facenet"), "spec.members"),
    (surrogate_set(version="v1\nkueue.x-k8s.io/queue-name: other"), "spec.version"),
    (surrogate_set(version="$(id)"), "spec.version"),
    (surrogate_set(image="stranger/miner"), "spec.image"),
    (surrogate_set(nodeSelector={"a": "b"}), "spec.nodeSelector"),
    (surrogate_set(replicas={"min": 3, "max": 1}), "spec.replicas"),
    (surrogate_set(replicas={"min": 1, "max": 10**12}), "spec.replicas.max"),
    (surrogate_set(replicas={"min": -1, "max": 1}), "spec.replicas.min"),
    (surrogate_set(accelerator={"kind": "gpu", "count": 10**9}), "spec.accelerator.count"),
    (surrogate_set(name="a" * 60), "at most 32"),
    (surrogate_set(name="a.b"), "at most 32"),
    (campaign(photos={"claim": "../photos"}), "spec.photos.claim"),
    (campaign(command=["sh"]), "spec.command"),
    (campaign(schedule="* * * * * ; rm"), "spec.schedule"),
    (campaign(parallelism=10**6), "spec.parallelism"),
    (campaign(campaign={**WHAT, "people": {"folder": "../../store"}}), "spec.campaign.people"),
    (campaign(campaign={**WHAT, "people": {"folder": "/etc"}}), "spec.campaign.people"),
    (campaign(campaign={**WHAT, "people": {"folder": "a", "among": [".."]}}), "spec.campaign.people"),
    (campaign(campaign={**WHAT, "victims": {"local": ["dlib"], "file": "/etc/passwd"}}), "spec.campaign.victims"),
    (campaign(campaign={**WHAT, "seed": 10**30}), "spec.campaign.seed"),
    (campaign(campaign={**WHAT, "claim": "x" * 10**5}), "spec.campaign.claim"),
    (campaign(campaign=None), "spec.campaign"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), HOSTILE, ids=lambda part: str(part)[-60:])
def test_hostile_fields_are_refused_by_the_api_server(lab: Lab, body: Object, field: str) -> None:
    """Before any operator sees them. Strict validation, as kubectl asks for; without it, unknown fields are dropped."""
    where = f"/apis/{GROUP}/namespaces/{lab.namespace}/{body['kind'].lower()}s?fieldValidation=Strict&dryRun=All"
    with pytest.raises(ApiError, match=re.escape(field)) as error:
        lab.client.call("POST", where, body)
    assert error.value.status in (400, 422)


def test_what_only_the_operator_can_refuse(working: Lab) -> None:
    """A volume without the label, and victims that nobody enabled."""
    working.create(campaign("claim", photos={"claim": "secret"}))
    working.create(campaign("paid", campaign={**WHAT, "victims": {"remote": ["azure"], "consent": ["azure"]}}))
    for name in ("claim", "paid"):
        working.until(
            lambda name=name: working.state("Campaign", name)["Degraded"] == ("True", "Refused"), "it is refused"
        )
        assert not working.owned("Campaign", name)


def test_it_may_do_no_more_than_it_must(lab: Lab) -> None:
    who = f"--as=system:serviceaccount:{lab.namespace}:faceoff-operator"
    for may in ("get secrets", "create pods", "get nodes", "list namespaces", "delete persistentvolumeclaims",
                "create rolebindings", "update surrogatesets", "create pods/exec"):  # fmt: skip
        verb, what = may.split()
        with pytest.raises(AssertionError, match="can-i"):
            lab.cluster.run("kubectl", "auth", "can-i", verb, what, who, "-n", lab.namespace)


def test_two_operators_do_not_hinder_each_other(working: Lab) -> None:
    working.start()
    working.create(surrogate_set("both", replicas={"min": 1, "max": 3}))
    working.until(lambda: working.settled("both") and all(working.looks()), "the set is served, and both look at it")
    working.kill()
    working.client.merge(working.all("SurrogateSet")["both"], {"spec": {"version": "v2"}})
    working.until(lambda: working.settled("both"), "the other goes on alone")


def change(lab: Lab, chance: random.Random) -> None:
    """One thing that a user may do."""
    name = chance.choice((*SETS, *CAMPAIGNS))
    kind = "SurrogateSet" if name in SETS else "Campaign"
    body = lab.all(kind).get(name)
    if body is None:
        lab.create(surrogate_set(name) if name in SETS else campaign(name))
    elif chance.random() < 0.3:
        lab.client.delete(body)
    elif name in SETS:
        spec = {"version": f"v{chance.randint(1, 4)}", "replicas": {"min": 1, "max": chance.randint(1, 3)}}
        lab.client.merge(body, {"spec": spec})
    else:
        schedule = "0 3 * * 1" if chance.random() < 0.5 else None
        lab.client.merge(body, {"spec": {"campaign": {"seed": chance.randint(0, 3)}, "schedule": schedule}})


def right(lab: Lab) -> bool:
    """Everything is as the specs say, and nothing is left of what was deleted."""
    sets, runs = lab.all("SurrogateSet"), lab.all("Campaign")
    return not lab.strangers() and all(map(lab.settled, sets)) and all(map(lab.complete, runs))


@pytest.mark.timeout(900)
def test_changes_with_kills_end_in_the_right_state(working: Lab) -> None:
    """The operator is killed at random, and the API server twice; what counts is how things are at the end."""
    chance, plane = random.Random(6), working.cluster.plane
    for number in range(OPERATIONS):
        change(working, chance)
        if chance.random() < 0.15:
            working.kill()
            working.start()
        if plane and number in (OPERATIONS // 3, OPERATIONS * 2 // 3):
            plane.kill_api()
            plane.start_api()
        time.sleep(chance.choice((0, 0.2, 0.5, 3)))
    working.until(lambda: right(working), "everything is as the specs say", 300)
