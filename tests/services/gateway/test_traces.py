"""What a trace says, and what it never does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import httpx2
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from prometheus_client.openmetrics import exposition as openmetrics

from faceoff.amplify import LocalAmplifier
from faceoff.client import Client, Request
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Rooms
from faceoff.rpc import traces
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Plan
from tests.services.house import ByName, gateway, house

ALLOWED = {"rpc.method", "faceoff.stage", "faceoff.reason", "faceoff.operation"}
_EXPORTER = InMemorySpanExporter()


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_EXPORTER))
        trace.set_tracer_provider(provider)
    monkeypatch.setenv(traces.ENDPOINT, "http://127.0.0.1:1")
    traces._tracer.cache_clear()
    _EXPORTER.clear()
    yield _EXPORTER
    monkeypatch.undo()
    traces._tracer.cache_clear()


def run(photo: bytes, faces: tuple[int, ...] = ()) -> str:
    """The operation's id."""
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with gateway(rooms) as address, closing(Client(address, "canarykey")) as client:
        return client.wait(
            client.submit(photo, Request(Plan(iterations=2), faces=faces, victims=("canaryvictim",))).id
        ).id


def by_name(spans: tuple[ReadableSpan, ...]) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans}


def below(spans: tuple[ReadableSpan, ...], parent: ReadableSpan) -> set[str]:
    """The names of what happened within ``parent``."""
    return {span.name for span in spans if span.parent and span.parent.span_id == parent.context.span_id}


def test_a_photo_is_one_trace(exporter: InMemorySpanExporter, photo: bytes) -> None:
    operation = run(photo)
    spans = exporter.get_finished_spans()
    named = by_name(spans)
    accepted, job = named["/faceoff.v1.ProtectionService/CreateProtection"], named["job"]
    assert accepted.parent is None
    assert "submit" in below(spans, accepted)
    assert "job" in below(spans, named["submit"])
    assert below(spans, job) >= {"detect", "amplify", "verify", "attack"}
    for stage, method in (
        ("detect", "/faceoff.v1.DetectorService/Detect"),
        ("job", "/faceoff.v1.AttackerService/Attack"),  # the first word of an attack comes from the call itself
        ("amplify", "/faceoff.v1.AmplifierService/Amplify"),
        ("verify", "/faceoff.v1.VerifierService/Verify"),
    ):
        assert method in below(spans, named[stage])
    of_the_trace = [span for span in spans if span.context.trace_id == accepted.context.trace_id]
    assert {span.name for span in of_the_trace} >= {"job", "verify", "/faceoff.v1.VerifierService/Verify"}
    for name in ("submit", "job"):
        assert dict(named[name].attributes or {})["faceoff.operation"] == operation


def test_a_photo_over_http_continues_its_senders_trace(exporter: InMemorySpanExporter, photo: bytes) -> None:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    trace_id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"Content-Type": "image/png", "traceparent": f"00-{trace_id}-{parent}-01"}
    with house(lambda _: rooms) as there:
        answer = httpx2.post(f"{there.http}/v1/protections?wait=20s", content=photo, headers=headers, timeout=30)
    assert answer.status_code == 200
    named = by_name(exporter.get_finished_spans())
    assert {format(named[name].context.trace_id, "032x") for name in ("submit", "job", "verify")} == {trace_id}
    assert format(named["http/CreateProtection"].parent.span_id, "016x") == parent  # type: ignore[union-attr]
    assert dict(named["job"].attributes or {})["faceoff.operation"] == answer.json()["id"]


def test_ends_of_jobs_have_their_traces_as_exemplars(exporter: InMemorySpanExporter, photo: bytes) -> None:
    run(photo)
    trace_id = format(by_name(exporter.get_finished_spans())["job"].context.trace_id, "032x")
    text = openmetrics.generate_latest(REGISTRY).decode()  # type: ignore[no-untyped-call]
    for name in ("faceoff_job_duration_seconds", "faceoff_job_queue_seconds"):
        lines = [line for line in text.splitlines() if line.startswith(f"{name}_bucket") and "# {" in line]
        assert any(f'trace_id="{trace_id}"' in line for line in lines)


def test_a_span_has_names_of_ours_and_nothing_else(exporter: InMemorySpanExporter, photo: bytes) -> None:
    run(photo)
    run(photo, faces=(9,))
    spans = exporter.get_finished_spans()
    assert {name for span in spans for name in span.attributes or {}} <= ALLOWED
    assert not [event for span in spans for event in span.events]
    assert not [span for span in spans if span.status.description]
    assert "canary" not in "".join(span.to_json() for span in spans)
    assert Reason.INVALID_ARGUMENT in [dict(span.attributes or {}).get("faceoff.reason") for span in spans]


def test_the_framework_tells_nothing_of_its_own(exporter: InMemorySpanExporter, photo: bytes) -> None:
    """FastAPI and others look for the process's provider, and would tell of paths and queries."""
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with house(lambda _: rooms, ByName()) as there:
        headers = {"Authorization": "Bearer canarykey"}
        assert httpx2.get(f"{there.http}/v1/operations/canarypath?canary=1", headers=headers).status_code == 404
        assert httpx2.get(f"{there.http}/v1/operations?limit=canary", headers=headers).status_code == 422
    assert not exporter.get_finished_spans()


def test_our_provider_is_not_the_process_s(exporter: InMemorySpanExporter) -> None:
    said = (
        "from faceoff.rpc import traces; from opentelemetry import trace; "
        "assert traces.on(); assert type(trace.get_tracer_provider()).__name__ == 'ProxyTracerProvider'"
    )
    assert subprocess.run([sys.executable, "-c", said], env=os.environ).returncode == 0


def test_without_an_endpoint_there_are_none(photo: bytes) -> None:
    assert traces.ENDPOINT not in os.environ
    assert not traces.on()
    assert traces.headers() == {}
    with traces.job("", ""), traces.submission(), traces.stages(lambda _: None):
        traces.about("")


def test_missing_packages_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(traces.ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    traces._tracer.cache_clear()
    with pytest.raises(FaceOffError, match=r"Install faceoff\[traces\]"):
        traces.on()
    traces._tracer.cache_clear()
