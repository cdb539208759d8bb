"""The operator and a cluster around it, for one test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import kmock
import kopf

from services.operator.api import Api
from services.operator.controller import Controller
from services.operator.handlers import registry
from services.operator.settings import Settings
from tests.operator.cluster import NAMESPACE, Cluster, create

SETTINGS = Settings(
    NAMESPACE, "faceoff:1", "tensorflow/serving:2", "tensorflow/serving:2-gpu", "models", victims="victims",
    autoscaler="hpa",
)  # fmt: skip


async def served(address: str, model: str) -> str | None:
    return "7"


@dataclass
class House:
    """``client`` is a user's, ``start`` and ``kill`` are of the operator, ``turns`` says whether the cluster's own
    controllers act."""

    cluster: Cluster
    client: aiohttp.ClientSession
    url: str
    settings: Settings = SETTINGS
    thread: threading.Thread | None = None
    stop: Any = None

    async def start(self) -> None:
        """In a loop of its own: kopf ends every task that began while it ran, also those of others in its loop."""
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,))
        self.thread.start()
        await asyncio.to_thread(ready.wait)

    def _run(self, ready: threading.Event) -> None:
        info = kopf.ConnectionInfo(server=self.url)
        handlers = registry(Controller(self.settings, Api(NAMESPACE, lambda: info), served, first_pause=0.001))
        kopf.on.login(registry=handlers)(lambda **_: info)

        async def operate() -> None:
            self.stop = asyncio.current_task(), asyncio.get_running_loop()
            await kopf.operator(registry=handlers, namespaces=[NAMESPACE], standalone=True, ready_flag=ready)

        with suppress(asyncio.CancelledError):
            asyncio.run(operate())

    async def kill(self) -> None:
        """At once, wherever it is."""
        if self.thread is None:
            return
        task, loop = self.stop
        loop.call_soon_threadsafe(task.cancel)
        await asyncio.to_thread(self.thread.join)
        self.thread = None

    async def claims(self) -> None:
        for name, labels in (("photos", {"faceoff.dev/campaigns": "true"}), ("secret", {})):
            meta = {"name": name, "labels": labels}
            await create(
                self.client, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": {}}
            )


@asynccontextmanager
async def house(turning: bool = True) -> AsyncIterator[House]:
    cluster = Cluster().prepare()
    async with cluster, kmock.Server(cluster) as server, aiohttp.ClientSession(str(server.url)) as client:
        made = House(cluster, client, str(server.url).rstrip("/"))
        turner = asyncio.create_task(_turn(made)) if turning else None
        try:
            yield made
        finally:
            if turner:
                turner.cancel()
                await asyncio.gather(turner, return_exceptions=True)
            await made.kill()


async def _turn(made: House) -> None:
    while True:
        with suppress(aiohttp.ClientError, AssertionError):  # faults are for everybody
            await made.cluster.turn(made.client)
        await asyncio.sleep(0.05)


def surrogate_set(name: str = "default", **spec: Any) -> dict[str, Any]:
    content = {"version": "v1", "members": ["facenet", "sface"], "victims": ["dlib"], **spec}
    return {
        "apiVersion": "faceoff.dev/v1alpha1", "kind": "SurrogateSet", "metadata": {"name": name}, "spec": content,
    }  # fmt: skip


def campaign(name: str = "alpha", **spec: Any) -> dict[str, Any]:
    content = {
        "name": "does-alpha-matter",
        "people": {"folder": "people"},
        "plans": [{"plan": "balanced", "name": "one"}, {"plan": "strong", "name": "two"}],
        "victims": {"local": ["dlib"]},
    }
    whole = {"campaign": content, "photos": {"claim": "photos"}, "results": {"claim": "photos"}, **spec}
    return {"apiVersion": "faceoff.dev/v1alpha1", "kind": "Campaign", "metadata": {"name": name}, "spec": whole}


def condition(body: dict[str, Any] | None, kind: str) -> tuple[str, str]:
    """Status and reason."""
    for one in ((body or {}).get("status") or {}).get("conditions", ()):
        if one["type"] == kind:
            return one["status"], one["reason"]
    return "", ""
