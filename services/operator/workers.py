"""Keys that something is to be done for, as Kubernetes' own controllers do it: whatever happened to an object, its key is put
here; one worker at a time looks at how things are, and does what is missing."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_PAUSE = 1.0
LONGEST = 64
"""The longest pause after failures, in first pauses."""

_log = logging.getLogger(__name__)


class Workers(Generic[Key]):
    """``work`` does what is missing for a key and returns after how many seconds to look again, or None for never. It is
    never called twice at once for one key. When it raises, it is called again after a pause that grows."""

    def __init__(
        self, work: Callable[[Key], Awaitable[float | None]], count: int = 4, first: float = FIRST_PAUSE
    ) -> None:
        self._work, self._count, self._first = work, count, first
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: Counter[Key] = Counter()

    @property
    def waiting(self) -> int:
        return len(self._queued)

    def add(self, key: Key) -> None:
        """Look at ``key`` soon, once, however often it is added meanwhile."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._queue.put_nowait(key)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await asyncio.gather(*(self._worker() for _ in range(self._count)))
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _worker(self) -> None:
        while True:
            key = await self._queue.get()
            self._queued.discard(key)
            self._busy.add(key)
            try:
                pause = await self._attempt(key)
            finally:
                self._busy.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif pause is not None:
                self._timers[key] = asyncio.get_running_loop().call_later(pause, self.add, key)

    async def _attempt(self, key: Key) -> float | None:
        try:
            pause = await self._work(key)
        except Exception as error:
            self._failures[key] += 1
            _log.warning("%s failed %d times: %s: %s", key, self._failures[key], type(error).__name__, error)
            delay: float = self._first * min(2 ** min(self._failures[key] - 1, 10), LONGEST)
            return delay
        del self._failures[key]
        return pause
