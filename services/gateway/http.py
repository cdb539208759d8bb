"""The HTTP port: uvicorn in a thread of its own, which gives nobody time to send no request."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from faceoff.errors import FaceOffError, Reason
from services.gateway import problems
from services.gateway.middleware import Around

HEAD_SECONDS = 10.0
"""For a request's line and headers to come in."""

_HEAD_BYTES = 16 * 1024
_REQUESTS = 500  # at once; those for health come beside them
_HEALTH = "/healthz"
_KEEP_ALIVE = 15
_START_SECONDS = 10.0
_END_SECONDS = 1


class _Impatient(H11Protocol):
    """Closes connections that take their time before or within a request's head."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
        elif self._patience is None and (before is None or before.response_complete):
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None


class _Bounded:
    """``app`` for no more requests at once than it can take, until it is ``over``: every request that comes then, those for
    health too, is told to go elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._full = _refusal(Reason.OVERLOADED, "The gateway has as many requests as it can take.", 2.0)
        self._ending = _refusal(Reason.SERVICE_UNAVAILABLE, "The gateway is about to end.", 1.0)
        self.over = False
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.over:
            await self._ending(scope, receive, send)
        elif self.running >= _REQUESTS and scope["path"] != _HEALTH:
            await self._full(scope, receive, send)
        else:
            self.running += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self.running -= 1


def _refusal(reason: Reason, message: str, seconds: float) -> ASGIApp:
    """Says to every request when to come back, as carefully as others are answered, and counted."""
    error = FaceOffError(reason, message, "Try again in a moment.", retry_after=seconds)
    return Around(problems.response(error))


class HttpServer:
    """``app`` (ASGI) on ``listen`` (``host:port``; port 0 takes a free one), from ``start`` to ``stop``."""

    def __init__(self, app: Any, listen: str, grace: float) -> None:
        host, _, port = listen.rpartition(":")
        try:
            self._socket = socket.create_server((host, int(port)), backlog=128)
        except (OSError, OverflowError, ValueError):
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"{listen} cannot be listened on.",
                "Another process may hold it: choose another port.",
            ) from None
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        self._app, self._grace = _Bounded(app), grace
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                http=_Impatient,
                ws="none",
                loop="asyncio",
                lifespan="off",
                server_header=False,
                date_header=True,
                access_log=False,
                log_config=None,
                log_level="critical",
                proxy_headers=False,
                h11_max_incomplete_event_size=_HEAD_BYTES,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_END_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="http", daemon=True)

    def start(self) -> None:
        self._thread.start()
        end = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise FaceOffError(Reason.INTERNAL, "The HTTP port did not open.", "See what was said before.")
            time.sleep(0.01)

    def drain(self) -> None:
        """Refuse requests from now on, and let those that run end within the grace period."""
        self._app.over = True
        end = time.monotonic() + self._grace
        while self._app.running and time.monotonic() < end:
            time.sleep(0.05)

    def stop(self) -> None:
        """Close the port, and end what still runs."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
