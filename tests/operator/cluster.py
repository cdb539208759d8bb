"""A Kubernetes API to test against: kmock, with what the operator needs of a real one and kmock leaves out: uids, generations,
server-side apply (as a merge), label selectors, logs, and the garbage collector. What Deployments and Jobs come to is decided
by ``turn``, as their controllers would."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp.web
import attrs
import kmock
from kmock import action, method

from services.operator.api import _PATHS

NAMESPACE = "lab"
RESOURCES = {kind: kmock.resource(prefix.removeprefix("apis/").removeprefix("api/") + f"/{plural}")
             for kind, (prefix, plural) in _PATHS.items()}  # fmt: skip
KINDS = {resource: kind for kind, resource in RESOURCES.items()}

Fault = Callable[[kmock.Request], int | None]


class Cluster(kmock.KubernetesEmulator):
    """``fault`` may give a status to answer a request with instead; 0 hangs up. ``failing`` are names of Jobs that fail,
    ``stuck`` of Deployments that never become available."""

    def prepare(self) -> Cluster:
        self.fault: Fault = lambda request: None
        self.failing: set[str] = set()
        self.stuck: set[str] = set()
        self.logs: dict[str, str] = {}
        self.writes = 0
        self._count = itertools.count(1)
        # kopf waits for these two before it does anything.
        others = {"Namespace": kmock.resource("v1/namespaces"),
                  "CustomResourceDefinition": kmock.resource("apiextensions.k8s.io/v1/customresourcedefinitions")}  # fmt: skip
        for kind, resource in (RESOURCES | others).items():
            self.resources[resource] = {
                "kind": kind, "singular": kind.lower(), "namespaced": True, "subresources": {"status"},
                "verbs": {"get", "list", "watch", "create", "patch", "delete"},
            }  # type: ignore[assignment]  # fmt: skip
        return self

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """The objects of a kind by name."""
        return {
            str(key[2]): found.raw
            for key, found in self.objects.items()
            if key[0] == RESOURCES[kind] and not found.deleted
        }

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        # kmock's filters go through every request there has been, and see only those: keep those that are under way.
        try:
            return await self._answer(request)
        finally:
            self._requests[:] = [one for one in self._requests if one.url != request.url or one.id != request.id]

    async def _answer(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        status = self.fault(request)
        if status == 0:
            assert request._raw_request is not None
            request._raw_request.transport.close()  # type: ignore[union-attr]
            return aiohttp.web.Response()
        if status:
            raise kmock.KubernetesError(status=status, message="injected")
        if request.subresource == "log":
            return aiohttp.web.Response(text=self.logs.get(f"{request.name}/{request.params['container']}", ""))
        if request.action in (action.CREATE, action.UPDATE, action.DELETE):
            self.writes += 1
        if request.action in (action.CREATE, action.UPDATE):
            if (same := self._unchanged(request)) is not None:
                return aiohttp.web.json_response(same)
            completed = self._completed(request)
            self._requests[:] = [completed if one is request else one for one in self._requests]
            request = completed
        gone = self.all(KINDS[request.resource]).get(str(request.name)) if request.action == action.DELETE else None  # type: ignore[index]
        response = await super()._handle(request)
        if gone:
            self._collect(gone["metadata"]["uid"])
        if request.action == action.CREATE:
            self._collect_orphan(request)
        return response

    def _completed(self, request: kmock.Request) -> kmock.Request:
        """The request with the metadata that the server has to add; an apply of what is not there as a create."""
        data = dict(request.data)
        name = request.name or data["metadata"]["name"]
        kind = KINDS[request.resource]  # type: ignore[index]
        old = self.all(kind).get(name)
        stamp = {"resourceVersion": str(next(self._count)), "name": name, "namespace": NAMESPACE}
        if old is None and not request.subresource:
            if request.action == action.UPDATE and "apply" not in request.headers.get("Content-Type", ""):
                return request  # kmock says 404
            meta = data.get("metadata", {}) | stamp | {
                "uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": f"2026-01-01T00:00:{next(self._count):06}Z",
            }  # fmt: skip
            return attrs.evolve(
                request, method=method.POST, action=action.CREATE, name=None, data=data | {"metadata": meta}
            )
        if old is not None and request.action == action.UPDATE:
            if request.subresource == "status":
                data = {"status": data["status"]}
            changed = "spec" in data and _merged(old["spec"], data["spec"]) != old["spec"]
            meta = data.get("metadata", {}) | stamp | {"generation": old["metadata"]["generation"] + int(changed)}
            return attrs.evolve(request, data=data | {"metadata": meta})
        return request

    async def _serve_list(self, request: kmock.Request) -> Any:
        found: Any = await super()._serve_list(request)
        wanted = dict(pair.split("=") for pair in request.params.get("labelSelector", "").split(",") if pair)
        chosen = [one for one in found["items"] if wanted.items() <= one["metadata"].get("labels", {}).items()]
        return {**found, "items": chosen}

    def _unchanged(self, request: kmock.Request) -> dict[str, Any] | None:
        """The object, when the request changes nothing of it: then there is no event either."""
        old = self.all(KINDS[request.resource]).get(str(request.name))  # type: ignore[index]
        data = {"status": request.data["status"]} if request.subresource == "status" else request.data
        return old if old is not None and _merged(old, data) == old else None

    def _collect_orphan(self, request: kmock.Request) -> None:
        owners = {owner["uid"] for owner in request.data["metadata"].get("ownerReferences", ())}
        if owners and not owners & {one["metadata"]["uid"] for kind in RESOURCES for one in self.all(kind).values()}:
            self.objects[request.resource, NAMESPACE, request.data["metadata"]["name"]].delete()  # type: ignore[index]

    def _collect(self, uid: str) -> None:
        for kind, resource in RESOURCES.items():
            for name, one in self.all(kind).items():
                if any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences", ())):
                    self.objects[resource, NAMESPACE, name].delete()
                    self._collect(one["metadata"]["uid"])

    async def turn(self, client: aiohttp.ClientSession) -> None:
        """One turn of the controllers of Jobs and Deployments."""
        for name, job in self.all("Job").items():
            if not job["spec"].get("suspend") and not job.get("status", {}).get("conditions"):
                outcome = "Failed" if name in self.failing else "Complete"
                await patch(
                    client, "Job", name, {"status": {"conditions": [{"type": outcome, "status": "True"}]}}, "status"
                )
        for name, one in self.all("Deployment").items():
            generation, wanted = one["metadata"]["generation"], one["spec"].get("replicas", 1)
            ready = 0 if name in self.stuck else wanted
            status = {"observedGeneration": generation, "updatedReplicas": wanted, "availableReplicas": ready}
            if one.get("status") != status:
                await patch(client, "Deployment", name, {"status": status}, "status")


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {key: _merged(old.get(key), new[key]) if key in new else old[key] for key in {*old, *new}}
    return new


def url(kind: str, name: str = "", subresource: str = "") -> str:
    prefix, plural = _PATHS[kind]
    return "/" + "/".join(part for part in (prefix, "namespaces", NAMESPACE, plural, name, subresource) if part)


async def create(client: aiohttp.ClientSession, document: dict[str, Any]) -> None:
    async with client.post(url(document["kind"]), json=document) as response:
        assert response.status < 300, await response.text()


async def patch(
    client: aiohttp.ClientSession, kind: str, name: str, change: dict[str, Any], subresource: str = ""
) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    async with client.patch(url(kind, name, subresource), json=change, headers=headers) as response:
        assert response.status in (200, 404), await response.text()


async def delete(client: aiohttp.ClientSession, kind: str, name: str) -> None:
    async with client.delete(url(kind, name)) as response:
        assert response.status in (200, 404), await response.text()


async def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait for ``condition``; the limit is only there to end a test that has failed."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"it never came to be: {what}"
        await asyncio.sleep(0.02)
