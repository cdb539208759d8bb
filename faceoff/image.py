"""The door for photos: bytes to Photo and back.

Strangers' bytes are sniffed, measured and only then decoded, by the one Pillow plugin that the sniffing chose. Nothing
but pixels, alpha and a rebuilt colour profile (faceoff.icc) goes through: no EXIF, thumbnail, comment, XMP or text.

Colour: plain RGB and grey profiles (sRGB, Display P3, Adobe RGB, ...) are kept beside untouched pixels, so that pixels
outside the faces stay identical in a lossless result. Photos in CMYK or with a table-based profile are converted to
sRGB, with a warning.
"""

from __future__ import annotations

import io
from typing import Protocol

import numpy as np
from PIL import Image

from faceoff.decoding.formats import MAX_BYTES as MAX_BYTES
from faceoff.decoding.formats import MAX_PIXELS as MAX_PIXELS
from faceoff.decoding.formats import MAX_SIDE as MAX_SIDE
from faceoff.decoding.upright import assemble, from_bytes, read
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Bytes, Encoding, Float, Photo

_MAX_WEBP_SIDE = 16383


class Decode(Protocol):
    """``decode`` in this process, or that of faceoff.decoding.pool.Decoder."""

    def __call__(self, data: bytes, max_bytes: int = MAX_BYTES) -> Photo: ...


def decode(data: bytes, max_bytes: int = MAX_BYTES) -> Photo:
    """The photo in ``data``; sizes are checked before anything is decoded.

    ``max_bytes`` is for results of our own, which may be larger than what a stranger may send. Services decode what
    strangers send in a child process: faceoff.decoding.pool.Decoder. Raises FaceOffError with UNSUPPORTED_FORMAT,
    IMAGE_TOO_LARGE, ANIMATED_IMAGE or IMAGE_CORRUPT.
    """
    sheet, strips = read(data, max_bytes)
    return assemble(sheet, strips, data)


def encode(pixels: Float, like: Photo, encoding: Encoding) -> bytes:
    """``pixels`` [H, W, 3] in [0, 1] as a file with ``like``'s alpha and colour profile, and no other metadata.

    Grey photos stay grey: the mean of the three channels is written. JPEG has no alpha: the photo is put on white
    (``on_white``). Raises FaceOffError INVALID_ARGUMENT for an unknown format, a quality outside 1..100, pixels that do
    not fit ``like``, or a photo with a side over 16383 as WEBP.
    """
    if pixels.shape != like.pixels.shape:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, f"Pixels {pixels.shape} do not fit the photo {like.pixels.shape}.",
            "Encode pixels of the photo's own size.",
        )  # fmt: skip
    check_encoding(encoding, max(like.height, like.width))
    options: dict[str, object] = {}
    if encoding.format == "JPEG":
        options = {"quality": encoding.quality, "subsampling": "4:4:4"}
    elif encoding.format == "WEBP":
        options = {"lossless": True, "exact": True}
    alpha = like.alpha
    if alpha is not None and encoding.format == "JPEG":
        pixels, alpha = on_white(pixels, alpha), None
    image = Image.fromarray(to_bytes(pixels.mean(axis=2) if like.grayscale else pixels))
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    file = io.BytesIO()
    profile = None if like.grayscale and encoding.format == "WEBP" else like.icc  # WEBP has no grey for a grey profile
    image.save(file, encoding.format, icc_profile=profile, **options)
    return file.getvalue()


def check_encoding(encoding: Encoding, side: int = 1) -> None:
    """Raise INVALID_ARGUMENT where ``encode`` would for a photo whose longer side has ``side`` pixels."""
    possible = {"PNG": True, "JPEG": 1 <= encoding.quality <= 100, "WEBP": side <= _MAX_WEBP_SIDE}
    if not possible.get(encoding.format):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"This photo cannot be written as {encoding.format} with quality {encoding.quality}.",
            "Use PNG, JPEG with a quality of 1 to 100, or WEBP for sides of up to 16383 pixels.",
            field="encoding",
        )


def to_bytes(pixels: Float) -> Bytes:
    """[0, 1] to the nearest of the 256 levels, clipped; ``k / 255`` gives exactly ``k``."""
    levels = pixels * np.float32(255)
    np.rint(levels, out=levels)
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)


def on_white(pixels: Float, alpha: Bytes) -> Float:
    """``pixels`` [H, W, 3] laid over white by ``alpha`` [H, W], on the 256 levels: what formats without alpha show."""
    cover = from_bytes(alpha)[..., None]
    return from_bytes(to_bytes(pixels * cover + (1 - cover)))
