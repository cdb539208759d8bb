"""The few calls of the Kubernetes API that the operator needs beside kopf's own, among them server-side apply, which kopf does
not have. One session, the login that kopf uses, and a new login when the token is no longer taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import kopf

from services.operator.pods import GROUP, MANAGER, VERSION, Object

TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
LOG_BYTES = 64 * 1024

_CORE, _OURS = "api/v1", f"apis/{GROUP}/{VERSION}"
_PATHS: Mapping[str, tuple[str, str]] = {
    "SurrogateSet": (_OURS, "surrogatesets"),
    "Campaign": (_OURS, "campaigns"),
    "ConfigMap": (_CORE, "configmaps"),
    "Service": (_CORE, "services"),
    "Pod": (_CORE, "pods"),
    "PersistentVolumeClaim": (_CORE, "persistentvolumeclaims"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Job": ("apis/batch/v1", "jobs"),
    "CronJob": ("apis/batch/v1", "cronjobs"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "ScaledObject": ("apis/keda.sh/v1alpha1", "scaledobjects"),
}


class ApiError(Exception):
    """The API server refused: ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """Calls in one ``namespace``. Raises ApiError, aiohttp.ClientError and TimeoutError; ``close`` it."""

    def __init__(self, namespace: str, login: Callable[[], kopf.ConnectionInfo]) -> None:
        self._namespace = namespace
        self._login = login
        self._session: aiohttp.ClientSession | None = None
        self._server = ""

    async def get(self, kind: str, name: str) -> Object | None:
        return await self._found("GET", self._path(kind, name))

    async def select(self, kind: str, labels: Mapping[str, str]) -> list[Object]:
        """The objects of ``kind`` that have these labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        found = await self._ask("GET", self._path(kind), params={"labelSelector": selector} if selector else None)
        return list(found["items"])

    async def create(self, document: Object) -> bool:
        """Whether it was not there yet; what is there stays as it is."""
        try:
            await self._ask("POST", self._path(document["kind"]), document, params={"fieldManager": MANAGER})
        except ApiError as error:
            if error.status != 409:
                raise
            return False
        return True

    async def apply(self, document: Object) -> Object:
        """Server-side apply: the fields of ``document`` are ours, whoever wrote them before."""
        path = self._path(document["kind"], document["metadata"]["name"])
        found: Object = await self._ask("PATCH", path, document, _APPLY, {"fieldManager": MANAGER, "force": "true"})
        return found

    async def apply_status(self, document: Object) -> None:
        """The same for the status of an object, which may be gone."""
        path = self._path(document["kind"], document["metadata"]["name"]) + "/status"
        await self._found("PATCH", path, document, _APPLY, {"fieldManager": MANAGER, "force": "true"})

    async def merge(self, kind: str, name: str, change: Object, manager: str = MANAGER) -> Object | None:
        """The object with these fields changed, or None where there is none: unlike ``apply`` it makes nothing."""
        path = self._path(kind, name)
        return await self._found("PATCH", path, change, "application/merge-patch+json", {"fieldManager": manager})

    async def delete(self, kind: str, name: str) -> None:
        """With everything that belongs to it; one that is gone is fine."""
        await self._found("DELETE", self._path(kind, name), {"propagationPolicy": "Background"})

    async def log(self, pod: str, container: str) -> str:
        """The end of a container's log; nothing where there is none (yet, or any more)."""
        params = {"container": container, "tailLines": "200", "limitBytes": str(LOG_BYTES)}
        try:
            return str(await self._ask("GET", self._path("Pod", pod) + "/log", params=params, text=True))
        except ApiError as error:
            if error.status not in (400, 404):  # 400: it has not started
                raise
            return ""

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _path(self, kind: str, name: str = "") -> str:
        prefix, plural = _PATHS[kind]
        return f"{prefix}/namespaces/{self._namespace}/{plural}" + (f"/{name}" if name else "")

    async def _found(self, *arguments: Any) -> Object | None:
        try:
            found: Object = await self._ask(*arguments)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def _ask(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        kind: str = "application/json",
        params: Mapping[str, str] | None = None,
        text: bool = False,
    ) -> Any:
        data = None if body is None else json.dumps(body)
        old = self._session
        status, answer = await self._send(method, path, data, kind, params)
        if status == 401:  # a service account's token lives an hour
            if self._session is old:
                await self.close()
            status, answer = await self._send(method, path, data, kind, params)
        if status >= 400:
            raise ApiError(status, _message(answer))
        return answer if text else json.loads(answer)

    async def _send(
        self, method: str, path: str, data: str | None, kind: str, params: Mapping[str, str] | None
    ) -> tuple[int, str]:
        session = self._session or self._open()
        url, headers = f"{self._server}/{path}", {"Content-Type": kind}
        async with session.request(method, url, data=data, params=params, headers=headers) as response:
            return response.status, await response.text()

    def _open(self) -> aiohttp.ClientSession:
        info = self._login()
        self._server = info.server.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            timeout=TIMEOUT,
            trust_env=info.trust_env,
        )
        return self._session


_APPLY = "application/apply-patch+yaml"


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return text[:500]
