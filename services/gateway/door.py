"""What both doors, gRPC and HTTP, let through and how: who may, what it costs, and the jobs behind."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from faceoff.errors import FaceOffError, Reason
from faceoff.image import check_encoding
from faceoff.jobs.engine import Jobs, Operation, Position, Receipt
from faceoff.jobs.turns import Line
from faceoff.pipeline import Request, Rooms, check, check_surrogates, check_victims
from faceoff.rpc import operations, traces
from faceoff.rpc.connect import Deadline
from faceoff.tenants.gate import Gate
from faceoff.tenants.principal import Headers, Principal, Scope
from faceoff.tenants.quota import cost
from faceoff.types import Photo
from services.gateway.accounts import Accounts
from services.gateway.measuring import Measuring
from services.gateway.settings import Largest

MOST_LISTED = 100

_CHECK_SECONDS = 10.0
_MEASURE_SECONDS = 10.0  # to wait for one photo's turn
_AWAY = (Reason.SERVICE_UNAVAILABLE, Reason.SURROGATE_UNAVAILABLE, Reason.OVERLOADED, Reason.DEADLINE_TOO_SHORT)
_KEY = re.compile(r"[!-~]{1,255}")
_TOKEN = re.compile(r"[0-9a-f]{48}")  # of a page: when its last job was created, exactly, and that job's id
_CREATED = struct.Struct(">d")


@dataclass(frozen=True)
class Door:
    """Safe to use from several threads; every method may block, and raises FaceOffError. ``rooms`` gives the rooms that work
    until a deadline: they are asked what they would refuse."""

    jobs: Jobs
    gate: Gate
    accounts: Accounts
    measuring: Measuring
    rooms: Callable[[Deadline], Rooms]
    largest: Largest = Largest()  # noqa: RUF009  (frozen)

    def enter(self, headers: Headers, idempotency_key: str = "") -> Principal:
        """Who calls. Raises UNAUTHENTICATED, PERMISSION_DENIED and, for too many calls, QUOTA_EXCEEDED. Repeats of what was
        accepted are not too many."""
        principal = self.gate.authenticator.authenticate(headers)
        principal.require(Scope.PROTECT)
        _check_key(idempotency_key)
        if not (idempotency_key and self.jobs.knows(principal.tenant, idempotency_key)):
            self.gate.limiter.admit(principal.tenant)
        return principal

    @contextmanager
    def paid(self, caller: Principal, request: Request, photo: bytes) -> Iterator[tuple[Photo, str]]:
        """The photo, measured, and the reservation of what it costs, which is given back if the block raises. What may not be
        done and what cannot be protected is refused here, before anything is begun."""
        self.gate.check_target(caller, request.plan, request.gallery)
        measured = self._measured(caller, request, photo)
        amount = cost(measured.width, measured.height, request.plan)
        self.accounts.catch_up()
        reservation = self.gate.limiter.reserve(caller.tenant, amount)
        try:
            yield measured, reservation
        except BaseException:
            self.accounts.settle(reservation, done=False)
            raise

    def _measured(self, caller: Principal, request: Request, photo: bytes) -> Photo:
        """The photo, of which nothing is known that would refuse it later."""
        measure = partial(self._measure, (request.priority, caller.tenant))
        if max(map(len, (photo, *request.terms.references))) > self.largest.bytes:
            raise _too_large(f"{self.largest.bytes / 1e6:g} MB")
        check(request, measure)
        rooms = self.rooms(Deadline.after(_CHECK_SECONDS))
        for check_names in (check_surrogates, check_victims):
            try:
                check_names(request, rooms)
            except FaceOffError as error:
                if error.reason not in _AWAY:  # who is away is asked again before the work begins
                    raise
        measured = measure(photo)
        check_encoding(request.encoding, max(measured.height, measured.width))
        return measured

    def _measure(self, line: Line, data: bytes) -> Photo:
        measured = self.measuring.measure(data, line, _MEASURE_SECONDS)
        if measured.width * measured.height > self.largest.pixels:
            raise _too_large(f"{self.largest.pixels / 1e6:g} megapixels")
        return measured

    def submit(self, caller: Principal, request: Request, photo: bytes, idempotency_key: str = "") -> Operation:
        """Accept a photo. A repeat costs nothing, and no limit refuses it. Raises IDEMPOTENCY_CONFLICT, OVERLOADED,
        QUOTA_EXCEEDED, TARGET_NOT_ALLOWED and what measuring raises."""
        _check_key(idempotency_key)
        parts = (photo, *request.terms.references)
        fingerprint = operations.fingerprint(request, parts)
        known = self.jobs.repeated(caller.tenant, idempotency_key, fingerprint) if idempotency_key else None
        if known:
            return known
        with traces.submission(), self.paid(caller, request, photo) as (_, reservation):
            job = operations.to_job(request)
            operation = self.jobs.submit(
                caller.tenant, request.priority, job, parts, idempotency_key, fingerprint, reservation
            )
            traces.about(operation.id)
        if operation.account != reservation:  # another one with this key was quicker
            self.accounts.settle(reservation, done=False)
        return operation

    def get(self, caller: Principal, job: str) -> Operation:
        return self.jobs.get(caller.tenant, job)

    def list(self, caller: Principal, limit: int, page: str) -> tuple[Sequence[Operation], str]:
        """At most ``limit`` (0: MOST_LISTED) jobs, the newest first, and the token of the next page, which begins behind them
        whatever becomes of them. Both tokens are empty where there is no page before, or behind."""
        if limit < 0:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT, "The page size is negative.", "Leave it out.", field="page_size"
            )
        most = min(limit or MOST_LISTED, MOST_LISTED)
        found = self.jobs.list(caller.tenant, most, _position(page) if page else None)
        return found, _token(found[-1].position) if len(found) == most else ""

    def watch(self, caller: Principal, job: str, wait: float) -> Iterator[Operation]:
        return self.jobs.watch(caller.tenant, job, wait)

    def result(self, caller: Principal, job: str) -> tuple[Operation, bytes]:
        """The job and its photo. Raises NOT_READY and the job's own error."""
        photo = self.jobs.result(caller.tenant, job)
        return self.jobs.get(caller.tenant, job), photo

    def cancel(self, caller: Principal, job: str) -> Operation:
        after = self.jobs.cancel(caller.tenant, job)
        self.accounts.ended(caller.tenant, job)
        return after

    def delete(self, caller: Principal, job: str) -> Receipt:
        return self.jobs.delete(caller.tenant, job, lambda: self.accounts.ended(caller.tenant, job))


def _check_key(idempotency_key: str) -> None:
    if idempotency_key and not _KEY.fullmatch(idempotency_key):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, "The idempotency key is not valid.", "It is 1 to 255 visible ASCII characters."
        )


def _token(position: Position) -> str:
    return _CREATED.pack(position.created).hex() + position.id


def _position(token: str) -> Position:
    if not _TOKEN.fullmatch(token):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "The page token is not one of ours.",
            "Send it as the page before gave it, or leave it out to begin anew.",
            field="page_token",
        )
    (created,) = _CREATED.unpack(bytes.fromhex(token[:16]))
    return Position(created, token[16:])


def _too_large(most: str) -> FaceOffError:
    return FaceOffError(
        Reason.IMAGE_TOO_LARGE, f"A photo may have at most {most} here.", "Make it smaller, or ask the operator."
    )
