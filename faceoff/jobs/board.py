"""What the door knows of all jobs at a glance: tallies for limits, lists, who waits longest, what has expired, and a bell for
those who watch. It follows the operations table; the table decides, the board only tells."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import metrics
from faceoff.jobs.engine import Limits, Position, State
from faceoff.jobs.record import Record

_WINDOW = 60.0  # seconds over which the pace is measured
_UNKNOWN_PACE = 5.0  # seconds to try again after while nothing has ended yet


@dataclass
class _Tally:
    jobs: int = 0
    bytes: int = 0

    def add(self, size: int, sign: int) -> None:
        self.jobs += sign
        self.bytes += sign * size


class Board:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._records: dict[str, tuple[Record, int]] = {}
        self._tenants: dict[str, set[str]] = {}  # keys
        self._open: dict[str, _Tally] = {}  # by tenant: what waits or runs
        self._all = _Tally()
        self._waiting: dict[str, float] = {}  # when it was accepted
        self._ends: deque[float] = deque()
        self._ended: dict[str, Record] | None = None  # since it was asked last; None: nobody asks

    def apply(self, key: str, revision: int, value: bytes | None, last: str = "") -> None:
        with self._changed:
            before, known = self._records.get(key, (None, 0))
            if revision <= known:
                return
            record = Record.load(value) if value is not None else None
            self._count(before, -1)
            self._count(record, 1)
            # Of a job that was deleted right after its end, only the deletion may be seen.
            ended = replace(before, state=State(last)) if before and last else record
            if ended and ended.state.terminal and not (before and before.state.terminal):
                if self._ended is not None:
                    self._ended[key] = ended
                if before:
                    self._ends.append(time.monotonic())
            if record:
                self._records[key] = (record, revision)
                self._tenants.setdefault(record.tenant, set()).add(key)
            elif before:
                self._forget(key, before)
            if record and record.state is State.QUEUED:
                self._waiting[key] = record.created
            else:
                self._waiting.pop(key, None)
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            keys = list(self._records)
        for key in keys:
            self.drop(key)

    def drop(self, key: str) -> None:
        """The job turned out not to be there any more."""
        with self._changed:
            known = self._records.get(key)
        if known:
            self.apply(key, known[1] + 1, None)

    def wait(self, key: str, seconds: float) -> None:
        """Return when the job has changed, or after ``seconds``."""
        with self._changed:
            seen = self._records.get(key)
            self._changed.wait_for(lambda: self._records.get(key) != seen, seconds)

    def find(self, key: str) -> Record | None:
        with self._changed:
            return self._records.get(key, (None, 0))[0]

    def list(self, tenant: str, limit: int, after: Position | None) -> Sequence[Record]:
        """Newest first, from behind ``after`` on."""
        with self._changed:
            records = [self._records[key][0] for key in self._tenants.get(tenant, ())]
        behind = (record for record in records if after is None or record.position < after)
        return heapq.nlargest(limit, behind, key=lambda record: record.position)

    def expired(self, now: float) -> Sequence[Record]:
        with self._changed:
            return [record for record, _ in self._records.values() if record.expires <= now]

    def ended(self) -> Sequence[Record]:
        """What has ended since this was asked last, and may be gone meanwhile."""
        with self._changed:
            ended, self._ended = self._ended, {}
            known = [record for record, _ in self._records.values()] if ended is None else list(ended.values())
        return [record for record in known if record.state.terminal]

    def overdue(self, now: float) -> Sequence[Record]:
        """What has ended and nobody is told of."""
        with self._changed:
            records = [record for record, _ in self._records.values()]
        return [record for record in records if record.state.terminal and record.due is not None and record.due <= now]

    def oldest_waiting(self) -> float | None:
        """When the job that waits longest was accepted, seconds since the epoch."""
        with self._changed:
            return min(self._waiting.values(), default=None)

    @contextmanager
    def room(self, tenant: str, size: int) -> Iterator[None]:
        """Hold room for one more job of ``size`` bytes until its record is on the board, or raise OVERLOADED."""
        with self._changed:
            self._admit(tenant, size)
            self._add(tenant, size, 1)
        try:
            yield
        finally:
            with self._changed:
                self._add(tenant, size, -1)

    def _admit(self, tenant: str, size: int) -> None:
        limits, own, pace = self._limits, self._open.get(tenant, _Tally()), self._pace()
        # Its fair share of the pace is all that a tenant can count on.
        expected = own.jobs * max(1, len(self._open)) / pace if pace else 0.0
        checks = (
            ("tenant_jobs", own.jobs >= limits.tenant_jobs, own.jobs),
            ("tenant_bytes", own.bytes + size > limits.tenant_bytes, own.jobs),
            ("jobs", self._all.jobs >= limits.jobs, self._all.jobs),
            ("bytes", self._all.bytes + size > limits.bytes, self._all.jobs),
            ("time", expected > limits.ttl, own.jobs),
        )
        for name, reached, ahead in checks:
            if reached:
                metrics.observe_refusal(name)
                seconds = min(60.0, max(1.0, ahead / 10 / pace)) if pace else _UNKNOWN_PACE
                raise FaceOffError(
                    Reason.OVERLOADED,
                    "Too many of your photos wait." if name.startswith("tenant") else "Too many photos wait.",
                    f"Try again in {seconds:.0f} seconds.",
                    retry_after=seconds,
                )

    def _pace(self) -> float:
        """Jobs that end a second; 0 while none has."""
        now = time.monotonic()
        while self._ends and self._ends[0] < now - _WINDOW:
            self._ends.popleft()
        return len(self._ends) / min(_WINDOW, max(1.0, now - self._ends[0])) if self._ends else 0.0

    def _count(self, record: Record | None, sign: int) -> None:
        if record and not record.state.terminal:
            self._add(record.tenant, record.size, sign)

    def _add(self, tenant: str, size: int, sign: int) -> None:
        own = self._open.setdefault(tenant, _Tally())
        own.add(size, sign)
        self._all.add(size, sign)
        if not own.jobs:
            del self._open[tenant]

    def _forget(self, key: str, record: Record) -> None:
        del self._records[key]
        keys = self._tenants[record.tenant]
        keys.discard(key)
        if not keys:
            del self._tenants[record.tenant]
