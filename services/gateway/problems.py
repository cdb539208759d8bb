"""Errors as HTTP says them: problem+json (RFC 9457), whose ``reason`` is that of gRPC's ErrorInfo."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import errors

MEDIA_TYPE = "application/problem+json"

_BY_REASON = {
    Reason.INVALID_ARGUMENT: 422,
    Reason.NO_FACE_DETECTED: 422,
    Reason.IMAGE_CORRUPT: 422,
    Reason.ANIMATED_IMAGE: 422,
    Reason.UNKNOWN_NETWORK: 422,
    Reason.VICTIM_IS_SURROGATE: 422,
    Reason.IMAGE_TOO_LARGE: 413,
    Reason.UNSUPPORTED_FORMAT: 415,
    Reason.OVERLOADED: 503,
    Reason.DISK_FULL: 503,
}
_BY_CODE = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 409,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "reason"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened."},
        "hint": {"type": "string", "description": "What to do about it."},
        "reason": {"type": "string", "enum": list(Reason), "description": "A stable name, the same as over gRPC."},
    },
}


def status_of(error: FaceOffError) -> int:
    return _BY_REASON.get(error.reason) or _BY_CODE.get(errors.CODES[error.reason].name, 500)


def response(error: FaceOffError, status: int | None = None) -> JSONResponse:
    """The answer that stands for ``error``; ``status`` where it is not the reason's own."""
    status = status or status_of(error)
    headers = {"WWW-Authenticate": 'Bearer realm="faceoff"'} if status == 401 else {}
    seconds = errors.retry_seconds(error)
    if seconds is not None:
        headers["Retry-After"] = str(math.ceil(seconds))
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        **({"hint": error.hint} if error.hint else {}),
        "reason": error.reason.value,
    }
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's OpenAPI says of the problems it may answer with; SCHEMA has the name Problem there."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
