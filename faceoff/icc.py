"""Colour profiles without their stories.

A profile may carry texts, dates, device serial numbers and whole private blobs. Photos whose pixels stay as they are
need only its primaries and tone curves, so a profile is rebuilt from those numbers and nothing else is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

_REQUIRED = {b"RGB ": (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"), b"GRAY": (b"kTRC",)}
_OPTIONAL = (b"wtpt", b"chad")
_DEVICE_CLASSES = (b"mntr", b"scnr", b"spac")
_PARAMETERS = (1, 3, 4, 5, 7)  # of a parametric curve, by its function type
_MAX_CURVE_POINTS = 4096
_MAX_TAGS = 256
_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
_D50 = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)


def sanitise(profile: bytes, space: bytes) -> bytes | None:
    """The profile rebuilt from its numbers alone, for pixels in ``space`` (``b"RGB "`` or ``b"GRAY"``).

    None when it is broken, made for another space, or not a plain one (primaries and curves): such a profile has to be
    applied to the pixels instead.
    """
    try:
        return _rebuild(profile, space)
    except (struct.error, IndexError, KeyError, ValueError):
        return None


def space_of(profile: bytes) -> bytes:
    """The four letters of the colour space that the profile is for; meaningless for bytes that are no profile."""
    return profile[16:20]


def _rebuild(profile: bytes, space: bytes) -> bytes:
    major = profile[8]
    plain = profile[12:16] in _DEVICE_CLASSES and profile[20:24] == b"XYZ " and profile[36:40] == b"acsp"
    tags = _tags(profile)
    if not plain or space_of(profile) != space or major not in (2, 4) or b"A2B0" in tags:
        raise ValueError("not a plain profile")
    kept = {name: _numbers(name, tags[name]) for name in _REQUIRED[space]}
    kept |= {name: _numbers(name, tags[name]) for name in _OPTIONAL if name in tags}
    kept |= {b"desc": _description(major), b"cprt": _text(major)}
    intent = struct.unpack_from(">I", profile, 64)[0] & 3
    header = b"".join(
        (
            bytes(4),  # the preferred colour engine
            profile[8:10] + bytes(2),
            b"mntr" + space + b"XYZ " + _DATE + b"acsp",
            bytes(24),  # platform, flags, manufacturer, model, attributes
            struct.pack(">I", intent) + _D50,
            bytes(48),  # creator, identifier, reserved
        )
    )
    return _assemble(header, kept)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    count = struct.unpack_from(">I", profile, 128)[0]
    if count > _MAX_TAGS:
        raise ValueError("too many tags")
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(count))
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _numbers(name: bytes, tag: bytes) -> bytes:
    """The tag cut to exactly the numbers that its type needs, so that nothing hides behind them."""
    kind = tag[:4]
    if name.endswith(b"TRC") and kind == b"curv":
        points = struct.unpack_from(">I", tag, 8)[0]
        if points > _MAX_CURVE_POINTS:
            raise ValueError("curve too long")
        return _exact(tag, 12, 2 * points)
    if name.endswith(b"TRC") and kind == b"para":
        head = kind + bytes(4) + tag[8:10] + bytes(2)
        return head + _exact(tag, 12, 4 * _PARAMETERS[struct.unpack_from(">H", tag, 8)[0]])[12:]
    if name == b"chad" and kind == b"sf32":
        return _exact(tag, 8, 36)
    if not name.endswith(b"TRC") and name != b"chad" and kind == b"XYZ ":
        return _exact(tag, 8, 12)
    raise ValueError("unexpected tag type")


def _exact(tag: bytes, head: int, length: int) -> bytes:
    if len(tag) < head + length:
        raise ValueError("tag too short")
    return tag[:4] + bytes(4) + tag[8 : head + length]


def _description(major: int) -> bytes:
    if major == 4:
        return _text(major)
    return b"desc" + bytes(4) + struct.pack(">I", 2) + b"-\0" + bytes(78)


def _text(major: int) -> bytes:
    """A text tag that says nothing: both texts are mandatory, so they hold a dash."""
    if major == 4:
        return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", 2, 28) + "-".encode("utf-16-be")
    return b"text" + bytes(4) + b"-\0"


def _assemble(header: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    start = 132 + 12 * len(tags)
    body = b""
    table = struct.pack(">I", len(tags))
    offsets: dict[bytes, int] = {}  # equal tags share their bytes: the three curves nearly always do
    for name, tag in tags.items():
        if tag not in offsets:
            offsets[tag] = start + len(body)
            body += tag + bytes(-len(tag) % 4)
        table += name + struct.pack(">II", offsets[tag], len(tag))
    return struct.pack(">I", start + len(body)) + header + table + body
