"""What photos cost their tenants, and who is told how they ended."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from types import TracebackType

from faceoff.errors import FaceOffError
from faceoff.jobs.engine import End, Jobs
from faceoff.jobs.regularly import Regularly
from faceoff.rpc import logs
from faceoff.tenants.gate import Gate

_LOOK = 0.2  # seconds between two looks at what has ended
_OVERDUE = 5.0  # seconds between two looks at what nobody tells
_HOLD = 60.0  # seconds after which a tenant is told by another door, when this one says no more of it


class Accounts(Regularly):
    """Work is reserved before it is accepted, and given back when nothing came of it. A job carries its reservation; every door
    settles every job's, however and wherever it ended, and the one that made the reservation finds it in its ledger, once.

    Tenants are told by one door: by who writes into the job first that he does. Where it falls silent, another one tells them,
    under the same id, for as long as the job is there. At work from the beginning of a ``with`` block to its end."""

    def __init__(self, jobs: Jobs, gate: Gate) -> None:
        super().__init__("accounts", self._look, _LOOK, "not_told")
        self._jobs, self._gate = jobs, gate
        self._lock = threading.Lock()
        self._untold: deque[End] = deque()
        self._next_overdue = time.monotonic() + _OVERDUE

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._next_overdue = math.inf  # what nobody tells is left to doors that stay
        self.attempt()

    def catch_up(self) -> None:
        """Settle what has ended so far."""
        with self._lock:
            for end in self._jobs.ends():
                self.settle(end.operation.account, end.operation.has_result)
                self._untold.append(end)

    def settle(self, reservation: str, done: bool) -> None:
        """Never fails: a photo is not lost because of its bill."""
        if reservation:
            try:
                self._gate.limiter.settle(reservation, None if done else 0.0)
            except FaceOffError as error:
                logs.event("not_settled", reason=error.reason.value)

    def ended(self, tenant: str, job: str) -> None:
        """Settle and tell at once, if the job has ended."""
        end = self._jobs.end(tenant, job)
        if end:
            self.settle(end.operation.account, end.operation.has_result)
            self._tell(end)

    def _look(self) -> None:
        """What it fails to tell is overdue then."""
        self.catch_up()
        if time.monotonic() > self._next_overdue:
            self._next_overdue = time.monotonic() + _OVERDUE
            self._untold.extend(self._jobs.overdue())
        while self._untold:
            self._tell(self._untold.popleft())

    def _tell(self, end: End) -> None:
        job = end.operation
        if end.due is None or end.due > time.time() or not self._gate.listens(job.tenant):
            return
        ours = self._jobs.put_off(end, time.time() + _HOLD)
        if ours:
            self._gate.webhooks.notify(job.tenant, job.id, job.state.value, _Hold(self._jobs, ours).heard)


class _Hold:
    """A door's hold on telling one tenant of one end."""

    def __init__(self, jobs: Jobs, end: End) -> None:
        self._jobs, self._end = jobs, end

    def heard(self, again: float | None) -> None:
        """Hold it for the next try in ``again`` seconds; None: it is over."""
        try:
            ours = self._jobs.put_off(self._end, None if again is None else time.time() + again + _HOLD)
        except FaceOffError as error:
            logs.event("not_told", reason=error.reason.value)
        else:
            self._end = ours or self._end
