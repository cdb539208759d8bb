"""What both doors, gRPC and HTTP, let through and how: who may, what it costs, and the jobs behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Jobs, Operation, Receipt
from faceoff.pipeline import Request, check_roles
from faceoff.rpc import operations
from faceoff.tenants.principal import Authenticator, Headers, Principal, Scope
from faceoff.types import Photo

Decode = Callable[[bytes], Photo]
"""As faceoff.image.decode."""

MOST_LISTED = 100

_KEY = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True)
class Door:
    """Safe to use from several threads; every method may block, and raises FaceOffError."""

    jobs: Jobs
    authenticator: Authenticator
    decode: Decode

    def enter(self, headers: Headers) -> Principal:
        """Who calls. Raises UNAUTHENTICATED and PERMISSION_DENIED."""
        principal = self.authenticator.authenticate(headers)
        principal.require(Scope.PROTECT)
        return principal

    def submit(self, caller: Principal, request: Request, photo: bytes, idempotency_key: str = "") -> Operation:
        """Accept a photo. It is decoded here once, so that what cannot be protected is refused at once and what it costs is
        known. Raises IDEMPOTENCY_CONFLICT, OVERLOADED and what decoding raises."""
        if idempotency_key and not _KEY.fullmatch(idempotency_key):
            raise FaceOffError(
                Reason.INVALID_ARGUMENT, "The idempotency key is not valid.", "It is 1 to 255 visible ASCII characters."
            )
        check_roles(request)
        self.decode(photo)
        parts = (photo, *request.terms.references)
        return self.jobs.submit(
            caller.tenant, request.priority, operations.to_job(request), parts, idempotency_key
        )

    def get(self, caller: Principal, job: str) -> Operation:
        return self.jobs.get(caller.tenant, job)

    def list(self, caller: Principal, limit: int, after: str) -> Sequence[Operation]:
        """At most ``limit`` (0: MOST_LISTED) jobs, the newest first, behind ``after``."""
        if limit < 0:
            raise FaceOffError(Reason.INVALID_ARGUMENT, "The page size is negative.", "Leave it out.")
        return self.jobs.list(caller.tenant, min(limit or MOST_LISTED, MOST_LISTED), after)

    def watch(self, caller: Principal, job: str, wait: float) -> Iterator[Operation]:
        return self.jobs.watch(caller.tenant, job, wait)

    def result(self, caller: Principal, job: str) -> tuple[Operation, bytes]:
        """The job and its photo. Raises NOT_READY and the job's own error."""
        photo = self.jobs.result(caller.tenant, job)
        return self.jobs.get(caller.tenant, job), photo

    def cancel(self, caller: Principal, job: str) -> Operation:
        return self.jobs.cancel(caller.tenant, job)

    def delete(self, caller: Principal, job: str) -> Receipt:
        return self.jobs.delete(caller.tenant, job)
