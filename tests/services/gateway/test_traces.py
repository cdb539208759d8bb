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

from faceoff.amplify import LocalAmplifier
from faceoff.client import Client, Request
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Rooms
from faceoff.rpc import traces
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Plan
from tests.services.house import ByName, gateway, house

ALLOWED = {"rpc.method", "faceoff.stage", "faceoff.reason"}
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


def run(photo: bytes, faces: tuple[int, ...] = ()) -> None:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with gateway(rooms) as address, closing(Client(address, "canarykey")) as client:
        client.wait(client.submit(photo, Request(Plan(iterations=2), faces=faces, victims=("canaryvictim",))).id)


def by_name(spans: tuple[ReadableSpan, ...]) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans}


def test_a_photo_is_one_trace(exporter: InMemorySpanExporter, photo: bytes) -> None:
    run(photo)
    spans = by_name(exporter.get_finished_spans())
    job = spans["job"]
    below = {
        "detect": "DetectorService/Detect",
        "attack": "AttackerService/Attack",
        "amplify": "AmplifierService/Amplify",
        "verify": "VerifierService/Verify",
    }
    for stage, method in below.items():
        assert spans[stage].parent is not None
        assert spans[stage].parent.span_id == job.context.span_id  # type: ignore[union-attr]
        call = spans[f"/faceoff.v1.{method}"]
        assert call.context.trace_id == job.context.trace_id
        assert call.parent is not None
        # The first word of an attack comes from the call itself.
        assert call.parent.span_id == (job if stage == "attack" else spans[stage]).context.span_id


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
    with traces.job(), traces.stages(lambda _: None):
        pass


def test_missing_packages_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(traces.ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    traces._tracer.cache_clear()
    with pytest.raises(FaceOffError, match=r"Install faceoff\[traces\]"):
        traces.on()
    traces._tracer.cache_clear()
