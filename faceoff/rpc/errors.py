"""FaceOffError <-> gRPC status, with google.rpc details: ErrorInfo carries the reason, LocalizedMessage the hint,
BadRequest the field."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from faceoff.errors import FaceOffError, Reason

DOMAIN = "faceoff"
RETRY_SECONDS = 5
_CLIP = 500  # characters of a message or hint: a status travels in HTTP/2 headers, which are limited

CODES: dict[Reason, grpc.StatusCode] = {
    Reason.NO_FACE_DETECTED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.IMAGE_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.UNSUPPORTED_FORMAT: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.IMAGE_CORRUPT: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.ANIMATED_IMAGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.UNKNOWN_NETWORK: grpc.StatusCode.NOT_FOUND,
    Reason.NETWORK_MISSING: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.WEIGHTS_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.DOWNLOAD_FAILED: grpc.StatusCode.UNAVAILABLE,
    Reason.SURROGATE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.DEADLINE_TOO_SHORT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.QUOTA_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.TARGET_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.VICTIM_IS_SURROGATE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.DISK_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.CANCELLED: grpc.StatusCode.CANCELLED,
    Reason.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.NOT_READY: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.EXPIRED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.IDEMPOTENCY_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_TRIES: grpc.StatusCode.INTERNAL,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
}


@dataclass(frozen=True)
class Status(grpc.Status):
    """What ``ServicerContext.abort_with_status`` takes."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def to_status(error: FaceOffError, retry: bool = False) -> Status:
    """The status of a failed call.

    ``retry`` lets the caller's channel try again by itself: only for a call that has not begun, since a service that
    failed in the middle has used up its own retries on whatever it needed.
    """
    code = CODES[error.reason]
    status = rpc_status.to_status(to_message(error))
    pushback = () if retry else (("grpc-retry-pushback-ms", "-1"),)
    return Status(code, status.details, (*status.trailing_metadata, *pushback))


def to_message(error: FaceOffError) -> status_pb2.Status:
    """The error as google.rpc has it."""
    code = CODES[error.reason]
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN)]
    if error.hint:
        details.append(error_details_pb2.LocalizedMessage(locale="en", message=_clip(error.hint)))
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=_clip(error.message))
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    seconds = retry_seconds(error)
    if seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = [any_pb2.Any() for _ in details]
    for box, detail in zip(packed, details, strict=True):
        box.Pack(detail)
    return status_pb2.Status(code=code.value[0], message=_clip(error.message), details=packed)


def retry_seconds(error: FaceOffError) -> float | None:
    """After how many seconds the caller may try again; None where that would not help."""
    if error.retry_after is None and CODES[error.reason] is grpc.StatusCode.UNAVAILABLE:
        return RETRY_SECONDS
    return error.retry_after


_CANCELLED_HERE = ("Locally cancelled by application!", "Channel closed!")
"""gRPC's words where it was we who cancelled a call."""


def from_rpc_error(error: grpc.RpcError, address: str) -> FaceOffError:
    """What a failed call to the service at ``address`` means to whoever called."""
    if not isinstance(error, grpc.Call):
        return FaceOffError(Reason.INTERNAL, f"The call to {address} failed.")
    return _from_details(error) or _from_code(error, address)


def _from_details(error: grpc.Call) -> FaceOffError | None:
    """The error as its service raised it; None for a status that is not ours or of a reason we do not know."""
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        return None
    return from_message(status) if status else None


def from_message(status: status_pb2.Status) -> FaceOffError | None:
    """None for a status that is not ours or of a reason we do not know."""
    info, hint, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.LocalizedMessage(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    try:
        for detail in status.details:
            for known in (info, hint, bad, retry):
                if detail.Is(known.DESCRIPTOR):
                    detail.Unpack(known)
    except DecodeError:
        return None
    if info.domain != DOMAIN or info.reason not in Reason.__members__:
        return None
    seconds = retry.retry_delay.ToNanoseconds() / 1e9 if retry.HasField("retry_delay") else None
    field = bad.field_violations[0].field if bad.field_violations else ""
    return FaceOffError(Reason(info.reason), status.message, hint.message, seconds, field)


def _from_code(error: grpc.Call, address: str) -> FaceOffError:
    match error.code():
        case grpc.StatusCode.CANCELLED if error.details() in _CANCELLED_HERE:
            return FaceOffError(Reason.CANCELLED, "The call was cancelled.")
        # A server that stops cancels what it has, and what reaches it in that moment.
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return FaceOffError(
                Reason.SERVICE_UNAVAILABLE,
                f"The service at {address} cannot be reached.",
                f"Check that it runs and that {address} is its address.",
            )
        case grpc.StatusCode.UNIMPLEMENTED:
            return FaceOffError(
                Reason.SERVICE_UNAVAILABLE,
                f"The server at {address} does not offer this service.",
                f"Check that {address} is the address of the right service, and of this version.",
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return FaceOffError(
                Reason.DEADLINE_TOO_SHORT,
                f"The service at {address} did not finish in time.",
                "Allow more time, or ask for fewer iterations or faces.",
            )
        case grpc.StatusCode.RESOURCE_EXHAUSTED if "larger than max" in (error.details() or ""):
            return FaceOffError(
                Reason.IMAGE_TOO_LARGE,
                "The photo and its faces are too large to travel between the services.",
                "Use a smaller photo or protect fewer faces at a time.",
            )
        case code:
            return FaceOffError(Reason.INTERNAL, f"The service at {address} failed ({code.name}).")


def _clip(text: str) -> str:
    return text if len(text) <= _CLIP else text[: _CLIP - 1] + "…"
