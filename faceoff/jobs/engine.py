"""What a jobs engine offers: the door submits and reads, workers take and finish. Two engines have this interface: one in
memory, whose jobs end with the process (faceoff.jobs.core.in_memory), and one on NATS JetStream
(faceoff.jobs.jetstream.connect). Everything is safe to call from any thread.

Every method raises FaceOffError. A job that is not there and a job of another tenant are the same NOT_FOUND.
SERVICE_UNAVAILABLE means that the broker does not answer: whether the call took effect is then unknown, so repeat it with its
idempotency key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from prometheus_client.registry import Collector

from faceoff.errors import FaceOffError, Reason
from faceoff.types import Priority, Progress

HOUR = 3600.0


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Failure:
    """Why a job failed, as FaceOffError has it."""

    reason: Reason
    message: str
    hint: str = ""

    def error(self) -> FaceOffError:
        return FaceOffError(self.reason, self.message, self.hint)


class Position(NamedTuple):
    """Where a job stands among its tenant's, whether or not it still exists: a later one is greater."""

    created: float
    id: str


@dataclass(frozen=True)
class Operation:
    """What is known of a job. Times are seconds since the epoch. ``id`` is 128 random bits as 32 hex digits. ``expires`` is
    when the job and everything of it is deleted: counted from its end, or, while it waits and runs, when it is given up.
    ``attempts`` is how often a worker began. ``detail`` is what the worker said of its result, ``error`` why it failed or was
    cancelled. ``has_result`` says that ``Jobs.result`` has the photo. ``account`` is what ``Jobs.submit`` was given, behind the
    door only."""

    id: str
    tenant: str
    priority: Priority
    state: State
    created: float
    expires: float
    attempts: int = 0
    progress: Progress | None = None
    error: Failure | None = None
    detail: bytes = field(default=b"", repr=False)
    has_result: bool = False
    account: str = field(default="", repr=False)

    @property
    def position(self) -> Position:
        return Position(self.created, self.id)


@dataclass(frozen=True)
class End:
    """A job that has ended. ``due`` is when somebody has to see to it that its tenant is told, seconds since the epoch (0:
    nobody has yet; None: it has been told)."""

    operation: Operation
    due: float | None


@dataclass(frozen=True)
class Receipt:
    """Proof of a deletion at ``deleted`` (seconds since the epoch): ``photos`` encrypted blobs were removed, and ``keys`` keys
    destroyed, without which no copy of them can be read."""

    id: str
    deleted: float
    photos: int
    keys: int


@dataclass(frozen=True)
class Limits:
    """Beyond these a job is refused at once (OVERLOADED, with the seconds after which to try again). Jobs and bytes are
    those that wait or run; ``bytes`` counts requests and photos as submitted. ``ttl`` is how many seconds a result is kept,
    and a job that has not ended after ``ttl`` seconds is given up (EXPIRED); ``lease`` how long a worker may be silent before
    its job goes to another, ``tries`` how often a job is begun before it fails for good; a postponed one was not tried."""

    jobs: int = 10_000
    bytes: int = 8_000_000_000
    tenant_jobs: int = 2_000
    tenant_bytes: int = 2_000_000_000
    ttl: float = HOUR
    lease: float = 30.0
    tries: int = 3


class Lease(Protocol):
    """One worker's right to one job. It is kept alive in the background until it is finished, lost or released."""

    @property
    def operation(self) -> Operation: ...

    @property
    def request(self) -> bytes: ...

    @property
    def parts(self) -> Sequence[bytes]:
        """The photo, then further photos, as submitted."""

    @property
    def trace(self) -> str:
        """The trace that the job was submitted in, as a traceparent; empty where there are no traces."""

    @property
    def over(self) -> bool:
        """Whether the job was cancelled or deleted, or went to another worker."""

    def report(self, progress: Progress) -> None:
        """Say how far the work is. Raises CANCELLED when the lease is over: stop then, nothing can be finished any more."""

    def succeed(self, detail: bytes, photo: bytes) -> None:
        """End the job with its result. The submitted photos are destroyed. Raises CANCELLED when the lease is over."""

    def fail(self, error: FaceOffError, retriable: bool) -> None:
        """End the job with ``error``, or let it be tried again after a pause, if that may help and tries are left. Does nothing
        when the lease is over."""

    def release(self) -> None:
        """Hand the job back untried, as a worker that must stop does. Does nothing when the lease is over."""

    def postpone(self) -> None:
        """Hand the job back untried because somebody who is needed is away: it comes again after a pause, which grows from time
        to time up to half a minute, until its own time is over. Does nothing when the lease is over."""

    def abandon(self) -> None:
        """Keep the job no longer: unless it has ended or was handed back, another worker gets it when the lease runs out."""


class Jobs(Protocol):
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
        """Accept a job: ``request`` is whatever the worker understands, ``parts`` the photo, then further photos.

        With an idempotency key a repeat of the same body gives the job that is already there, for as long as that is kept;
        another body raises IDEMPOTENCY_CONFLICT. ``fingerprint`` is what "same body" means (empty: request and parts).
        ``account`` is kept with the job in plain text, for whoever is told of its end. Raises OVERLOADED, with
        ``retry_after``, before anything is stored.
        """

    def knows(self, tenant: str, idempotency_key: str) -> bool:
        """Whether a job was submitted with this key and is still there."""

    def repeated(self, tenant: str, idempotency_key: str, fingerprint: bytes) -> Operation | None:
        """What ``submit`` would give for a repeat, whatever the limits; None where it is none. Raises
        IDEMPOTENCY_CONFLICT."""

    def get(self, tenant: str, job: str) -> Operation: ...

    def list(self, tenant: str, limit: int = 100, after: Position | None = None) -> Sequence[Operation]:
        """The tenant's jobs, newest first, beginning behind ``after``, also where that job is gone. They come without
        ``detail``."""

    def watch(self, tenant: str, job: str, wait: float = 1.0) -> Iterator[Operation]:
        """The job now and whenever it changes, until it has ended. After ``wait`` seconds without a change it is given again
        unchanged, so that whoever iterates can look whether its caller is still there. Raises NOT_FOUND when it is deleted."""

    def result(self, tenant: str, job: str) -> bytes:
        """The protected photo. Raises NOT_READY before the job has succeeded and the job's own error if it has failed."""

    def cancel(self, tenant: str, job: str) -> Operation:
        """End a job that waits or runs and destroy its photos; a job that has ended stays as it is."""

    def delete(self, tenant: str, job: str, ended: Callable[[], None] = lambda: None) -> Receipt:
        """Cancel the job if need be and remove everything of it. ``ended`` is called in between: the job has ended, and what is
        known of it is still there."""

    def end(self, tenant: str, job: str) -> End | None:
        """How the job has ended, if it has."""

    def ends(self) -> Sequence[End]:
        """The jobs that have ended since this was asked last, here or elsewhere; the first time, all that there are."""

    def overdue(self) -> Sequence[End]:
        """The jobs that have ended and whose tenants nobody tells."""

    def put_off(self, end: End, due: float | None) -> End | None:
        """Take on, for as long as ``due`` says, to tell the tenant of an end; or, with None, say that it was told. None
        where somebody else did meanwhile, or the job is gone."""

    def take(self, wait: float = 1.0) -> Lease | None:
        """The next job for a worker: priorities by weight, tenants in turn. None when there is none within ``wait`` seconds."""

    def sweep(self) -> int:
        """Give up and delete what has expired; how many jobs that were. Called from time to time by whoever runs the engine."""

    def collector(self) -> Collector:
        """What the process's metrics say of jobs and photos, but for what is counted and timed where it happens."""

    def close(self) -> None:
        """Release the engine's threads and connections. Leases that are held end as if the worker had died."""
