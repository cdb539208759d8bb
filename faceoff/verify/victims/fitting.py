"""Making a picture fit what a service takes. What was done is said, because it may change the answer."""

from __future__ import annotations

import io

from PIL import Image

from faceoff import image
from faceoff.types import Outcome
from faceoff.verify.victims.calls import Fault, Limits

_QUALITIES = (95, 90, 80, 70)

_HARMLESS = {
    "adobe", "adobe_transform", "aspect", "chromaticity", "default_image", "dpi", "gamma", "icc_profile", "interlace", "jfif",
    "jfif_density", "jfif_unit", "jfif_version", "progression", "progressive", "srgb", "transparency",
}  # fmt: skip
"""What Pillow may find in a file beside pixels that says nothing of who took the photo, where, or when."""


def fit(data: bytes, limits: Limits) -> tuple[bytes, str]:
    """The picture as it may be sent, and what was done to it ("" for nothing: the very bytes).

    A picture is written anew when it is no PNG or JPEG, has too many bytes, too many or too few pixels, or bears
    metadata, which is no business of a third party (and would be read differently by each: EXIF's orientation).
    Raises Fault when it cannot be made to fit, and FaceOffError when it is no picture.
    """
    reasons = _reasons(data, limits)
    if not reasons:
        return data, ""
    photo = image.decode(data, max_bytes=max(len(data), image.MAX_BYTES))
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


def _reasons(data: bytes, limits: Limits) -> list[str]:
    """Why the bytes cannot be sent as they are."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
            opened.load()  # a PNG may bear metadata after its pixels
            sides, bears = opened.size, bool(opened.getexif()) or not opened.info.keys() <= _HARMLESS
    except Exception:  # Pillow's parsers raise nearly everything; decoding says what is wrong, if something is
        return ["format"]
    checks = {
        "bytes": not limits.least_bytes <= len(data) <= limits.most_bytes,
        "size": min(sides) < limits.least_side or max(sides) > limits.most_side,
        "metadata": bears,
    }
    return [name for name, is_so in checks.items() if is_so]


def _write(picture: Image.Image, quality: int | None, icc: bytes | None) -> bytes:
    file = io.BytesIO()
    if quality is None:
        picture.save(file, "PNG", icc_profile=icc)
    else:
        picture.save(file, "JPEG", quality=quality, subsampling="4:4:4", icc_profile=icc)
    return file.getvalue()
