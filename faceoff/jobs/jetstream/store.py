from __future__ import annotations

import asyncio
import contextlib
import threading

from nats.aio.msg import Msg
from nats.errors import Error

from faceoff.errors import FaceOffError
from faceoff.jobs.engine import Limits
from faceoff.jobs.jetstream import streams
from faceoff.jobs.jetstream.blobs import Blobs
from faceoff.jobs.jetstream.bucket import Bucket
from faceoff.jobs.jetstream.loop import Loop
from faceoff.jobs.jetstream.queue import Queue
from faceoff.jobs.store import Follower
from faceoff.rpc import logs

_QUIET = 1.0  # seconds without a change after which a follower looks whether it has missed one
_PAUSE = 0.5  # seconds before it asks a server again that did not answer
_FIRST = 60.0  # seconds for everything that there is


class JetStreamStore:
    """Without ``replicas`` the server's streams are left as they are."""

    def __init__(self, url: str, limits: Limits, replicas: int | None) -> None:
        self._loop = Loop(url)
        self._configs = streams.configs(limits, replicas) if replicas else []
        try:
            self._loop.connect(self._on_reconnect)
            self._loop.run(self._ensure)
        except BaseException:
            self._loop.close()
            raise
        # A replica that is behind would not know what has just been written: of several, the leader is asked.
        direct = replicas == 1
        self.operations = Bucket(self._loop, streams.OPERATIONS, direct, marked=True)
        self.secrets = Bucket(self._loop, streams.SECRETS, direct, marked=False)
        self.repeats = Bucket(self._loop, streams.REPEATS, direct, marked=False)
        self.blobs = Blobs(self._loop, direct)
        self.queue = Queue(self._loop, limits.lease)

    def follow(self, follower: Follower) -> None:
        complete = threading.Event()
        self._loop.start(self._follow(follower, complete))
        if not complete.wait(_FIRST):
            raise self._loop.unavailable()

    def close(self) -> None:
        self._loop.close()

    async def _ensure(self) -> None:
        await streams.ensure(self._loop.client, self._loop.stream, self._configs)

    async def _on_reconnect(self) -> None:
        """The server may have come back without what it had."""
        with contextlib.suppress(Error, TimeoutError, FaceOffError):
            await self._ensure()

    async def _follow(self, follower: Follower, complete: threading.Event) -> None:
        """Read every change by its number, so none is missed whatever happens to the connection or the server."""
        written = asyncio.Event()

        async def heard(_: Msg) -> None:
            written.set()

        await self.operations.listen(heard)
        seen = 0
        while True:
            try:
                written.clear()
                while changes := await self.operations.since(seen):
                    for change in changes:
                        try:
                            follower.apply(*change)
                        except (AttributeError, KeyError, TypeError, ValueError):  # not ours, or a far newer program's
                            logs.event("record_not_read")
                    seen = changes[-1].revision
                complete.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(written.wait(), _QUIET)
                    continue
                if await self.operations.newest() < seen:
                    follower.clear()
                    seen = 0
            except (Error, TimeoutError):
                await asyncio.sleep(_PAUSE)
