"""Many changes, an operator that is killed again and again, and an API that fails now and then: the end is right."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import kmock
import pytest
import yaml

from faceoff.cli.serve import free_port
from tests.operator.cluster import NAMESPACE, create, delete, patch, until
from tests.operator.house import House, campaign, house, surrogate_set
from tests.operator.test_operator import OWNED, complete, names, settled

OPERATIONS = 30
SETS, CAMPAIGNS = ("one", "two", "three"), ("alpha", "beta")


async def change(made: House, chance: random.Random) -> None:
    """One thing that a user may do."""
    name = chance.choice((*SETS, *CAMPAIGNS))
    kind = "SurrogateSet" if name in SETS else "Campaign"
    there = name in made.cluster.all(kind)
    if not there:
        await create(made.client, surrogate_set(name) if name in SETS else campaign(name))
    elif chance.random() < 0.3:
        await delete(made.client, kind, name)
    elif name in SETS:
        high = chance.randint(1, 3)
        spec = {"version": f"v{chance.randint(1, 4)}", "replicas": {"min": 1, "max": high}}
        await patch(made.client, kind, name, {"spec": spec})
    else:
        schedule = "0 3 * * 1" if chance.random() < 0.5 else None
        await patch(
            made.client, kind, name, {"spec": {"campaign": {"seed": chance.randint(0, 3)}, "schedule": schedule}}
        )


def right(made: House) -> bool:
    """Everything is as the specs say, and nothing is left of what was deleted."""
    sets, runs = made.cluster.all("SurrogateSet"), made.cluster.all("Campaign")
    owners = {*sets, *runs}
    strangers = any(
        reference["name"] not in owners
        for kind in OWNED
        for one in made.cluster.all(kind).values()
        for reference in one["metadata"]["ownerReferences"]
    )
    return (
        not strangers
        and all(settled(made, name) for name in sets)
        and all(
            complete(made, name) and {*names(made, "Job", name)} == {(job := run["status"]["job"]), f"{job}-models"}
            for name, run in runs.items()
        )
        and all(
            (name in made.cluster.all("CronJob")) == bool(run["spec"].get("schedule")) for name, run in runs.items()
        )
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_thirty_operations_with_kills_and_faults_end_in_the_right_state(seed: int) -> None:
    async def test() -> None:
        chance = random.Random(seed)
        faults = random.Random(seed)

        def fault(request: kmock.Request) -> int | None:
            ours = "fieldManager" in request.url.query or "labelSelector" in request.url.query
            return faults.choice((409, 500, 503, 0)) if ours and faults.random() < 0.03 else None

        async with house() as made:
            await made.claims()
            made.cluster.fault = fault
            await made.start()
            for _ in range(OPERATIONS):
                await change(made, chance)
                if chance.random() < 0.3:
                    await made.kill()
                    await made.start()
                await asyncio.sleep(chance.random() * 0.2)
            made.cluster.fault = lambda request: None
            await until(lambda: right(made), "everything is as the specs say")

    asyncio.run(test())


def test_a_process_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGKILL after so many writes, at several of them; the last process is left to finish, and to end by SIGTERM."""

    async def test() -> None:
        async with house() as made:
            environment = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")}
            (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(made.url)))
            command = [
                sys.executable, "-m", "services.operator", "--namespace", NAMESPACE, "--image", "faceoff:1",
                "--serving-image", "serving:1", "--store", "models", "--autoscaler", "hpa", "--metrics-port", "0", "--health", f"http://127.0.0.1:{free_port()}/",
            ]  # fmt: skip
            await create(made.client, surrogate_set(replicas={"min": 1, "max": 2}))
            for writes in (2, 5):
                process = subprocess.Popen(command, env=environment)
                try:
                    end = made.cluster.writes + writes
                    await until(lambda end=end: made.cluster.writes >= end, "it works")  # type: ignore[misc]
                finally:
                    process.kill()
                    process.wait()
            process = subprocess.Popen(command, env=environment)
            try:
                await until(lambda: settled(made), "the set is served")
                process.send_signal(signal.SIGTERM)
                await until(lambda: process.poll() is not None, "it ends")
                assert process.returncode == 0
            finally:
                process.kill()
                process.wait()

    asyncio.run(test())


def kubeconfig(url: str) -> dict[str, object]:
    return {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {}}],
    }
