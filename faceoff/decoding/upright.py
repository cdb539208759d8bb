"""From a file to pixels that stand upright: the part of reading a photo that strangers' bytes take part in.

Orientation, depth, palette, alpha and colours are settled here; what comes out is rows of 8-bit levels and a colour
profile of numbers alone (faceoff.icc).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from PIL import ExifTags, Image, ImageCms
from PIL.ImageFile import ImageFile

from faceoff import icc
from faceoff.decoding import formats
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Bytes, Float, Photo

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""The modes of what comes out."""

_STRIP_BYTES = 2**19
"""Photos travel and become floats in strips that fit into a processor's cache."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Sheet:
    """What is known of a decoded photo before its pixels: ``mode`` is a key of CHANNELS, the rest as in Photo."""

    width: int
    height: int
    mode: str
    format: str
    icc: bytes | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def grayscale(self) -> bool:
        return self.mode in ("L", "LA")

    @property
    def strips(self) -> list[tuple[int, int]]:
        """First row and number of rows of each strip, from top to bottom."""
        step = max(1, _STRIP_BYTES // self.strip_bytes(1))
        return [(top, min(step, self.height - top)) for top in range(0, self.height, step)]

    def strip_bytes(self, rows: int) -> int:
        """Bytes of a strip of ``rows``."""
        return rows * self.width * CHANNELS[self.mode]


def read(data: bytes, max_bytes: int = formats.MAX_BYTES) -> tuple[Sheet, Iterator[bytes]]:
    """The photo in ``data``: its sheet, and its strips as rows of interleaved 8-bit levels.

    Raises FaceOffError with UNSUPPORTED_FORMAT, IMAGE_TOO_LARGE, ANIMATED_IMAGE or IMAGE_CORRUPT.
    """
    format_name = formats.sniff(data, max_bytes)
    try:
        with formats.open_photo(data, format_name) as image:
            image.load()
            formats.check_size(image)
            sheet, settled = _settle(image, format_name, data)
    except FaceOffError:
        raise
    except Image.DecompressionBombError:
        raise formats.too_large() from None
    except MemoryError:
        raise out_of_memory() from None
    except Exception:  # Pillow's parsers raise nearly everything on broken files, and their words quote the file
        raise formats.corrupt(format_name) from None
    return sheet, (settled.crop((0, top, sheet.width, top + rows)).tobytes() for top, rows in sheet.strips)


def assemble(sheet: Sheet, strips: Iterable[bytes | memoryview], source: bytes) -> Photo:
    """The photo of a sheet and its strips."""
    colours = 1 if sheet.grayscale else 3
    pixels = np.empty((sheet.height, sheet.width, 3), np.float32)
    opaque = sheet.mode in ("L", "RGB")
    alpha = None if opaque else np.empty((sheet.height, sheet.width), np.uint8)
    for (top, rows), strip in zip(sheet.strips, strips, strict=True):
        levels = np.frombuffer(strip, np.uint8).reshape(rows, sheet.width, CHANNELS[sheet.mode])
        from_bytes(levels[..., :colours], out=pixels[top : top + rows])
        if alpha is not None:
            alpha[top : top + rows] = levels[..., -1]
    return Photo(pixels, sheet.format, source, alpha, sheet.icc, sheet.grayscale, sheet.warnings)


def outline(sheet: Sheet, source: bytes) -> Photo:
    """``assemble`` without strips: NaN stands for every level and takes no memory, and there is no alpha."""
    pixels = np.broadcast_to(np.float32(np.nan), (sheet.height, sheet.width, 3))
    return Photo(pixels, sheet.format, source, None, sheet.icc, sheet.grayscale, sheet.warnings)


def from_bytes(levels: Bytes, out: Float | None = None) -> Float:
    """0 .. 255 to [0, 1]."""
    return np.divide(levels, np.float32(255), out=out, dtype=np.float32)


def out_of_memory() -> FaceOffError:
    return FaceOffError(
        Reason.IMAGE_TOO_LARGE,
        "Decoding the photo takes more memory than there is for it.",
        "Make it smaller, or save it as an ordinary JPEG.",
    )


def _settle(image: ImageFile, format_name: str, data: bytes) -> tuple[Sheet, Image.Image]:
    warnings: list[str] = []
    if "mp" in image.info:
        warnings.append("The file holds more than one picture: only the first is protected and kept.")
    depth = formats.bits(image, data)
    if depth > 8:
        warnings.append("The photo has more than 8 bits a channel: it was reduced to 8.")
    gray = image.mode in formats.GRAY or _gray_palette(image)
    profile = image.info.get("icc_profile")
    upright = _upright(image, format_name)
    if upright.mode in formats.GRAY_DEEP:
        upright = _reduced(upright, depth)
    if upright.mode == "La":  # the one mode that Pillow does not convert to RGBA
        upright = upright.convert("LA")
    alpha = None
    if upright.has_transparency_data:
        upright = _as(upright, "RGBA")
        alpha = upright.getchannel("A")
        alpha = None if alpha.getextrema() == (255, 255) else alpha
    kept = None
    if upright.mode == "CMYK":
        warnings.append("The photo is in CMYK: it was converted to sRGB.")
        upright = _to_srgb(upright, profile) or upright
    elif profile:
        kept = icc.sanitise(profile, b"GRAY" if gray else b"RGB ")
        if kept is None and not gray and (converted := _to_srgb(_as(upright, "RGB"), profile)):
            warnings.append("The photo's colour profile is not a plain one: the photo was converted to sRGB.")
            upright = converted
        elif kept is None:
            warnings.append("The photo's colour profile was not usable: it was dropped.")
    settled = _as(upright, "L" if gray else "RGB")
    if alpha is not None:
        settled.putalpha(alpha)
    return Sheet(settled.width, settled.height, settled.mode, format_name, kept, tuple(warnings)), settled


def _as(image: Image.Image, mode: str) -> Image.Image:
    """Pillow's convert copies even where there is nothing to convert."""
    return image if image.mode == mode else image.convert(mode)


def _upright(image: ImageFile, format_name: str) -> Image.Image:
    orientation = 1
    if format_name != "TIFF":  # Pillow's TIFF reader turns the photo itself
        with suppress(Exception):  # broken EXIF: show the photo as it is stored, like every viewer
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _reduced(deep: Image.Image, depth: int) -> Image.Image:
    """Gray of ``depth`` bits to the nearest of 256 levels."""
    full = 2**depth - 1
    values = np.asarray(deep)
    levels = np.empty(values.shape, np.uint8)
    for source, target in zip(values, levels, strict=True):
        target[:] = (np.minimum(source, full).astype(np.uint32) * 255 + full // 2) // full
    return Image.fromarray(levels)


def _gray_palette(image: ImageFile) -> bool:
    """Whether a palette has no colour in it: many grey GIF and PNG files are written so."""
    palette = image.getpalette() if image.mode == "P" else None
    return palette is not None and palette[0::3] == palette[1::3] == palette[2::3]


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """None when the profile is missing or not for this image."""
    if not profile:
        return None
    with suppress(ImageCms.PyCMSError, OSError, ValueError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return None
