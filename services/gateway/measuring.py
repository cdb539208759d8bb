"""Photos measured at the door and by the workers, few at once: whose photo is next."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.turns import Line, Turns
from faceoff.types import Photo

Decode = Callable[[bytes], Photo]
"""As faceoff.image.decode; the gateway needs no pixels (faceoff.decoding.pool.Decoder.measure)."""

AT_ONCE = 2


class Measuring:
    """``decode``, ``at_once`` photos at a time. A file of 160 KB can take a second, a hostile one twenty: so lines have turns
    as jobs have, and one place is always left for other tenants. Safe to share between threads."""

    def __init__(self, decode: Decode, at_once: int = AT_ONCE) -> None:
        self._decode = decode
        self._at_once = at_once
        self._turns = Turns()
        self._waiting: list[tuple[Line, object]] = []
        self._taken: Counter[str] = Counter()
        self._changed = threading.Condition()

    def measure(self, data: bytes, line: Line, seconds: float | None = None) -> Photo:
        """What ``decode`` says of a photo of ``line``. Raises OVERLOADED when its turn has not come after ``seconds``."""
        with self._turn(line, seconds):
            return self._decode(data)

    @contextmanager
    def _turn(self, line: Line, seconds: float | None) -> Iterator[None]:
        me = line, object()
        with self._changed:
            self._waiting.append(me)
            mine = self._changed.wait_for(lambda: self._next() is me, seconds)
            self._waiting.remove(me)
            if mine:
                self._turns.serve(line)
                self._taken[line[1]] += 1
            self._changed.notify_all()
        if not mine:
            raise FaceOffError(
                Reason.OVERLOADED, "Too many photos wait to be measured.", "Try again in a moment.", retry_after=2.0
            )
        try:
            yield
        finally:
            with self._changed:
                self._taken[line[1]] -= 1
                self._taken += Counter()  # forget who has none
                self._changed.notify_all()

    def _next(self) -> tuple[Line, object] | None:
        if self._taken.total() == self._at_once:
            return None
        most = max(1, self._at_once - 1)
        waiting = {one[0]: one for one in reversed(self._waiting)}
        free = (line for line in self._turns.order(waiting) if self._taken[line[1]] < most)
        return next((waiting[line] for line in free), None)
