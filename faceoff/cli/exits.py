"""Exit codes: what a script can branch on."""

from __future__ import annotations

from collections.abc import Collection

from faceoff.errors import FaceOffError, Reason

DONE = 0
FAILED = 1
USAGE = 2
NO_FACE = 3
UNREADABLE = 4
UNREACHABLE = 5
BUDGET = 6
INTERRUPTED = 130
TERMINATED = 143

HELP = """exit codes:
  0 all done         1 some failed     2 usage              3 no face in any
  4 unreadable, unsupported or too large   5 service unreachable   6 quota or budget   130 interrupted
  143 terminated"""

_CODES = {
    Reason.NO_FACE_DETECTED: NO_FACE,
    Reason.IMAGE_TOO_LARGE: UNREADABLE,
    Reason.UNSUPPORTED_FORMAT: UNREADABLE,
    Reason.IMAGE_CORRUPT: UNREADABLE,
    Reason.ANIMATED_IMAGE: UNREADABLE,
    Reason.SURROGATE_UNAVAILABLE: UNREACHABLE,
    Reason.SERVICE_UNAVAILABLE: UNREACHABLE,
    Reason.OVERLOADED: UNREACHABLE,
    Reason.QUOTA_EXCEEDED: BUDGET,
    Reason.INVALID_ARGUMENT: USAGE,
    Reason.UNKNOWN_NETWORK: USAGE,
    Reason.VICTIM_IS_SURROGATE: USAGE,
}


class Unreadable(FaceOffError):
    """A file that cannot be read at all."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(Reason.INVALID_ARGUMENT, message, hint)


def unexpected(error: Exception) -> FaceOffError:
    """What people are told of a mistake of ours."""
    return FaceOffError(
        Reason.INTERNAL, f"Unexpected {type(error).__name__}: {error}", "Set FACEOFF_DEBUG=1 for the traceback."
    )


def of_error(error: FaceOffError) -> int:
    return UNREADABLE if isinstance(error, Unreadable) else _CODES.get(error.reason, FAILED)


def of_batch(codes: Collection[int]) -> int:
    """The code of several photos: their common one, or FAILED when they differ."""
    return next(iter(codes)) if len(set(codes)) == 1 else FAILED
