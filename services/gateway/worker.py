"""What the gateway's workers do with a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from faceoff.jobs.worker import Work
from faceoff.pipeline import Rooms, protect
from faceoff.rooms import Report
from faceoff.rpc import operations, traces
from faceoff.rpc.connect import Deadline
from services.gateway.measuring import Measuring
from services.gateway.pool import Pool

JOB_SECONDS = 600.0
"""For one try of one photo."""


def work(rooms: Callable[[Deadline], Rooms], measuring: Measuring, pool: Pool) -> Work:
    """The straight line of one photo over ``rooms``, which work until a deadline."""

    def one(tenant: str, job: bytes, parts: Sequence[bytes], report: Report) -> tuple[bytes, bytes]:
        photo, *references = parts
        request = operations.from_job(job, tenant, tuple(references))
        open_ = rooms(Deadline.after(JOB_SECONDS))
        with traces.stages(report) as traced:
            request = replace(request, gallery=pool.people(request.plan, open_.detector))
            line = request.priority, tenant
            protection = protect(photo, request, open_, traced, lambda data: measuring.measure(data, line))
        return operations.to_detail(protection), protection.candidate.data

    return one
