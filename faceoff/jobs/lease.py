"""A worker's hold on one job. What it writes is written only on the revision that it knows: a worker that lost its job to
another, or to a cancellation, cannot write any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import metrics, seal
from faceoff.jobs.engine import Limits, Operation, State
from faceoff.jobs.record import Record
from faceoff.jobs.store import Store, Ticket
from faceoff.types import Progress

_T = TypeVar("_T")

_REPORT_EVERY = 0.25  # seconds between two writes of the progress of one stage
_SILENCE = 10.0  # seconds without a word of progress after the broker did not answer
_PAUSE = 2.0  # seconds before the first repeat; doubled for every further one
_LONGEST_PAUSE = 30.0
_PATIENCE = 60.0  # seconds for which the end of a job is offered to a broker that does not answer or has no room


class Held:
    def __init__(
        self,
        store: Store,
        limits: Limits,
        ticket: Ticket,
        record: Record,
        revision: int,
        contents: Sequence[bytes],
        released: Callable[[Held], None],
    ) -> None:
        self._store, self._limits, self._ticket = store, limits, ticket
        self._record, self._revision = record, revision
        self._contents = contents
        self._released = released
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._reported = ("", 0.0)

    @property
    def operation(self) -> Operation:
        return self._record.operation()

    @property
    def request(self) -> bytes:
        return self._contents[0]

    @property
    def parts(self) -> Sequence[bytes]:
        return self._contents[1:]

    @property
    def trace(self) -> str:
        return self._record.trace

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def report(self, progress: Progress) -> None:
        self._check()
        stage, when = self._reported
        now = time.monotonic()
        if progress.stage == stage and progress.done < progress.total and now - when < _REPORT_EVERY:
            return
        self._reported = (progress.stage, now)
        try:
            self._write(lambda record: record.progressed(progress))
        except FaceOffError as error:
            if error.reason is not Reason.SERVICE_UNAVAILABLE:
                raise
            # Progress that the broker did not hear of is no reason to stop, nor to wait for it again and again.
            self._reported = (progress.stage, time.monotonic() + _SILENCE)

    def succeed(self, detail: bytes, photo: bytes) -> None:
        self._check()
        name = result_name(self._record)
        key = seal.new_key()
        sealed, sealed_detail = seal.seal(key, photo, name), seal.seal(key, detail, detail_name(self._record))
        try:
            self._persist(lambda: self._keep_result(name, key, sealed, sealed_detail))
            expires = time.time() + self._limits.ttl
            self._persist(lambda: self._write(lambda record: record.succeeded(expires)))
        except FaceOffError as error:
            if error.reason is Reason.CANCELLED:
                destroy(self._store, name)
            raise
        self._end()

    def fail(self, error: FaceOffError, retriable: bool) -> None:
        if retriable and self._record.tries < self._limits.tries:
            self._return(tried=True, pause=_PAUSE * 2 ** (self._record.tries - 1))
            return
        expires = time.time() + self._limits.ttl
        if self._unless_over(lambda: self._write(lambda record: record.failed(error, expires))):
            self._end()

    def release(self) -> None:
        self._return(tried=False, pause=0.0)

    def postpone(self) -> None:
        doublings = min(self._record.spared, 10)  # the pause has long been the longest then
        self._return(tried=False, pause=min(_LONGEST_PAUSE, _PAUSE * 2**doublings))

    def abandon(self) -> None:
        self._over.set()
        self._released(self)

    def beat(self) -> None:
        """Keep the lease, if it still is one."""
        if self.over:
            return
        self._ticket.keep()
        if self._lock.acquire(blocking=False):  # whoever is writing will see for himself
            try:
                self._refresh()
            except FaceOffError as error:
                if error.reason is not Reason.CANCELLED:
                    raise
            finally:
                self._lock.release()

    def _return(self, tried: bool, pause: float) -> None:
        if self._unless_over(lambda: self._write(lambda record: record.handed_back(tried))):
            self.abandon()
            self._ticket.back(pause)

    def _end(self) -> None:
        """The record has its terminal state. If this is cut short, whoever gets the message again does it."""
        self.abandon()
        metrics.observe_end(self._record)
        destroy(self._store, input_name(self._record))
        self._ticket.done()

    def _check(self) -> None:
        if self.over:
            raise FaceOffError(Reason.CANCELLED, "The job was cancelled or went to another worker.")

    def _unless_over(self, write: Callable[[], None]) -> bool:
        try:
            self._check()
            self._persist(write)
        except FaceOffError as error:
            if error.reason is not Reason.CANCELLED:
                raise
            return False
        return True

    def _keep_result(self, name: str, key: bytes, sealed: bytes, detail: bytes) -> None:
        destroy(self._store, name)
        self._store.secrets.create(name, key)
        self._store.blobs.put(name, sealed, detail)

    def _write(self, change: Callable[[Record], Record]) -> None:
        """Replace the record, if it is still ours. A write whose answer was lost is recognised and not repeated."""
        with self._lock:
            wanted = change(self._record)
            revision = self._store.operations.replace(wanted.key, wanted.dump(), self._revision)
            while revision is None:
                if self._refresh(wanted):
                    return
                wanted = change(self._record)
                revision = self._store.operations.replace(wanted.key, wanted.dump(), self._revision)
            self._record, self._revision = wanted, revision

    def _refresh(self, wanted: Record | None = None) -> bool:
        """Read the record again; whether it is ``wanted``. Raises CANCELLED when it is not ours any more."""
        entry = self._store.operations.read(self._record.key)
        record = Record.load(entry.value) if entry else None
        ours = record is not None and record.attempts == self._record.attempts and record.state is State.RUNNING
        # Of an end that was written, tenants may have been told meanwhile.
        written = record is not None and wanted is not None and replace(record, due=wanted.due) == wanted
        if entry and record and (ours or written):
            self._record, self._revision = record, entry.revision
            return written
        self.abandon()
        self._check()
        return False

    def _persist(self, work: Callable[[], _T]) -> _T:
        """What ends a job outlives a restart of the broker, and that it is full for a while."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return work()
            except FaceOffError as error:
                passing = error.reason in (Reason.SERVICE_UNAVAILABLE, Reason.OVERLOADED)
                if not passing or time.monotonic() > deadline or self.over:
                    raise
                time.sleep(0.2)


def input_name(record: Record) -> str:
    return f"{record.key}.input"


def result_name(record: Record) -> str:
    """Every attempt has its own, so that a worker who lost the job cannot touch the result of the one who has it."""
    return f"{record.key}.result{record.attempts}"


def detail_name(record: Record) -> str:
    """What the detail is sealed as: it is the note of the result's blob, under the same key."""
    return f"{result_name(record)}.detail"


def destroy(store: Store, name: str) -> tuple[int, int]:
    """Destroy a key, then the blob it sealed; how many keys and blobs that were."""
    return int(store.secrets.erase(name)), int(store.blobs.remove(name))
