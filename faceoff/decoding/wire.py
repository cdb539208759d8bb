"""What a decoding process and its parent say to each other.

To the child: whether the pixels are wanted (1 byte), the file's length (8 bytes, big-endian) and the file. Back: the length
of a JSON object (4 bytes), the object, and where it is a sheet the colour profile and, if wanted, the strips of levels.
Nothing is pickled, and the parent believes nothing that it can check: a decoder that a file has taken over can send wrong
pixels, but no more of them than fit.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from faceoff import icc
from faceoff.decoding.formats import MAX_PIXELS, MAX_SIDE
from faceoff.decoding.upright import CHANNELS, Sheet
from faceoff.errors import FaceOffError, Reason

ORDER = struct.Struct(">?Q")
HEAD_LENGTH = struct.Struct(">I")
MAX_HEAD = 2**16
MAX_PROFILE = 2**17

_REASONS = (Reason.UNSUPPORTED_FORMAT, Reason.IMAGE_TOO_LARGE, Reason.ANIMATED_IMAGE, Reason.IMAGE_CORRUPT)
_LONGEST_TEXT = 300
_MOST_WARNINGS = 8


class Nonsense(Exception):
    """The child does not keep to this page."""


def from_sheet(sheet: Sheet) -> bytes:
    fields = {
        "width": sheet.width,
        "height": sheet.height,
        "mode": sheet.mode,
        "format": sheet.format,
        "warnings": sheet.warnings,
        "profile": len(sheet.icc or b""),
    }
    return _head(fields) + (sheet.icc or b"")


def from_error(error: FaceOffError) -> bytes:
    return _head({"reason": error.reason, "message": error.message, "hint": error.hint})


def to_head(text: bytes) -> dict[str, Any]:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError):
        raise Nonsense from None
    if not isinstance(head, dict):
        raise Nonsense
    return head


def to_error(head: dict[str, Any]) -> FaceOffError | None:
    """None where the head is a sheet's."""
    if "reason" not in head:
        return None
    if head["reason"] not in _REASONS:
        raise Nonsense
    return FaceOffError(Reason(head["reason"]), _text(head.get("message")), _text(head.get("hint")))


def profile_length(head: dict[str, Any]) -> int:
    return _number(head.get("profile"), 0, MAX_PROFILE)


def to_sheet(head: dict[str, Any], profile: bytes, format_name: str) -> Sheet:
    """The sheet of a file that was sniffed as ``format_name``."""
    width = _number(head.get("width"), 1, MAX_SIDE)
    height = _number(head.get("height"), 1, MAX_SIDE)
    mode, warnings = head.get("mode"), head.get("warnings")
    if width * height > MAX_PIXELS or head.get("format") != format_name:
        raise Nonsense
    if not isinstance(mode, str) or mode not in CHANNELS:
        raise Nonsense
    if not isinstance(warnings, list) or len(warnings) > _MOST_WARNINGS:
        raise Nonsense
    clean = icc.sanitise(profile, b"RGB " if mode.startswith("RGB") else b"GRAY") if profile else None
    return Sheet(width, height, mode, format_name, clean, tuple(map(_text, warnings)))


def _head(fields: dict[str, object]) -> bytes:
    text = json.dumps(fields).encode()
    return HEAD_LENGTH.pack(len(text)) + text


def _number(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise Nonsense
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise Nonsense
    return value
