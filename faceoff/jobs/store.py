"""What an engine stands on: tables with revisions, blobs, and a queue whose messages come back unless they are done. The rules
of jobs are in faceoff.jobs.core, once, over whichever store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from faceoff.types import Priority


class Entry(NamedTuple):
    """``created`` is when this revision was written, seconds since the epoch."""

    value: bytes
    revision: int
    created: float


class Table(Protocol):
    def create(self, key: str, value: bytes) -> int | None:
        """The first revision, or None when the key is taken."""

    def read(self, key: str) -> Entry | None: ...

    def replace(self, key: str, value: bytes, revision: int) -> int | None:
        """The new revision, or None when ``revision`` is no longer the newest: nothing is written then."""

    def erase(self, key: str, last: str = "") -> bool:
        """Remove the value for good; whether there was one. ``last`` is what whoever follows is told of it."""

    def names(self) -> Iterable[str]: ...


class Blobs(Protocol):
    def put(self, name: str, data: bytes, note: bytes = b"") -> None: ...

    def get(self, name: str) -> bytes | None: ...

    def note(self, name: str) -> bytes | None:
        """What was put beside the data, without reading that."""

    def remove(self, name: str) -> bool:
        """Whether there was one."""

    def created(self, name: str) -> float | None:
        """When it was put, seconds since the epoch."""

    def names(self) -> Iterable[str]: ...

    def census(self) -> tuple[int, float | None]:
        """How many there are, and when the oldest was put."""


class Ticket(Protocol):
    """One delivery of one message. Unless it is kept, it is delivered again after the lease."""

    @property
    def key(self) -> str: ...

    @property
    def number(self) -> int:
        """The message's, the same for every delivery."""

    def keep(self) -> None: ...

    def done(self) -> None: ...

    def back(self, seconds: float) -> None:
        """Let it be delivered again after ``seconds``."""


class Queue(Protocol):
    def push(self, priority: Priority, tenant: str, key: str) -> None:
        """``tenant`` as a token."""

    def pull(self, wait: float) -> Ticket | None:
        """The next message by faceoff.jobs.turns; None when there is none within ``wait`` seconds."""


class Follower(Protocol):
    def apply(self, key: str, revision: int, value: bytes | None, last: str = "") -> None:
        """An operation was written, or erased (None) in the state ``last``."""

    def clear(self) -> None:
        """The table was lost; what it has now comes next."""


class Store(Protocol):
    @property
    def operations(self) -> Table: ...

    @property
    def secrets(self) -> Table:
        """Keys. What is erased here is overwritten where it was stored."""

    @property
    def repeats(self) -> Table:
        """Idempotency entries, erased as secrets are."""

    @property
    def blobs(self) -> Blobs: ...

    @property
    def queue(self) -> Queue: ...

    def follow(self, follower: Follower) -> None:
        """Tell ``follower`` of every operation there is before this returns, and of every change from then on."""

    def close(self) -> None: ...
