"""Files of every format that is read, small and whole: what fuzzing begins from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from faceoff.testing import picture
from tests.unit.decoding.files import HEIC, HEIC_TURNED, mpo, save, srgb_profile, telling_files


def seeds() -> list[bytes]:
    return [*_plain(), *telling_files(), mpo(), HEIC, HEIC_TURNED]


def _plain() -> Iterator[bytes]:
    image = Image.fromarray((picture(40, 48) * 255).astype(np.uint8))
    clear = image.convert("RGBA")
    clear.putalpha(image.convert("L"))
    deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    indexed = image.quantize(16)
    profile = {"icc_profile": srgb_profile()}
    turned = Image.Exif()
    turned[274] = 6
    for shown in (image, clear, deep, indexed, image.convert("1"), image.convert("LA")):
        yield save(shown, "PNG")
    yield save(image, "PNG", exif=turned, **profile)
    for shown in (image, image.convert("L"), image.convert("CMYK")):
        yield save(shown, "JPEG", progressive=shown is image, **profile)
    for lossless in (True, False):
        yield save(clear, "WEBP", lossless=lossless, exif=turned, **profile)
    yield save(image, "WEBP", quality=50)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        yield save(image, "TIFF", compression=compression)
    yield save(image.convert("1"), "TIFF", compression="group4")
    yield save(deep, "TIFF")
    yield save(indexed, "GIF", transparency=3, interlace=True)
    yield save(image, "BMP")
    yield save(indexed, "BMP")
    yield save(clear, "AVIF", exif=turned, **profile)
