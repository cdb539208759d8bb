"""A cluster as its administrator sees it, with any kubeconfig: calls go through `kubectl proxy` on a socket of its own."""

from __future__ import annotations

import ctypes
import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.chart.render import tool

Object = dict[str, Any]

CLUSTER_WIDE = {
    "APIService", "CustomResourceDefinition", "Namespace", "Node", "PersistentVolume", "PriorityClass", "StorageClass",
}  # fmt: skip
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """What the API server (or the proxy, where it does not answer: 502) refused."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class Client:
    """``warnings`` are those of the API server so far. Safe in several threads."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.warnings: list[str] = []
        self._socket = folder / "proxy"
        command = [tool("kubectl"), "proxy", f"--kubeconfig={kubeconfig}", f"--unix-socket={self._socket}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self._local = threading.local()
        until(self._socket.exists, "the proxy answers")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def get(self, version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        try:
            found: Object = self.call("GET", path(version, kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def list(self, version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        """Of all namespaces where none is named."""
        found = self.call(
            "GET", path(version, kind, namespace) + (f"?{urlencode({'labelSelector': labels})}" if labels else "")
        )
        return [{"apiVersion": version, "kind": kind, **one} for one in found["items"]]

    def create(self, document: Object, namespace: str = "") -> Object:
        made: Object = self.call("POST", path(document["apiVersion"], document["kind"], namespace), document)
        return made

    def apply(self, document: Object, namespace: str = "", **flags: str) -> Object:
        where = path(document["apiVersion"], document["kind"], namespace, document["metadata"]["name"])
        flags = {"fieldManager": "tests", "force": "true", **flags}
        made: Object = self.call("PATCH", f"{where}?{urlencode(flags)}", document, APPLY)
        return made

    def merge(self, document: Mapping[str, Any], change: Object, subresource: str = "") -> None:
        """Change some fields of an object that may be gone."""
        self._unless_gone("PATCH", of(document, subresource), change, MERGE)

    def delete(self, document: Mapping[str, Any], **options: Any) -> None:
        self._unless_gone("DELETE", of(document), {"propagationPolicy": "Background", **options})

    def call(self, method: str, where: str, body: Object | None = None, kind: str = "application/json") -> Any:
        """Raises ApiError and OSError."""
        while True:
            response, text = self._ask(method, where, None if body is None else json.dumps(body), kind)
            self.warnings += response.headers.get_all("Warning") or []
            if response.status != 429 or "Retry-After" not in response.headers:
                break
            time.sleep(int(response.headers["Retry-After"]))  # a kind that is new, or an API server that is busy
        if response.status >= 400:
            raise ApiError(response.status, text[:2000])
        return json.loads(text) if text.startswith(("{", "[")) else text

    def _ask(self, method: str, where: str, body: str | None, kind: str) -> tuple[http.client.HTTPResponse, str]:
        connection = getattr(self._local, "connection", None) or _Connection(self._socket)
        self._local.connection = None
        try:
            connection.request(method, where, body, {"Content-Type": kind})
            response: http.client.HTTPResponse = connection.getresponse()
            text = response.read().decode()
        except (http.client.HTTPException, ConnectionError) as error:
            connection.close()
            raise ApiError(502, str(error)) from None
        self._local.connection = connection
        return response, text

    def _unless_gone(self, *arguments: Any) -> None:
        try:
            self.call(*arguments)
        except ApiError as error:
            if error.status != 404:
                raise


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def path(version: str, kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    lower = kind.lower()
    plural = lower[:-1] + "ies" if lower.endswith("y") else lower + ("es" if lower.endswith("s") else "s")
    group = f"/apis/{version}" if "/" in version else f"/api/{version}"
    spaces = ("namespaces", namespace) if namespace and kind not in CLUSTER_WIDE else ()
    return "/".join(part for part in (group, *spaces, plural, name, subresource) if part)


def of(document: Mapping[str, Any], subresource: str = "") -> str:
    """Where an object is that has its apiVersion and kind."""
    meta = document["metadata"]
    return path(document["apiVersion"], document["kind"], meta.get("namespace", ""), meta["name"], subresource)


def die_with_parent() -> None:
    """Linux: a test run that is killed leaves nothing running."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def until(
    condition: Callable[[], Any], what: str, seconds: float = 180.0, explain: Callable[[], Any] = lambda: ""
) -> None:
    """Wait for ``condition``, which may fail meanwhile as the API may; the limit only ends a test that has failed."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
            problem: object = ""
        except (ApiError, OSError) as error:
            problem = error
        assert time.monotonic() < end, f"it never came to be: {what} {problem} {explain()}"
        time.sleep(0.2)
