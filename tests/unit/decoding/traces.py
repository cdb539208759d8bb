"""What else than a picture is in a PNG, JPEG or WEBP file, found without anybody's library."""

import struct

_PNG = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"iCCP"}
_WEBP = {b"VP8X", b"ICCP", b"VP8L", b"VP8 ", b"ALPH"}
_JFIF, _PROFILE = b"JFIF\0", b"ICC_PROFILE\0"
_COMMENT, _FIRST_APP, _LAST_APP, _SCAN, _END = 0xFE, 0xE0, 0xEF, 0xDA, 0xD9


def traces(data: bytes) -> list[bytes]:
    """Names of the parts that hold neither pixels nor a colour profile."""
    if data.startswith(b"\x89PNG"):
        return _of_png(data)
    return _of_jpeg(data) if data.startswith(b"\xff\xd8") else _of_webp(data)


def _of_png(data: bytes) -> list[bytes]:
    found, at = [], 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        found += [kind] if kind not in _PNG else []
        at += 12 + length
        if kind == b"IEND":
            break
    return found + ([b"behind the end"] if at != len(data) else [])


def _of_webp(data: bytes) -> list[bytes]:
    found, at = [], 12
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    while at < end:
        kind, length = struct.unpack_from("<4sI", data, at)
        found += [kind] if kind not in _WEBP else []
        at += 8 + length + length % 2
    return found + ([b"behind the end"] if end != len(data) else [])


def _of_jpeg(data: bytes) -> list[bytes]:
    found, at = [], 2
    while (marker := data[at + 1]) != _END:
        length = struct.unpack_from(">H", data, at + 2)[0]
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == _COMMENT:
            found.append(b"comment")
        elif _FIRST_APP <= marker <= _LAST_APP:
            plain = body.startswith(_PROFILE) or (body.startswith(_JFIF) and body[12:14] == b"\0\0")
            found += [] if plain else [b"APP%d" % (marker - _FIRST_APP)]
        elif marker == _SCAN:
            while data[at] != 0xFF or data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
                at += 1
    return found + ([b"behind the end"] if at + 2 != len(data) else [])
