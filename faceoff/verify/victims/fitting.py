"""Making a picture fit what a service takes. What was done is said, because it may change the answer."""

from __future__ import annotations

import io
import re

from PIL import Image

from faceoff import image
from faceoff.types import Outcome, Photo
from faceoff.verify.victims.calls import Fault, Limits

_QUALITIES = (95, 90, 80, 70)

_PNG_CHUNKS = {
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"sBIT", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs",
}  # fmt: skip
_JPEG_NOTES = {(b"JFIF\0", 14), (b"Adobe", 12)}
"""How an application's segment may begin and how long it is: so there is no thumbnail in it."""
_JPEG_PROFILE = b"ICC_PROFILE\0"
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
"""The end of a scan's compressed data, in which an 0xff is followed by 0 or is a restart."""


def fit(data: bytes, limits: Limits, decode: image.Decode = image.decode) -> tuple[bytes, str]:
    """The picture, which ``decode`` reads, as it may be sent, and what was done to it ("" for nothing: the very bytes).

    A picture is written anew when it is no PNG or JPEG, has too many bytes, too many or too few pixels, or bears
    metadata, which is no business of a third party (and would be read differently by each: EXIF's orientation).
    Raises Fault when it cannot be made to fit, and FaceOffError when it is no picture.
    """
    photo = decode(data, max_bytes=max(len(data), image.MAX_BYTES))
    reasons = _reasons(photo, limits)
    if not reasons:
        return data, ""
    pixels = photo.pixels if photo.alpha is None else image.on_white(photo.pixels, photo.alpha)
    picture = Image.fromarray(image.to_bytes(pixels))
    scale = min(limits.most_side / max(picture.size), max(1.0, limits.least_side / min(picture.size)))
    if scale != 1.0:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    if min(picture.size) >= limits.least_side:
        for quality in (None, *_QUALITIES):
            written = _write(picture, quality, photo.icc)
            if limits.least_bytes <= len(written) <= limits.most_bytes:
                how = "PNG" if quality is None else f"JPEG of quality {quality}"
                resized = f" at {picture.width}x{picture.height}" if scale != 1.0 else ""
                return written, f"written anew as {how}{resized} ({', '.join(reasons)})"
    raise Fault(Outcome.ERROR, "Nothing was sent: the picture cannot be made to fit the victim's limits.")


def _reasons(photo: Photo, limits: Limits) -> list[str]:
    """Why its bytes cannot be sent as they are."""
    bare = _BARE.get(photo.format)
    if bare is None:
        return ["format"]
    sides = photo.width, photo.height
    checks = {
        "bytes": not limits.least_bytes <= len(photo.source) <= limits.most_bytes,
        "size": min(sides) < limits.least_side or max(sides) > limits.most_side,
        "metadata": not bare(photo.source),
    }
    return [name for name, is_so in checks.items() if is_so]


def _bare_png(data: bytes) -> bool:
    """Whether there is nothing in a whole PNG but its pixels and their colours. Pillow does not tell: it passes over what it
    does not know, and over what follows the picture."""
    at = 8
    while at < len(data):
        kind = data[at + 4 : at + 8]
        if kind not in _PNG_CHUNKS:
            return False
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if kind == b"IEND":
            break
    return at == len(data)


def _bare_jpeg(data: bytes) -> bool:
    """Likewise of a JPEG: provenance, a phone's preview or a moving picture may stand where Pillow does not look."""
    at = 2
    while data[at : at + 1] == b"\xff" and len(data) > at + 2:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        content = data[at + 4 : at + 2 + length]
        noted = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if noted and (content[:5], len(content)) not in _JPEG_NOTES and not content.startswith(_JPEG_PROFILE):
            return False
        at += 2 + length
        if marker == 0xDA:
            end = _JPEG_MARKER.search(data, at)
            at = end.start() if end else len(data)
    return data[at:] == b"\xff\xd9"


_BARE = {"PNG": _bare_png, "JPEG": _bare_jpeg}


def _write(picture: Image.Image, quality: int | None, icc: bytes | None) -> bytes:
    file = io.BytesIO()
    if quality is None:
        picture.save(file, "PNG", icc_profile=icc)
    else:
        picture.save(file, "JPEG", quality=quality, subsampling="4:4:4", icc_profile=icc)
    return file.getvalue()
