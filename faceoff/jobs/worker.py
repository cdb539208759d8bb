"""Who does the jobs: takes one, works, says what came of it. In the gateway's process or in one of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Jobs, Lease
from faceoff.rooms import Report
from faceoff.rpc import logs, traces

Work = Callable[[str, bytes, Sequence[bytes], Report], tuple[bytes, bytes]]
"""The tenant, the request and its photos, as submitted, to the detail and the protected photo. Must give the same for the
same."""

_AWAY = (Reason.SURROGATE_UNAVAILABLE, Reason.SERVICE_UNAVAILABLE, Reason.OVERLOADED)
"""It says nothing of the photo, and what was accepted outlives it."""
_PAUSE = 1.0  # seconds between two tries to reach the broker


class Worker:
    """``threads`` jobs at a time, from the beginning of a ``with`` block to its end."""

    def __init__(self, jobs: Jobs, work: Work, threads: int = 1, grace: float = 30.0) -> None:
        self._jobs, self._work, self._grace = jobs, work, grace
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._leases: set[Lease] = set()
        self._threads = [threading.Thread(target=self._run, name=f"job-{n}", daemon=True) for n in range(threads)]

    def __enter__(self) -> Worker:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more jobs; what is not finished after ``grace`` seconds goes back to the queue."""
        self._stopping.set()
        deadline = time.monotonic() + self._grace
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            unfinished = list(self._leases)
        for lease in unfinished:
            try:
                lease.release()
            except FaceOffError as failure:  # it goes back by itself when the lease runs out
                logs.event("job_not_released", reason=failure.reason.value)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                lease = self._jobs.take()
                if lease:
                    self._handle(lease)
            except FaceOffError as error:
                logs.event("no_jobs", reason=error.reason.value)
                self._stopping.wait(_PAUSE)
            except Exception as error:  # a mistake of ours must not end the thread
                logs.event("worker_failed", error=type(error).__name__, where=logs.where(error))
                self._stopping.wait(_PAUSE)

    def _handle(self, lease: Lease) -> None:
        with self._lock:
            self._leases.add(lease)
        try:
            if self._stopping.is_set():
                lease.release()
            else:
                self._finish(lease)
        except FaceOffError as error:  # the broker did not hear how it ended: another worker will do it again
            logs.event("job_lost", reason=error.reason.value)
        finally:
            lease.abandon()
            with self._lock:
                self._leases.discard(lease)

    def _finish(self, lease: Lease) -> None:
        try:
            with traces.job(lease.operation.id, lease.trace):
                detail, photo = self._work(lease.operation.tenant, lease.request, lease.parts, lease.report)
        except FaceOffError as error:
            if error.reason in _AWAY:
                logs.event("job_postponed", reason=error.reason.value)
                lease.postpone()
            else:
                lease.fail(error, retriable=False)
        except Exception as error:
            logs.event("job_failed", error=type(error).__name__, where=logs.where(error))
            lease.fail(FaceOffError(Reason.INTERNAL, "The photo could not be protected."), retriable=True)
        else:
            lease.succeed(detail, photo)
