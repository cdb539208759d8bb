"""Nodes and their kubelets, without machines: what is bound to them is said to run, Jobs' pods end, deleted ones go. What a
real kubelet needs first is asked for, too: a pod whose ConfigMap, Secret or claim is not there never starts."""

from __future__ import annotations

import contextlib
import itertools
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from faceoff.rpc.tls import Tls
from tests.cluster.client import ApiError, Client, Object

ADDRESS = os.environ.get("FACEOFF_CLUSTER_NODE_ADDRESS", "127.0.0.1")
"""Where the API server reaches this machine."""

CLASS = "faceoff-test"
"""The storage class whose claims are bound to volumes that nobody mounts."""

LEASES = "kube-node-lease"
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}

_SOURCES = (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"),
            ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"))  # fmt: skip

Outcome = Callable[[Object], int]
Log = Callable[[str, str, str], str]


class Nodes:
    """``outcome`` is the exit status of a pod that ends, ``log`` what a container says (namespace, pod, container)."""

    def __init__(self, client: Client, tls: Tls) -> None:
        self.outcome: Outcome = lambda pod: 0
        self.log: Log = lambda namespace, pod, container: ""
        self.problems: list[str] = []
        self._client, self._names, self._addresses = client, list[str](), itertools.count(256)
        self._stop = threading.Event()
        self._logs = _logs(self, tls)
        self._thread = threading.Thread(target=self._run, name="kubelets")

    def start(self) -> None:
        storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": CLASS},
                   "provisioner": "faceoff.dev/test"}  # fmt: skip
        self._client.apply(storage)
        threading.Thread(target=self._logs.serve_forever, daemon=True).start()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._logs.shutdown()
        self._logs.server_close()
        for name in list(self._names):
            self.remove(name)

    def add(self, name: str, gpus: int = 0) -> None:
        """A node like an operator of Kubernetes would add, with the taint of a pool of GPUs where it has some."""
        size = {"cpu": "64", "memory": "256Gi", "pods": "200", "ephemeral-storage": "500Gi"}
        size |= {"nvidia.com/gpu": str(gpus)} if gpus else {}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "faceoff.dev/test": "true"}},
            "spec": {"taints": [GPU_TAINT] if gpus else []},
        }
        self._client.create(node)
        self._names.append(name)
        self._client.merge(node, {"status": self._status(size)}, "status")
        self._heartbeat()

    @contextlib.contextmanager
    def gpu(self, name: str) -> Iterator[None]:
        """While a pool of GPUs has a node."""
        self.add(name, gpus=1)
        try:
            yield
        finally:
            self.remove(name)

    def remove(self, name: str) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        self._client.merge(node, {"spec": {"unschedulable": True}})
        self._names.remove(name)
        for pod in self._client.list("v1", "Pod"):
            if pod["spec"].get("nodeName") == name:
                self._client.delete(pod, gracePeriodSeconds=0)
        self._client.delete(node)

    def _status(self, size: dict[str, str]) -> Object:
        ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "", "lastHeartbeatTime": _now()}
        return {
            "capacity": size,
            "allocatable": size,
            "conditions": [{**ready, "lastTransitionTime": _now()}],
            "addresses": [{"type": "InternalIP", "address": ADDRESS}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._logs.server_address[1]}},
            "nodeInfo": dict.fromkeys(
                ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
                 "kubeletVersion", "kubeProxyVersion"), "test",
            ) | {"operatingSystem": "linux", "architecture": "amd64"},
        }  # fmt: skip

    def _run(self) -> None:
        beat = 0.0
        while not self._stop.wait(0.3):
            # The API server may be away for a while; what a kubelet could not say it says again.
            with contextlib.suppress(ApiError, OSError):
                if time.monotonic() > beat:
                    self._heartbeat()
                    beat = time.monotonic() + 10
                self._volumes()
                for pod in self._client.list("v1", "Pod"):
                    if pod["spec"].get("nodeName") in self._names:
                        with contextlib.suppress(ApiError):  # one that is refused does not keep the others waiting
                            self._turn(pod)

    def _heartbeat(self) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for name in list(self._names):
            spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
            self._client.apply(lease, LEASES)

    def _turn(self, pod: Object) -> None:
        phase = pod["status"].get("phase")
        if pod["metadata"].get("deletionTimestamp"):
            self._client.delete(pod, gracePeriodSeconds=0, preconditions={"uid": pod["metadata"]["uid"]})
        elif phase == "Pending" and not (missing := list(self._missing(pod))):
            self._client.merge(
                pod, {"status": _running(pod, f"239.0.{(n := next(self._addresses)) >> 8 & 255}.{n & 255}")}, "status"
            )
        elif phase == "Pending":
            self.problems.append(f"{pod['metadata']['name']}: there is no {', '.join(missing)}")
        elif phase == "Running" and pod["spec"]["restartPolicy"] != "Always":
            self._client.merge(pod, {"status": _ended(pod, self.outcome(pod))}, "status")

    def _missing(self, pod: Object) -> Iterator[str]:
        """What the pod names and the namespace does not have."""
        wanted: list[tuple[str, str]] = [
            (kind, volume[field][key])
            for volume in pod["spec"].get("volumes", ())
            for field, kind, key in _SOURCES
            if field in volume
        ]
        for container in _containers(pod):
            for variable in container.get("env", ()):
                if secret := (variable.get("valueFrom") or {}).get("secretKeyRef"):
                    wanted.append(("Secret", secret["name"]))
        for kind, name in wanted:
            if self._client.get("v1", kind, name, pod["metadata"]["namespace"]) is None:
                yield f"{kind} {name}"

    def _volumes(self) -> None:
        """A volume for every claim of our class, which goes with it."""
        for claim in self._client.list("v1", "PersistentVolumeClaim"):
            if claim["spec"].get("storageClassName") == CLASS and claim["status"].get("phase") == "Pending":
                meta, spec = claim["metadata"], claim["spec"]
                made = {
                    "apiVersion": "v1",
                    "kind": "PersistentVolume",
                    "metadata": {"name": f"test-{meta['uid']}"},
                    "spec": {
                        "capacity": spec["resources"]["requests"],
                        "accessModes": spec["accessModes"],
                        "storageClassName": CLASS,
                        "claimRef": {"namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
                        "persistentVolumeReclaimPolicy": "Retain",
                        "nfs": {"server": "192.0.2.2", "path": "/"},
                    },
                }
                self._client.apply(made)
        for volume in self._client.list("v1", "PersistentVolume"):
            if volume["spec"].get("storageClassName") == CLASS and volume["status"].get("phase") == "Released":
                self._client.delete(volume)


def _running(pod: Object, address: str) -> Object:
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": _now(), "finishedAt": _now()}}
    return {
        "phase": "Running",
        "startTime": _now(),
        "hostIP": ADDRESS,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": _conditions("True"),
        "initContainerStatuses": [_container(one, ended, True) for one in pod["spec"].get("initContainers", ())],
        "containerStatuses": [_container(one, {"running": {"startedAt": _now()}}, True) for one in pod["spec"]["containers"]],
    }  # fmt: skip


def _ended(pod: Object, status: int) -> Object:
    reason = "Error" if status else "Completed"
    ended = {
        "terminated": {
            "exitCode": status,
            "reason": reason,
            "message": "it ended",
            "startedAt": _now(),
            "finishedAt": _now(),
        }
    }
    return {
        "phase": "Failed" if status else "Succeeded",
        "conditions": _conditions("False"),
        "containerStatuses": [_container(one, ended, False) for one in pod["spec"]["containers"]],
    }


def _conditions(ready: str) -> list[Object]:
    states = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": ready, "Ready": ready}
    return [{"type": kind, "status": state, "lastTransitionTime": _now()} for kind, state in states.items()]


def _container(of: Object, state: Object, ready: bool) -> Object:
    return {
        "name": of["name"], "image": of["image"], "imageID": "", "containerID": "test://1", "restartCount": 0,
        "ready": ready, "started": "running" in state, "state": state,
    }  # fmt: skip


def _containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _logs(nodes: Nodes, tls: Tls) -> ThreadingHTTPServer:
    """What the API server asks kubelets for logs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, what, namespace, pod, container = self.path.partition("?")[0].split("/")
            answer = nodes.log(namespace, pod, container).encode() if what == "containerLogs" else b""
            self.send_response(200 if what == "containerLogs" else 404)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer((ADDRESS, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert, tls.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server
