"""Around every request over HTTP: headers that keep browsers careful, an end in time, metrics, and one line in the log."""

from __future__ import annotations

import asyncio
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import logs, metrics
from faceoff.rpc.server import LONGEST_CALL
from services.gateway import problems

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""A route's own stand, where it sets them."""


class Around:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began, status = time.monotonic(), 0

        async def careful(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        fields: dict[str, str] = {}
        try:
            async with asyncio.timeout(LONGEST_CALL):
                await self._app(scope, receive, careful)
        except TimeoutError:
            error = FaceOffError(Reason.DEADLINE_TOO_SHORT, "The request took too long.", "Try again.")
            if not status:
                await problems.response(error)(scope, receive, careful)
        except Exception as unknown:
            incident = uuid.uuid4().hex[:12]
            fields = {"incident": incident, "error": type(unknown).__name__, "where": logs.where(unknown)}
            error = FaceOffError(
                Reason.INTERNAL,
                f"Something went wrong in the service (incident {incident}).",
                "Try again; if it stays, report the incident's number.",
            )
            if not status:
                await problems.response(error)(scope, receive, careful)
        finally:
            # The route's name, never the path: paths hold whatever a caller writes into them.
            method = f"http/{getattr(scope.get('route'), 'name', 'none')}"
            seconds = time.monotonic() - began
            metrics.observe_call(method, str(status), seconds)
            logs.event("call", method=method, code=str(status), seconds=round(seconds, 3), **fields)
