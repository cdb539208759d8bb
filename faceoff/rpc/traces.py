"""Traces, by the extra ``traces``: off unless OTEL_EXPORTER_OTLP_ENDPOINT is set.

The signatures here are the allow-list, as in faceoff.rpc.logs: a span has ids and names of ours, nothing of a photo, and no
words of an exception.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from typing import Any

from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Report
from faceoff.types import Progress

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SCOPE = "faceoff"
_OPERATION = "faceoff.operation"


@cache
def _tracer() -> Any:
    """The process's tracer; None where traces are off. Raises INVALID_ARGUMENT where they are on and cannot be."""
    if not os.environ.get(ENDPOINT):
        return None
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, f"{ENDPOINT} is set, but OpenTelemetry is missing.", "Install faceoff[traces]."
        ) from None
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        # It stays ours: libraries that find a provider of the process tell by themselves whatever they like.
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer(_SCOPE)


def on() -> bool:
    """Whether there are traces. Raises INVALID_ARGUMENT where they are asked for and cannot be."""
    return _tracer() is not None


def job(operation: str, parent: str) -> AbstractContextManager[None]:
    """Around a worker's work on the photo of ``operation``; ``parent`` is the traceparent with which it was submitted."""
    headers = {"traceparent": parent} if parent else {}
    return _span("job", {_OPERATION: operation}, headers, current=True)


def submission() -> AbstractContextManager[None]:
    """Around the acceptance of a photo as a job, which continues its trace."""
    return _span("submit", {})


def about(operation: str) -> None:
    """Say which operation the current span is about."""
    if _tracer():
        from opentelemetry.trace import get_current_span

        get_current_span().set_attribute(_OPERATION, operation)


def call(method: str, headers: Mapping[str, str], current: bool = False) -> AbstractContextManager[None]:
    """Around one call that a service answers; ``headers`` may say which trace it belongs to. What happens meanwhile is
    below it only where it is ``current``: a stream's answers are made in whichever thread is free."""
    return _span(method, {"rpc.method": method}, headers, current)


def stage(name: str) -> AbstractContextManager[None]:
    return _span(name, {"faceoff.stage": name})


def headers() -> dict[str, str]:
    """What a call has to carry to continue this trace on the other side."""
    carrier: dict[str, str] = {}
    if _tracer():
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(carrier)
    return {name: value for name, value in carrier.items() if name == "traceparent"}


@contextmanager
def stages(report: Report) -> Iterator[Report]:
    """``report``, with a span around each stage that it hears of."""
    if not _tracer():
        yield report
        return
    current = ""
    with ExitStack() as stack:

        def traced(progress: Progress) -> None:
            nonlocal current
            if progress.stage != current:
                stack.close()
                current = progress.stage
                stack.enter_context(stage(current))
            if progress.done >= progress.total:
                stack.close()
                current = ""
            report(progress)

        yield traced


def _span(
    name: str,
    attributes: Mapping[str, str | int],
    headers: Mapping[str, str] | None = None,
    current: bool = True,
) -> AbstractContextManager[None]:
    """Below the current span, or below the one that ``headers`` name."""
    tracer = _tracer()
    return _recorded(tracer, name, attributes, headers, current) if tracer else nullcontext()


@contextmanager
def _recorded(
    tracer: Any, name: str, attributes: Mapping[str, str | int], headers: Mapping[str, str] | None, current: bool
) -> Iterator[None]:
    from opentelemetry.context import Context
    from opentelemetry.trace import Status, StatusCode, use_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = None if headers is None else TraceContextTextMapPropagator().extract(headers, Context())
    span = tracer.start_span(name, parent, attributes=dict(attributes))
    # An exception's words may quote anything: only its reason or its type is said.
    with use_span(span, record_exception=False, set_status_on_exception=False) if current else nullcontext():
        try:
            yield
        except BaseException as error:
            said = error.reason.value if isinstance(error, FaceOffError) else type(error).__name__
            span.set_attribute("faceoff.reason", said)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()
