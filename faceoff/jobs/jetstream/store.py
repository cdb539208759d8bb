from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading

from nats.errors import Error
from nats.js.kv import KV_DEL, KV_PURGE

from faceoff.errors import FaceOffError
from faceoff.jobs.engine import Limits
from faceoff.jobs.jetstream import streams
from faceoff.jobs.jetstream.blobs import Blobs
from faceoff.jobs.jetstream.bucket import Bucket
from faceoff.jobs.jetstream.loop import Loop
from faceoff.jobs.jetstream.queue import Queue
from faceoff.jobs.store import Follower

_QUIET = 5.0  # seconds without a change after which a follower looks whether it has missed one


class JetStreamStore:
    def __init__(self, url: str, limits: Limits, replicas: int, tls: ssl.SSLContext | None) -> None:
        self._loop = Loop(url, tls)
        self._configs = streams.configs(limits, replicas)
        self._reconnected = asyncio.Event()
        try:
            self._loop.connect(self._on_reconnect)
            self._loop.run(self._ensure)
        except BaseException:
            self._loop.close()
            raise
        self.operations = Bucket(self._loop, streams.OPERATIONS, marked=True)
        self.secrets = Bucket(self._loop, streams.SECRETS, marked=False)
        self.repeats = Bucket(self._loop, streams.REPEATS, marked=False)
        self.blobs = Blobs(self._loop)
        self.queue = Queue(self._loop, limits.lease)

    def follow(self, follower: Follower) -> None:
        complete = threading.Event()
        self._loop.start(self._follow(follower, complete))
        if not complete.wait(self._loop.timeout):
            raise self._loop.unavailable()

    def close(self) -> None:
        self._loop.close()

    async def _ensure(self) -> None:
        await streams.ensure(self._loop.client, self._loop.stream, self._configs)

    async def _on_reconnect(self) -> None:
        """The server may have come back without what it had."""
        self._reconnected.set()
        with contextlib.suppress(Error, TimeoutError, FaceOffError):
            await self._ensure()

    async def _follow(self, follower: Follower, complete: threading.Event) -> None:
        while True:
            with contextlib.suppress(Error, TimeoutError):
                await self._follow_once(follower, complete)
            await asyncio.sleep(0.5)

    async def _follow_once(self, follower: Follower, complete: threading.Event) -> None:
        """Until something may have been missed."""
        self._reconnected.clear()
        before = await self._newest()
        watcher = await (await self._loop.stream.key_value(streams.OPERATIONS)).watchall()
        try:
            keys: set[str] | None = set()
            seen = before
            while not self._reconnected.is_set():
                try:
                    entry = await watcher.updates(_QUIET)  # type: ignore[no-untyped-call]
                except TimeoutError:
                    if await self._newest() > seen:
                        return
                    continue
                if entry is None:
                    follower.retain(keys or set(), before)
                    keys = None
                    complete.set()
                    continue
                seen = max(seen, entry.revision or 0)
                erased = entry.operation in (KV_DEL, KV_PURGE)
                if keys is not None and not erased:
                    keys.add(entry.key)
                follower.apply(entry.key, entry.revision or 0, None if erased else entry.value)
        finally:
            with contextlib.suppress(Error):  # a cancellation must get through
                await watcher.stop()  # type: ignore[no-untyped-call]

    async def _newest(self) -> int:
        return (await self._loop.stream.stream_info(f"KV_{streams.OPERATIONS}")).state.last_seq
