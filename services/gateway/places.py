"""How much of what is scarce may be in use at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from faceoff.errors import FaceOffError, Reason


class Places:
    """``most`` at once of what takes memory or a thread, ``each`` (three quarters) of them for one tenant, so that none keeps
    all others out; more are refused. Safe to share between threads."""

    def __init__(self, most: int, each: int | None = None) -> None:
        self._most, self._each = most, each or most * 3 // 4
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one(self, tenant: str) -> Iterator[None]:
        with self._lock:
            if self._taken.total() >= self._most or self._taken[tenant] >= self._each:
                raise FaceOffError(
                    Reason.OVERLOADED, "The gateway has as many requests as it can take.", "Try again.", retry_after=2.0
                )
            self._taken[tenant] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[tenant] -= 1
                self._taken += Counter()  # forget who has none
