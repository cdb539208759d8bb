"""When a victim may be asked next: its rate, and a rest while it is out of order."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from faceoff.ledger.bucket import Buckets
from faceoff.verify.victims.store import Store


class Pace:
    """A token bucket for each victim, shared by all processes: ``rate`` calls a second, a second's worth (one at least) at
    once."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._buckets = Buckets(store, clock)

    def take(self, victim: str, rate: float, patience: float) -> float | None:
        """Take a token: the seconds to wait before it may be used. None, and no token taken, when it is over ``patience``."""
        wait = self._buckets.take(victim, rate, max(1, math.floor(rate)), patience)
        return wait if wait <= patience else None


class Breaker:
    """Leaves a victim alone for ``rest`` seconds after ``failures`` in a row; then one call at a time tries again.

    It holds no lock while a call runs, so a hung call holds up no other.
    """

    def __init__(self, failures: int = 5, rest: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._rest = rest
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_until = 0.0

    def wait(self) -> float:
        """Seconds until the victim may be asked again; at 0 the caller may, and says with ``record`` how it went."""
        with self._lock:
            now = self._clock()
            if self._failures < self._most:
                return 0.0
            if now < self._closed_until:
                return self._closed_until - now
            self._closed_until = now + self._rest  # this caller tries; the others wait for what it finds
            return 0.0

    def record(self, *, failed: bool) -> None:
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= self._most:
                self._closed_until = self._clock() + self._rest
