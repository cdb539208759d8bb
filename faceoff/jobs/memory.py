"""The store in memory: everything ends with the process."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from faceoff.jobs.store import Entry, Follower
from faceoff.jobs.turns import Line, Turns
from faceoff.types import Priority


class Table:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._revisions = itertools.count(1)
        self._follower: Follower | None = None

    def create(self, key: str, value: bytes) -> int | None:
        with self._lock:
            return None if key in self._entries else self._write(key, value)

    def read(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def replace(self, key: str, value: bytes, revision: int) -> int | None:
        with self._lock:
            entry = self._entries.get(key)
            return self._write(key, value) if entry and entry.revision == revision else None

    def erase(self, key: str, last: str = "") -> bool:
        with self._lock:
            if self._entries.pop(key, None) is None:
                return False
            if self._follower:
                self._follower.apply(key, next(self._revisions), None, last)
            return True

    def names(self) -> Iterable[str]:
        with self._lock:
            return list(self._entries)

    def follow(self, follower: Follower) -> None:
        with self._lock:
            self._follower = follower
            for key, entry in self._entries.items():
                follower.apply(key, entry.revision, entry.value)

    def _write(self, key: str, value: bytes) -> int:
        revision = next(self._revisions)
        self._entries[key] = Entry(value, revision, time.time())
        if self._follower:
            self._follower.apply(key, revision, value)
        return revision


class _Blob(NamedTuple):
    data: bytes
    note: bytes
    created: float


class Blobs:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: dict[str, _Blob] = {}

    def put(self, name: str, data: bytes, note: bytes = b"") -> None:
        with self._lock:
            self._blobs[name] = _Blob(data, note, time.time())

    def get(self, name: str) -> bytes | None:
        blob = self._blobs.get(name)
        return blob.data if blob else None

    def note(self, name: str) -> bytes | None:
        blob = self._blobs.get(name)
        return blob.note if blob else None

    def remove(self, name: str) -> bool:
        with self._lock:
            return self._blobs.pop(name, None) is not None

    def created(self, name: str) -> float | None:
        blob = self._blobs.get(name)
        return blob.created if blob else None

    def names(self) -> Iterable[str]:
        with self._lock:
            return list(self._blobs)

    def census(self) -> tuple[int, float | None]:
        with self._lock:
            return len(self._blobs), min((blob.created for blob in self._blobs.values()), default=None)


@dataclass(frozen=True)
class _Message:
    line: Line
    key: str
    number: int


class Queue:
    """``lease`` is the seconds after which a message that is not kept is delivered again."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._changed = threading.Condition()
        self._lines: dict[Line, deque[_Message]] = {}
        self._keys: set[str] = set()
        """Of what waits in a line: a repeat is dropped, as a broker does, so that repeats cannot fill the memory."""
        self._due: dict[_Message, float] = {}
        self._deliveries: dict[_Message, int] = {}
        self._numbers = itertools.count(1)
        self._turns = Turns()

    def push(self, priority: Priority, tenant: str, key: str) -> None:
        with self._changed:
            if key in self._keys:
                return
            self._keys.add(key)
            message = _Message((priority, tenant), key, next(self._numbers))
            self._lines.setdefault(message.line, deque()).append(message)
            self._changed.notify()

    def pull(self, wait: float) -> Ticket | None:
        deadline = time.monotonic() + wait
        with self._changed:
            while True:
                self._return_due()
                for line in self._turns.order(self._lines):
                    return self._deliver(line)
                now = time.monotonic()
                if now >= deadline:
                    return None
                self._changed.wait(max(0.0, min([deadline, *self._due.values()]) - now))

    def _return_due(self) -> None:
        now = time.monotonic()
        for message in [message for message, due in self._due.items() if due <= now]:
            del self._due[message]
            self._keys.add(message.key)
            self._lines.setdefault(message.line, deque()).appendleft(message)

    def _deliver(self, line: Line) -> Ticket:
        self._turns.serve(line)
        messages = self._lines[line]
        message = messages.popleft()
        self._keys.discard(message.key)
        if not messages:
            del self._lines[line]
        delivery = self._deliveries[message] = self._deliveries.get(message, 0) + 1
        self._due[message] = time.monotonic() + self._lease
        return Ticket(self, message, delivery)

    def _settle(self, message: _Message, delivery: int, due: float | None) -> None:
        """Deliver the message again at ``due``, or never; nothing, if it has been delivered since."""
        with self._changed:
            if message not in self._due or self._deliveries[message] != delivery:
                return
            if due is None:
                del self._due[message], self._deliveries[message]
            else:
                self._due[message] = due
                self._changed.notify()


class Ticket:
    def __init__(self, queue: Queue, message: _Message, delivery: int) -> None:
        self._queue, self._message, self._delivery = queue, message, delivery
        self.key, self.number = message.key, message.number

    def keep(self) -> None:
        self._queue._settle(self._message, self._delivery, time.monotonic() + self._queue._lease)

    def done(self) -> None:
        self._queue._settle(self._message, self._delivery, None)

    def back(self, seconds: float) -> None:
        self._queue._settle(self._message, self._delivery, time.monotonic() + seconds)


class MemoryStore:
    def __init__(self, lease: float) -> None:
        self.operations, self.secrets, self.repeats = Table(), Table(), Table()
        self.blobs, self.queue = Blobs(), Queue(lease)

    def follow(self, follower: Follower) -> None:
        self.operations.follow(follower)

    def close(self) -> None:
        """Nothing is held."""
