"""How every service is served: health, reflection, limits, errors, metrics and a graceful end, built once."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Never

import grpc
import prometheus_client
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from faceoff import lifeline
from faceoff.bounds import bounded
from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import errors, logs, metrics, tls, traces
from faceoff.rpc.errors import Status
from faceoff.rpc.tls import Tls

LONGEST_CALL = 600.0
"""Seconds after which a call ends even where its caller set no deadline."""

MESSAGE_LIMIT = 256 * 1024 * 1024
"""Between services: a photo of 25 MB, its result as PNG of 50 megapixels, crops and masks of half a megabyte a face."""

CALLS = 16
_SPARE_THREADS = 8  # answer health checks, and refuse calls, while every other thread is at work
_OURS = ("/faceoff.", "/google.longrunning.")


@dataclass(frozen=True)
class Settings:
    """``listen`` and ``metrics`` are ``host:port``; port 0 takes a free one, no ``metrics`` opens none. ``calls`` run
    at once, more are refused; ``grace`` is the seconds that calls have to end after SIGTERM.
    Without ``tls`` nothing is encrypted.
    """

    listen: str = "127.0.0.1:0"
    metrics: str = ""
    calls: int = CALLS
    grace: float = 30.0
    message_limit: int = MESSAGE_LIMIT
    max_connection_age: float = 300.0
    tls: Tls | None = None


def add_arguments(parser: argparse.ArgumentParser, port: int, calls: int = CALLS) -> None:
    """The options that every service has; each default can be set by an environment variable."""
    env = os.environ.get
    parser.add_argument(
        "--listen", default=env("FACEOFF_LISTEN", f"127.0.0.1:{port}"), help="[FACEOFF_LISTEN] host:port"
    )
    parser.add_argument(
        "--metrics", default=env("FACEOFF_METRICS", ""), help="[FACEOFF_METRICS] host:port of Prometheus metrics"
    )
    parser.add_argument(
        "--calls",
        type=bounded(1, 1000, int),
        metavar="N",
        default=env("FACEOFF_CALLS", str(calls)),
        help=f"[FACEOFF_CALLS] calls that run at once, each with a photo in memory; more are refused (default: {calls})",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=env("FACEOFF_GRACE", "30"),
        help="[FACEOFF_GRACE] seconds to finish calls after SIGTERM",
    )
    tls.add_arguments(parser)


def settings(options: argparse.Namespace, message_limit: int = MESSAGE_LIMIT) -> Settings:
    """Raises INVALID_ARGUMENT for TLS by halves."""
    return Settings(
        options.listen,
        options.metrics,
        calls=options.calls,
        grace=options.grace,
        message_limit=message_limit,
        tls=tls.settings(options),
    )


class Server:
    """One service on one port. Health says NOT_SERVING from ``start`` to ``ready`` and from ``stop`` on."""

    def __init__(
        self, service: str, add: Callable[[grpc.Server], None], settings: Settings, also: tuple[str, ...] = ()
    ) -> None:
        """``service`` is the full name, ``add`` the generated ``add_XServicer_to_server`` with its servicer; services of other
        names that ``add`` adds are in ``also``."""
        self._names = (service, *also, health.OVERALL_HEALTH)
        self._settings = settings
        self._health = health.HealthServicer()
        self._metrics: Any = None
        age = int(settings.max_connection_age * 1000)
        self._server = grpc.server(
            futures.ThreadPoolExecutor(settings.calls + _SPARE_THREADS, thread_name_prefix="rpc"),
            interceptors=[Interceptor(settings.calls)],
            options=(
                ("grpc.max_receive_message_length", settings.message_limit),
                ("grpc.max_send_message_length", settings.message_limit),
                # Clients come back through DNS now and then, and so find new servers.
                ("grpc.max_connection_age_ms", age),
                ("grpc.max_connection_age_grace_ms", int(LONGEST_CALL * 1000)),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
                # Two servers on one port would share its calls in silence.
                ("grpc.so_reuseport", 0),
            ),
        )
        add(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (service, *also, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            if settings.tls:
                self.port = self._server.add_secure_port(settings.listen, tls.server_credentials(settings.tls))
            else:
                self.port = self._server.add_insecure_port(settings.listen)
        except RuntimeError:
            raise _taken(settings.listen) from None

    @property
    def address(self) -> str:
        return f"{self._settings.listen.rpartition(':')[0]}:{self.port}"

    @property
    def metrics_port(self) -> int:
        return int(self._metrics.server_port) if self._metrics else 0

    @property
    def metrics_address(self) -> str:
        return f"{self._settings.metrics.rpartition(':')[0]}:{self.metrics_port}"

    def start(self) -> None:
        """Open the ports."""
        if self._settings.metrics:
            host, _, port = self._settings.metrics.rpartition(":")
            try:
                self._metrics, _ = prometheus_client.start_http_server(int(port), host)
            except (OSError, OverflowError, ValueError):
                raise _taken(self._settings.metrics) from None
        self._server.start()

    def ready(self) -> None:
        self._say(health_pb2.HealthCheckResponse.SERVING)

    def drain(self) -> None:
        """Say that it is NOT_SERVING, from now to its end."""
        self._health.enter_graceful_shutdown()

    def stop(self) -> None:
        """Take no more calls, let those that run end within the grace period, close the ports."""
        self._health.enter_graceful_shutdown()
        self._server.stop(self._settings.grace).wait()
        if self._metrics:
            self._metrics.shutdown()
            self._metrics.server_close()

    def _say(self, status: int) -> None:
        for name in self._names:
            self._health.set(name, status)


def run(main: Callable[[], None]) -> None:
    """Run a service's ``main``; a FaceOffError while it starts ends the process with status 1 and says why."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be photos and keys on a disk
    logs.keep_to_the_list()
    lifeline.hold()
    try:
        main()
    except FaceOffError as error:
        sys.exit(str(error))


def serve(
    service: str,
    add: Callable[[grpc.Server], None],
    settings: Settings,
    warm_up: Callable[[], object] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT. Health turns to SERVING once ``warm_up`` has returned."""
    traces.on()  # says at once, not at the first call, what is missing for them
    stop = stopping()
    server = Server(service, add, settings)
    server.start()
    warm_up()
    server.ready()
    logs.event("serving", service=service, address=server.address)
    stop.wait()
    logs.event("draining", service=service)
    server.stop()
    logs.event("stopped", service=service)


def stopping() -> threading.Event:
    """What SIGTERM and SIGINT set from now on."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def remaining(context: grpc.ServicerContext) -> float:
    """Seconds that a call has left."""
    return min(context.time_remaining() or 0.0, LONGEST_CALL)


class Interceptor(grpc.ServerInterceptor):
    """Around every call of ours: a cap on calls and on their time, errors as statuses, metrics, one line in the log."""

    def __init__(self, calls: int) -> None:
        self._slots = threading.BoundedSemaphore(calls)

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = continuation(details)
        if handler is None or not details.method.startswith(_OURS):
            return handler
        up, down = (
            "stream" if streams else "unary" for streams in (handler.request_streaming, handler.response_streaming)
        )
        wrap = self._stream if handler.response_streaming else self._unary
        behaviour = wrap(details.method, getattr(handler, f"{up}_{down}"))
        make: Callable[..., Any] = getattr(grpc, f"{up}_{down}_rpc_method_handler")
        return make(behaviour, handler.request_deserializer, handler.response_serializer)

    def _unary(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            with traces.call(method, _headers(context), current=True), _Call(method, context, self._slots):
                return behaviour(request, context)

        return call

    def _stream(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with traces.call(method, _headers(context)), _Call(method, context, self._slots):
                yield from behaviour(request, context)

        return call


def _headers(context: grpc.ServicerContext) -> dict[str, str]:
    return {key: str(value) for key, value in context.invocation_metadata() if key == "traceparent"}


class _Call:
    """What happens before and after one call's behaviour."""

    def __init__(self, method: str, context: grpc.ServicerContext, slots: threading.BoundedSemaphore) -> None:
        self._method = method
        self._context = context
        self._slots = slots
        self._began = time.monotonic()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        if not self._slots.acquire(blocking=False):
            self._abort(errors.to_status(_busy(), retry=True), reason=Reason.SERVICE_UNAVAILABLE)
        # A caller's deadline ends its call by itself; a call without one is ended here.
        if (self._context.time_remaining() or 0.0) > LONGEST_CALL:
            self._timer = threading.Timer(LONGEST_CALL, self._context.cancel)
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._slots.release()
        if self._timer:
            self._timer.cancel()
        match error:
            case None | GeneratorExit():
                code = grpc.StatusCode.OK if error is None and self._context.is_active() else grpc.StatusCode.CANCELLED
                self._done(code)
            case FaceOffError():
                self._abort(errors.to_status(error), reason=error.reason)
            case grpc.RpcError() if not self._context.is_active():
                self._done(grpc.StatusCode.CANCELLED)  # gRPC's word to whoever still reads the caller's stream
            case Exception():
                incident = uuid.uuid4().hex[:12]
                self._abort(
                    errors.to_status(
                        FaceOffError(
                            Reason.INTERNAL,
                            f"Something went wrong in the service (incident {incident}).",
                            "Try again; if it stays, report the incident's number.",
                        )
                    ),
                    reason=Reason.INTERNAL,
                    incident=incident,
                    error=type(error).__name__,
                    where=logs.where(error),
                )

    def _abort(self, status: Status, reason: Reason, incident: str = "", error: str = "", where: str = "") -> Never:
        self._done(status.code, reason, incident, error, where)
        self._context.abort_with_status(status)

    def _done(
        self, code: grpc.StatusCode, reason: str = "", incident: str = "", error: str = "", where: str = ""
    ) -> None:
        seconds = time.monotonic() - self._began
        metrics.observe_call(self._method, code.name, seconds)
        logs.event(
            "call",
            method=self._method,
            code=code.name,
            reason=reason,
            seconds=round(seconds, 3),
            incident=incident,
            error=error,
            where=where,
        )


def _busy() -> FaceOffError:
    return FaceOffError(
        Reason.SERVICE_UNAVAILABLE, "The service has as many calls as it can take.", "Try again in a few seconds."
    )


def _taken(address: str) -> FaceOffError:
    return FaceOffError(
        Reason.INVALID_ARGUMENT,
        f"{address} cannot be listened on.",
        "Another process may hold it: choose another port.",
    )
