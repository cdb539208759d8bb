"""What the gateway's workers do with a job, and the sweeper."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

from faceoff.errors import FaceOffError
from faceoff.jobs.engine import Jobs
from faceoff.jobs.worker import Work
from faceoff.pipeline import Rooms, protect
from faceoff.rooms import Report
from faceoff.rpc import logs, operations, traces
from faceoff.rpc.connect import Deadline
from services.gateway.door import Decode
from services.gateway.pool import Pool

JOB_SECONDS = 600.0
"""For one try of one photo."""

_SWEEP = 15.0


def work(rooms: Callable[[Deadline], Rooms], decode: Decode, pool: Pool) -> Work:
    """The straight line of one photo over ``rooms``, which work until a deadline."""

    def one(job: bytes, parts: Sequence[bytes], report: Report) -> tuple[bytes, bytes]:
        photo, *references = parts
        request = operations.from_job(job, tuple(references))
        open_ = rooms(Deadline.after(JOB_SECONDS))
        with traces.job(), traces.stages(report) as traced:
            request = replace(request, gallery=pool.people(request.plan, open_.detector))
            protection = protect(photo, request, open_, traced, decode)
        return operations.to_detail(protection), protection.candidate.data

    return one


class Sweeper:
    """Deletes what has expired, from the beginning of a ``with`` block to its end."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def __enter__(self) -> Sweeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_SWEEP):
            try:
                self._jobs.sweep()
            except FaceOffError as error:
                logs.event("not_swept", reason=error.reason.value)
