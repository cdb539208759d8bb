"""Which files are photos, and which of those are refused before anything of them is decoded."""

from __future__ import annotations

import importlib
import io
import logging
import re
from typing import Any

from PIL import AvifImagePlugin
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from faceoff.errors import FaceOffError, Reason

MAX_BYTES = 25 * 1000 * 1000
MAX_PIXELS = 50 * 1000 * 1000
MAX_SIDE = 16384

_MAX_JPEG_SCANS = 100
"""Every scan of a progressive JPEG walks the whole photo, so small files can ask for hours. Real ones have about 10."""
_MAX_SCANNED_PIXELS = 20 * MAX_PIXELS
"""Over all scans."""

_PLUGINS: dict[str, type[ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_BRANDS_END = 256

GRAY_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")
GRAY = ("1", "L", "LA", "La", *GRAY_DEEP)
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "CMYK")

# Start of scan, its length, and the number of components that the length must agree with.
_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
_FORMATS_HINT = "Use a PNG, JPEG, WEBP, AVIF, BMP, TIFF or GIF photo."
_EXPORT_HINT = "Export the photo as JPEG or PNG"

# At debug level Pillow logs the tags of the photos that it reads.
logging.getLogger("PIL").setLevel(logging.INFO)
# One photo is one thread's work: many are decoded at once, and every thread costs its worker address space.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def sniff(data: bytes, max_bytes: int = MAX_BYTES) -> str:
    """The photo's format by its first bytes, never by a name.

    Raises FaceOffError IMAGE_TOO_LARGE for more than ``max_bytes``, UNSUPPORTED_FORMAT for what is no photo, and
    IMAGE_CORRUPT for no bytes at all.
    """
    if len(data) > max_bytes:
        raise FaceOffError(
            Reason.IMAGE_TOO_LARGE,
            f"The file has {len(data) / 1e6:.1f} MB; at most {max_bytes / 1e6:.0f} MB are read.",
            "Save it as JPEG, or make it smaller.",
        )
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4], "big"), _BRANDS_END)
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    raise FaceOffError(Reason.UNSUPPORTED_FORMAT, "The file is not a photo that can be read.", _FORMATS_HINT)


def open_photo(data: bytes, format_name: str) -> ImageFile:
    """The photo with its headers read, by the one plugin of its format. Raises FaceOffError for what is too large, moves,
    or has colours that are not read, and whatever the plugin raises on broken files."""
    if format_name == "WEBP":  # its plugin allocates the whole canvas when it opens a file
        _check_size(*_webp_size(data))
    image = _plugin(format_name)(io.BytesIO(data))
    try:
        _check(image, format_name, data)
    except BaseException:
        image.close()
        raise
    return image


def check_size(image: ImageFile) -> None:
    """Raise IMAGE_TOO_LARGE: once more after decoding, since some headers lie."""
    _check_size(*image.size)


def bits(image: ImageFile, data: bytes) -> int:
    """Bits a channel."""
    if isinstance(image, PngImageFile):
        return data[24]
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(258, (8,))))
    return int(image.info.get("bit_depth", 8))


def too_large() -> FaceOffError:
    return FaceOffError(
        Reason.IMAGE_TOO_LARGE,
        f"The photo has more than {MAX_PIXELS // 10**6} megapixels or a side of more than {MAX_SIDE} pixels.",
        "Make it smaller.",
    )


def corrupt(format_name: str) -> FaceOffError:
    return FaceOffError(
        Reason.IMAGE_CORRUPT,
        f"The {format_name} file is broken or cut off.",
        "Open it in a picture editor and save it again, or use another copy.",
    )


def _plugin(format_name: str) -> type[ImageFile]:
    if format_name == "HEIF":
        return _heif()
    if format_name == "AVIF":
        if not AvifImagePlugin.SUPPORTED:
            raise FaceOffError(Reason.UNSUPPORTED_FORMAT, "AVIF photos are not read here.", f"{_EXPORT_HINT}.")
        return AvifImagePlugin.AvifImageFile
    return _PLUGINS[format_name]


def _heif() -> type[ImageFile]:
    """By an extra, since its wheels hold code under the GPL."""
    try:
        pillow_heif: Any = importlib.import_module("pillow_heif")
    except ImportError:
        raise FaceOffError(
            Reason.UNSUPPORTED_FORMAT,
            "HEIC photos are not read here.",
            f"{_EXPORT_HINT}, or have the extra `faceoff[heic]` installed.",
        ) from None
    pillow_heif.options.DECODE_THREADS = 1
    plugin: type[ImageFile] = pillow_heif.HeifImageFile
    return plugin


def _check(image: ImageFile, format_name: str, data: bytes) -> None:
    """Refuse what is too large or moves, from the headers alone."""
    check_size(image)
    # libtiff holds a whole tile at a time, and a tile may be far larger than the photo.
    if isinstance(image, TiffImageFile) and _tag(image, 322) * _tag(image, 323) > MAX_PIXELS:
        raise too_large()
    if getattr(image, "is_animated", False):
        raise FaceOffError(
            Reason.ANIMATED_IMAGE,
            "The file has several frames or pages; only still photos are protected.",
            "Save the frame that you want to protect as a photo of its own.",
        )
    if image.mode not in (*GRAY, *_COLOUR):
        raise FaceOffError(
            Reason.UNSUPPORTED_FORMAT, "The photo's colour format is not read.", "Save it with 8 bits a channel in RGB."
        )
    if format_name == "JPEG":
        scans = len(_SCAN.findall(data))
        if scans > _MAX_JPEG_SCANS or scans * image.width * image.height > _MAX_SCANNED_PIXELS:
            raise FaceOffError(
                Reason.IMAGE_TOO_LARGE, "The JPEG has too many scans to decode.", "Save it again as an ordinary JPEG."
            )


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise too_large()


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height as the first chunk has them; (0, 0) where libwebp will not find any either."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0


def _tag(image: TiffImageFile, number: int) -> int:
    return int(image.tag_v2.get(number, 1))
