"""The part of prometheus-adapter that the chart needs: an aggregated API of external metrics that asks a Prometheus, with the
rule of docs/operations.md. The adapter itself is not to be had as a Go module everywhere."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

from faceoff.rpc.tls import Tls
from tests.cluster.client import until
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import ADDRESS

GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
METRICS = ("faceoff_queued_work_seconds", "faceoff_queue_oldest_age_seconds")


@contextmanager
def adapter(cluster: Cluster, namespace: str, prometheus: str, tls: Tls) -> Iterator[None]:
    """While it is there, HorizontalPodAutoscalers see what ``prometheus`` (a URL) says."""
    server = ThreadingHTTPServer((ADDRESS, 0), _handler(prometheus))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert, tls.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "adapter", "namespace": namespace},
               "spec": {"type": "ExternalName", "externalName": ADDRESS, "ports": [{"port": port}]}}  # fmt: skip
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{VERSION}.{GROUP}"},
        "spec": {
            "group": GROUP, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": True, "service": {"namespace": namespace, "name": "adapter", "port": port},
        },
    }  # fmt: skip
    try:
        cluster.client.apply(service, namespace)
        cluster.client.apply(api)
        until(lambda: cluster.client.call("GET", f"/apis/{GROUP}/{VERSION}"), "the adapter's API is there")
        yield
    finally:
        cluster.client.delete(api)
        cluster.client.delete(service)
        server.shutdown()
        server.server_close()


def _handler(prometheus: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            answer = _values(prometheus, parts[4], parts[5]) if len(parts) == 6 else _metrics()
            text = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None: ...

    return Handler


def _metrics() -> dict[str, Any]:
    kinds = [{"name": name, "singularName": "", "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
             for name in METRICS]  # fmt: skip
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": kinds}


def _values(prometheus: str, namespace: str, metric: str) -> dict[str, Any]:
    query = f'max by (namespace) ({metric}{{namespace="{namespace}"}})'
    with urllib.request.urlopen(f"{prometheus}/api/v1/query?{urlencode({'query': query})}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    items = [
        {"metricName": metric, "metricLabels": one["metric"], "timestamp": now, "value": _quantity(one["value"][1])}
        for one in found
    ]
    return {"kind": "ExternalMetricValueList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}


def _quantity(number: str) -> str:
    return f"{float(number) * 1000:.0f}m"
