"""What photos cost their tenants, and who is told how they ended."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from faceoff.errors import FaceOffError
from faceoff.jobs.engine import Jobs, Lease, Operation
from faceoff.rpc import logs, operations
from faceoff.tenants.gate import Gate
from faceoff.types import Progress

_REMEMBERED = 20_000


class Accounts:
    """Work is reserved before it is accepted, and given back when nothing came of it. A job carries its reservation, so that
    whichever process ends it can settle; for jobs that are cancelled before they begin, the process that accepted them
    remembers it. What nobody settles (a worker that was killed) stays counted for its day."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._lock = threading.Lock()
        self._accepted: OrderedDict[str, str] = OrderedDict()

    def accepted(self, job: str, reservation: str) -> None:
        with self._lock:
            self._accepted[job] = reservation
            if len(self._accepted) > _REMEMBERED:
                self._accepted.popitem(last=False)

    def settle(self, reservation: str, done: bool) -> None:
        """Never fails: a photo is not lost because of its bill."""
        try:
            self._gate.limiter.settle(reservation, None if done else 0.0)
        except FaceOffError as error:
            logs.event("not_settled", reason=error.reason.value)

    def ended(self, job: Operation, reservation: str = "") -> None:
        """``job`` has ended: settle, and tell its tenant."""
        with self._lock:
            reservation = self._accepted.pop(job.id, reservation)
        if reservation:
            self.settle(reservation, job.has_result)
        self._gate.webhooks.notify(job.tenant, job.id, job.state.value)


class AccountedLease:
    """A worker's lease that says how it ended."""

    def __init__(self, lease: Lease, jobs: Jobs, accounts: Accounts) -> None:
        self._lease, self._jobs, self._accounts = lease, jobs, accounts

    @property
    def operation(self) -> Operation:
        return self._lease.operation

    @property
    def request(self) -> bytes:
        return self._lease.request

    @property
    def parts(self) -> Sequence[bytes]:
        return self._lease.parts

    @property
    def over(self) -> bool:
        return self._lease.over

    def report(self, progress: Progress) -> None:
        self._lease.report(progress)

    def succeed(self, detail: bytes, photo: bytes) -> None:
        self._lease.succeed(detail, photo)
        self._told()

    def fail(self, error: FaceOffError, retriable: bool) -> None:
        over = self._lease.over
        self._lease.fail(error, retriable)
        if not over:
            self._told()

    def release(self) -> None:
        self._lease.release()

    def _told(self) -> None:
        job = self._jobs.get(self.operation.tenant, self.operation.id)
        if job.state.terminal:
            self._accounts.ended(job, operations.reservation(self.request))


class AccountedJobs:
    """``jobs`` for a worker, whose leases say how they ended."""

    def __init__(self, jobs: Jobs, accounts: Accounts) -> None:
        self._jobs, self._accounts = jobs, accounts

    def take(self, wait: float = 1.0) -> Lease | None:
        lease = self._jobs.take(wait)
        return AccountedLease(lease, self._jobs, self._accounts) if lease else None
