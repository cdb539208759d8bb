"""The rules of jobs, over a store: who may do what to a job in which state, and when its photos and keys go."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import metrics, seal
from faceoff.jobs.board import Board
from faceoff.jobs.engine import End, Lease, Limits, Operation, Position, Receipt, State
from faceoff.jobs.lease import Held, destroy, detail_name, input_name, result_name
from faceoff.jobs.memory import MemoryStore
from faceoff.jobs.record import Record, token
from faceoff.jobs.store import Store, Ticket
from faceoff.rpc import logs, traces
from faceoff.types import Priority

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def in_memory(limits: Limits = Limits()) -> Engine:  # noqa: B008  (frozen)
    """The engine whose jobs end with the process."""
    return Engine(MemoryStore(limits.lease), limits)


class Engine:
    """Jobs over a store."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._held: set[Held] = set()
        self._held_lock = threading.Lock()
        self._known: Board | None = None
        self._known_lock = threading.Lock()
        self._closed = threading.Event()
        self._orphans_due = time.monotonic() + limits.ttl / 4
        self._heart = threading.Thread(target=self._beat, name="leases", daemon=True)
        self._heart.start()

    def submit(
        self,
        tenant: str,
        priority: Priority,
        request: bytes,
        parts: Sequence[bytes],
        idempotency_key: str = "",
        fingerprint: bytes = b"",
        account: str = "",
    ) -> Operation:
        contents = seal.pack([request, *parts])
        repeat = _repeat(tenant, idempotency_key)
        fingerprint = fingerprint or hashlib.sha256(contents).digest()
        known = self._repeated(tenant, repeat, fingerprint) if repeat else None
        if known:
            return known
        now = time.time()
        expires = now + self._limits.ttl
        record = Record(
            secrets.token_hex(16),
            tenant,
            priority,
            State.QUEUED,
            now,
            expires,
            len(contents),
            repeat,
            account=account,
            trace=traces.headers().get("traceparent", ""),
        )
        with self._board.room(tenant, record.size):
            try:
                other = self._store_job(record, contents, fingerprint)
            except FaceOffError:
                with contextlib.suppress(FaceOffError):
                    self._remove(record)
                raise
        return other or record.operation()

    def knows(self, tenant: str, idempotency_key: str) -> bool:
        return self._store.repeats.read(_repeat(tenant, idempotency_key)) is not None

    def repeated(self, tenant: str, idempotency_key: str, fingerprint: bytes) -> Operation | None:
        return self._repeated(tenant, _repeat(tenant, idempotency_key), fingerprint)

    def get(self, tenant: str, job: str) -> Operation:
        record = self._read(tenant, job)[0]
        if record.state is not State.SUCCEEDED:
            return record.operation()
        name = result_name(record)
        return record.operation(self._unsealed(name, self._store.blobs.note, detail_name(record)))

    def list(self, tenant: str, limit: int = 100, after: Position | None = None) -> Sequence[Operation]:
        return [record.operation() for record in self._board.list(tenant, limit, after)]

    def watch(self, tenant: str, job: str, wait: float = 1.0) -> Iterator[Operation]:
        while True:
            operation = self.get(tenant, job)
            yield operation
            if operation.state.terminal:
                return
            self._board.wait(f"{token(tenant)}.{job}", wait)

    def result(self, tenant: str, job: str) -> bytes:
        record = self._read(tenant, job)[0]
        if record.error:
            raise record.error.error()
        if record.state is not State.SUCCEEDED:
            raise FaceOffError(Reason.NOT_READY, "The job has not ended.", "Watch it until it has.")
        name = result_name(record)
        return self._unsealed(name, self._store.blobs.get, name)

    def cancel(self, tenant: str, job: str) -> Operation:
        return self._settle(tenant, job, Record.cancelled)[0].operation()

    def delete(self, tenant: str, job: str, ended: Callable[[], None] = lambda: None) -> Receipt:
        record, *counts = self._settle(tenant, job, Record.cancelled)
        ended()
        keys, photos = map(sum, zip(counts, self._remove(record), strict=True))
        return Receipt(job, time.time(), photos, keys)

    def end(self, tenant: str, job: str) -> End | None:
        record = self._read(tenant, job)[0]
        return record.end() if record.state.terminal else None

    def ends(self) -> Sequence[End]:
        return [record.end() for record in self._board.ended()]

    def overdue(self) -> Sequence[End]:
        return [record.end() for record in self._board.overdue(time.time())]

    def put_off(self, end: End, due: float | None) -> End | None:
        try:
            record, revision = self._read(end.operation.tenant, end.operation.id)
        except FaceOffError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            return None
        wanted = replace(record, due=due)
        free = record.state.terminal and record.due == end.due
        return wanted.end() if free and self._store.operations.replace(record.key, wanted.dump(), revision) else None

    def take(self, wait: float = 1.0) -> Lease | None:
        deadline = time.monotonic() + wait
        while ticket := self._store.queue.pull(max(0.0, deadline - time.monotonic())):
            held = self._begin(ticket)
            if held:
                return held
        return None

    def sweep(self) -> int:
        expired = self._board.expired(time.time())
        for record in expired:
            try:
                settled, *_ = self._settle(record.tenant, record.id, _expired)
                if settled.expires <= time.time():
                    self._remove(settled)
            except FaceOffError as error:
                if error.reason is not Reason.NOT_FOUND:
                    raise
                self._board.drop(record.key)
        if time.monotonic() > self._orphans_due:
            self._orphans_due = time.monotonic() + self._limits.ttl / 4
            self._sweep_orphans()
        return len(expired)

    def collector(self) -> metrics.JobsCollector:
        return metrics.JobsCollector(self._board.oldest_waiting, self._store.blobs, self._limits.ttl)

    def close(self) -> None:
        self._closed.set()
        self._heart.join()
        self._store.close()

    @property
    def _board(self) -> Board:
        """Kept from the first time it is needed: to take and finish jobs does not, to sweep and to count does."""
        with self._known_lock:
            if self._known is None:
                board = Board(self._limits)
                self._store.follow(board)
                self._known = board
            return self._known

    def _store_job(self, record: Record, contents: bytes, fingerprint: bytes) -> Operation | None:
        """Store everything, and queue it last. Returns the job that came first with the same idempotency key, if one did."""
        name, key, value = input_name(record), seal.new_key(), record.dump()
        self._store.secrets.create(name, key)
        self._store.blobs.put(name, seal.seal(key, contents, name))
        revision = self._store.operations.create(record.key, value)
        if revision is None:
            raise FaceOffError(Reason.INTERNAL, "Two jobs drew the same id.", "Submit it again.")
        self._board.apply(record.key, revision, value)
        other = self._claim(record, fingerprint) if record.repeat else None
        if other:
            self._remove(record)
            return other
        self._store.queue.push(record.priority, token(record.tenant), record.key)
        return None

    def _claim(self, record: Record, fingerprint: bytes) -> Operation | None:
        """Make ``record`` what its idempotency key stands for, or return the job that was first."""
        salt = os.urandom(16)
        tag = hmac.digest(salt, fingerprint, "sha256")
        value = json.dumps({"id": record.id, "salt": salt.hex(), "tag": tag.hex()}).encode()
        table = self._store.repeats
        while table.create(record.repeat, value) is None:
            other = self._repeated(record.tenant, record.repeat, fingerprint)
            if other:
                return other
            left_over = table.read(record.repeat)  # of a job that is deleted
            if left_over and table.replace(record.repeat, value, left_over.revision):
                return None
        return None

    def _repeated(self, tenant: str, repeat: str, fingerprint: bytes) -> Operation | None:
        entry = self._store.repeats.read(repeat)
        if entry is None:
            return None
        values = json.loads(entry.value)
        key = f"{token(tenant)}.{values['id']}"
        stored = self._store.operations.read(key)
        if stored is None:
            return None
        tag = hmac.digest(bytes.fromhex(values["salt"]), fingerprint, "sha256")
        if not hmac.compare_digest(tag.hex(), values["tag"]):
            raise FaceOffError(
                Reason.IDEMPOTENCY_CONFLICT,
                "This idempotency key was used for another request.",
                "Use a new key for every new request.",
            )
        record = Record.load(stored.value)
        if record.message == 0:  # whoever submitted it may have died before it was queued; a second message is ignored
            self._store.queue.push(record.priority, token(tenant), key)
        return self.get(tenant, record.id)

    def _begin(self, ticket: Ticket) -> Held | None:
        """The lease of a delivered message. None when there is nothing to do: the message is done with then."""
        while True:
            entry = self._store.operations.read(ticket.key)
            record = Record.load(entry.value) if entry else None
            if entry is None or record is None or record.state.terminal or record.message not in (0, ticket.number):
                if record and record.state.terminal:
                    destroy(self._store, input_name(record))
                ticket.done()
                return None
            now = time.time()
            contents = self._contents(record)
            error = self._hopeless(record, now, contents)
            wanted = record.failed(error, now + self._limits.ttl) if error else record.begun(ticket.number, now)
            revision = self._store.operations.replace(record.key, wanted.dump(), entry.revision)
            if revision is None:
                continue
            if error:
                metrics.observe_end(wanted)
                destroy(self._store, input_name(wanted))
                ticket.done()
                return None
            metrics.observe_begin(wanted)
            held = Held(self._store, self._limits, ticket, wanted, revision, contents, self._released)
            with self._held_lock:
                self._held.add(held)
            return held

    def _hopeless(self, record: Record, now: float, contents: Sequence[bytes]) -> FaceOffError | None:
        if record.tries >= self._limits.tries:
            return FaceOffError(
                Reason.TOO_MANY_TRIES,
                f"The job was begun {record.tries} times and never ended.",
                "Submit it again; if it fails again, try a smaller photo.",
            )
        if record.expires <= now:
            return _too_late()
        return None if contents else FaceOffError(Reason.INTERNAL, "The photo is lost.", "Submit it again.")

    def _contents(self, record: Record) -> Sequence[bytes]:
        """The request and its photos; nothing when they are gone or damaged."""
        name = input_name(record)
        key, sealed = self._store.secrets.read(name), self._store.blobs.get(name)
        if key is None or sealed is None:
            return ()
        try:
            return seal.unpack(seal.unseal(key.value, sealed, name))
        except FaceOffError:
            return ()

    def _settle(self, tenant: str, job: str, end: Callable[[Record, float], Record]) -> tuple[Record, int, int]:
        """The job in its terminal state, the one it has, or else the one that ``end`` gives it, given when it is to expire; and
        how many keys and blobs its end has destroyed now."""
        while True:
            record, revision = self._read(tenant, job)
            if record.state.terminal:
                return record, 0, 0
            wanted = end(record, time.time() + self._limits.ttl)
            if self._store.operations.replace(record.key, wanted.dump(), revision):
                metrics.observe_end(wanted)
                return wanted, *destroy(self._store, input_name(wanted))

    def _remove(self, record: Record) -> tuple[int, int]:
        """Destroy everything of a job; how many keys and blobs that were. Keys go first: what is left over cannot be read."""
        names = [f"{record.key}.result{attempt}" for attempt in range(1, record.attempts + 1)]
        counts = [destroy(self._store, name) for name in (input_name(record), *names)]
        if record.repeat:
            entry = self._store.repeats.read(record.repeat)
            if entry and json.loads(entry.value)["id"] == record.id:
                self._store.repeats.erase(record.repeat)
        self._store.operations.erase(record.key, record.state)
        self._board.drop(record.key)
        return sum(keys for keys, _ in counts), sum(photos for _, photos in counts)

    def _sweep_orphans(self) -> None:
        """Destroy the keys and blobs that belong to no job, or to an attempt that was lost."""
        for name in {*self._store.secrets.names(), *self._store.blobs.names()}:
            if _wanted(name, self._board.find(name.rpartition(".")[0])):
                continue
            stored = self._store.operations.read(name.rpartition(".")[0])
            secret = self._store.secrets.read(name)
            created = secret.created if secret else self._store.blobs.created(name)
            old = created is not None and created < time.time() - self._limits.ttl
            if old and not _wanted(name, Record.load(stored.value) if stored else None):
                destroy(self._store, name)

    def _read(self, tenant: str, job: str) -> tuple[Record, int]:
        entry = self._store.operations.read(f"{token(tenant)}.{job}") if _ID.fullmatch(job) else None
        if entry is None:
            raise _not_found()
        return Record.load(entry.value), entry.revision

    def _unsealed(self, name: str, read: Callable[[str], bytes | None], sealed_as: str) -> bytes:
        """What ``read`` gives of a result."""
        key, sealed = self._store.secrets.read(name), read(name)
        if key is None or not sealed:
            raise _not_found()
        return seal.unseal(key.value, sealed, sealed_as)

    def _released(self, held: Held) -> None:
        with self._held_lock:
            self._held.discard(held)

    def _beat(self) -> None:
        while not self._closed.wait(self._limits.lease / 3):
            with self._held_lock:
                leases = list(self._held)
            for held in leases:
                try:
                    held.beat()
                except FaceOffError:
                    pass  # a lease that cannot be kept runs out by itself
                except Exception as error:  # a mistake of ours must not end all leases
                    logs.event("lease_not_kept", error=type(error).__name__, where=logs.where(error))


def _repeat(tenant: str, idempotency_key: str) -> str:
    """The name of an idempotency entry; none without a key."""
    parts = seal.pack([tenant.encode(), idempotency_key.encode()])
    return hashlib.sha256(parts).hexdigest() if idempotency_key else ""


def _wanted(name: str, record: Record | None) -> bool:
    if record is None:
        return False
    if name == input_name(record):
        return not record.state.terminal
    return name == result_name(record) and record.state in (State.RUNNING, State.SUCCEEDED)


def _expired(record: Record, expires: float) -> Record:
    return record.failed(_too_late(), expires)


def _too_late() -> FaceOffError:
    return FaceOffError(Reason.EXPIRED, "The job waited too long.", "Submit it again when less is going on.")


def _not_found() -> FaceOffError:
    return FaceOffError(Reason.NOT_FOUND, "There is no such job.", "Jobs are deleted when their time is over.")
