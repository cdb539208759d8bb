"""One error type for everything that a caller can do something about. It crosses the wire unchanged (faceoff.rpc)."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Stable names: clients branch on them, so none is ever renamed."""

    NO_FACE_DETECTED = "NO_FACE_DETECTED"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    IMAGE_CORRUPT = "IMAGE_CORRUPT"
    ANIMATED_IMAGE = "ANIMATED_IMAGE"
    UNKNOWN_NETWORK = "UNKNOWN_NETWORK"
    NETWORK_MISSING = "NETWORK_MISSING"
    WEIGHTS_MISMATCH = "WEIGHTS_MISMATCH"
    DOWNLOAD_FAILED = "DOWNLOAD_FAILED"
    SURROGATE_UNAVAILABLE = "SURROGATE_UNAVAILABLE"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    DEADLINE_TOO_SHORT = "DEADLINE_TOO_SHORT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TARGET_NOT_ALLOWED = "TARGET_NOT_ALLOWED"
    VICTIM_IS_SURROGATE = "VICTIM_IS_SURROGATE"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DISK_FULL = "DISK_FULL"
    CANCELLED = "CANCELLED"
    NOT_FOUND = "NOT_FOUND"
    NOT_READY = "NOT_READY"
    EXPIRED = "EXPIRED"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    OVERLOADED = "OVERLOADED"
    TOO_MANY_TRIES = "TOO_MANY_TRIES"
    INTERNAL = "INTERNAL"


class FaceOffError(Exception):
    """``message`` says what happened, ``hint`` what to do about it; both are shown to users, so neither may hold a photo's
    content, a secret or a traceback. ``retry_after``: seconds after which the same call may succeed. ``field``: which part of
    the request is not valid, where that is known: its name in the contract, as ``plan.epsilon``."""

    def __init__(
        self, reason: Reason, message: str, hint: str = "", retry_after: float | None = None, field: str = ""
    ) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.reason = reason
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        self.field = field
