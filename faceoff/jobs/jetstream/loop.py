"""The connection to a NATS server, in a thread of its own: coroutines in, plain answers out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.errors import APIError

from faceoff.errors import FaceOffError, Reason

_T = TypeVar("_T")

_FULL = (10023, 10047, 10077)  # no resources, no storage, a stream's bound


class Loop:
    """``url`` may name several servers, separated by commas."""

    timeout = 5.0
    """Seconds for one answer of the server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats", daemon=True)
        self._thread.start()
        self.client = Client()
        self.stream: JetStreamContext = self.client.jetstream(timeout=self.timeout)

    def connect(self, on_reconnect: Callable[[], Awaitable[None]]) -> None:
        """Raises SERVICE_UNAVAILABLE when there is no server; afterwards the connection is made again for ever."""

        async def quiet(_: Exception) -> None:
            """Every caller hears of the failure of its own call."""

        self.run(
            lambda: self.client.connect(
                self._url.split(","),
                connect_timeout=2,
                reconnect_time_wait=1,
                max_reconnect_attempts=-1,
                ping_interval=5,
                max_outstanding_pings=2,
                error_cb=quiet,
                reconnected_cb=on_reconnect,
            ),
            self.timeout,
        )

    def run(self, work: Callable[[], Coroutine[Any, Any, _T]], timeout: float | None = None) -> _T:
        """What ``work`` returns. Errors of the server are FaceOffErrors; KeyErrors and the like pass."""

        async def bounded() -> _T:
            return await asyncio.wait_for(work(), timeout)

        if not self._thread.is_alive():
            raise self.unavailable()
        future = asyncio.run_coroutine_threadsafe(bounded(), self._loop)
        try:
            return future.result()
        except APIError as error:
            if error.err_code in _FULL:
                raise FaceOffError(
                    Reason.OVERLOADED, "The store of photos is full.", "Try again later.", retry_after=30.0
                ) from None
            raise self.unavailable() from error
        except (Error, TimeoutError, OSError, CancelledError) as error:
            raise self.unavailable() from error

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        async def end() -> None:
            with contextlib.suppress(Error, TimeoutError, OSError):  # a server that is away hears no farewell
                await asyncio.wait_for(self.client.close(), self.timeout)
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=self.timeout)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def api(self, subject: str, request: dict[str, Any]) -> dict[str, Any]:
        """An answer of JetStream's that the client has no method for."""
        message = await self.client.request(f"$JS.API.{subject}", json.dumps(request).encode(), timeout=self.timeout)
        answer: dict[str, Any] = json.loads(message.data)
        if "error" in answer:
            APIError.from_error(answer["error"])
        return answer

    def unavailable(self) -> FaceOffError:
        servers = ",".join(part.rpartition("@")[2] for part in self._url.split(","))
        return FaceOffError(
            Reason.SERVICE_UNAVAILABLE,
            "The jobs' broker does not answer.",
            f"Check that a NATS server with JetStream runs at {servers}.",
            retry_after=5.0,
        )
