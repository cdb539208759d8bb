"""The door for photos: bytes to Photo and back.

Strangers' bytes are sniffed, measured and only then decoded, by the one Pillow plugin that the sniffing chose. Nothing
but pixels, alpha and a rebuilt colour profile (faceoff.icc) goes through: no EXIF, thumbnail, comment, XMP or text.

Colour: plain RGB and grey profiles (sRGB, Display P3, Adobe RGB, ...) are kept beside untouched pixels, so that pixels
outside the faces stay identical in a lossless result. Photos in CMYK or with a table-based profile are converted to
sRGB, with a warning.
"""

from __future__ import annotations

import io
import logging
import re
from contextlib import suppress

import numpy as np
from PIL import ExifTags, Image, ImageCms
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from faceoff import icc
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Bytes, Encoding, Float, Photo

MAX_BYTES = 25 * 1000 * 1000
MAX_PIXELS = 50 * 1000 * 1000
MAX_SIDE = 16384

_MAX_WEBP_SIDE = 16383
_MAX_JPEG_SCANS = 100
"""Every scan of a progressive JPEG walks the whole photo, so small files can ask for hours. Real ones have about 10."""

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
_GRAY_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")
_GRAY = ("1", "L", "LA", "La", *_GRAY_DEEP)
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "CMYK")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Start of scan, its length, and the number of components that the length must agree with.
_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
_FORMATS_HINT = "Use a PNG, JPEG, WEBP, BMP, TIFF or GIF photo."

# At debug level Pillow logs the tags of the photos that it reads.
logging.getLogger("PIL").setLevel(logging.INFO)


def decode(data: bytes, max_bytes: int = MAX_BYTES) -> Photo:
    """The photo in ``data``; sizes are checked before anything is decoded.

    ``max_bytes`` is for results of our own, which may be larger than what a stranger may send. Raises FaceOffError with
    UNSUPPORTED_FORMAT, IMAGE_TOO_LARGE, ANIMATED_IMAGE or IMAGE_CORRUPT.
    """
    if len(data) > max_bytes:
        raise FaceOffError(
            Reason.IMAGE_TOO_LARGE,
            f"The file has {len(data) / 1e6:.1f} MB; at most {max_bytes / 1e6:.0f} MB are read.",
            "Save it as JPEG, or make it smaller.",
        )
    format_name = _sniff(data)
    try:
        with _PLUGINS[format_name](io.BytesIO(data)) as image:
            _check(image, format_name, data)
            image.load()
            return _photo(image, format_name, data)
    except FaceOffError:
        raise
    except Image.DecompressionBombError:
        raise _too_many_pixels() from None
    except Exception:  # Pillow's parsers raise nearly everything on broken files, and their words quote the file
        raise FaceOffError(
            Reason.IMAGE_CORRUPT,
            f"The {format_name} file is broken or cut off.",
            "Open it in a picture editor and save it again, or use another copy.",
        ) from None


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
    if encoding.format == "PNG":
        options: dict[str, object] = {}
    elif encoding.format == "JPEG" and 1 <= encoding.quality <= 100:
        options = {"quality": encoding.quality, "subsampling": "4:4:4"}
    elif encoding.format == "WEBP" and max(like.height, like.width) <= _MAX_WEBP_SIDE:
        options = {"lossless": True, "exact": True}
    else:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"This photo cannot be written as {encoding.format} with quality {encoding.quality}.",
            "Use PNG, JPEG with a quality of 1 to 100, or WEBP for sides of up to 16383 pixels.",
        )
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


def to_bytes(pixels: Float) -> Bytes:
    """[0, 1] to the nearest of the 256 levels, clipped; ``k / 255`` gives exactly ``k``."""
    levels = pixels * np.float32(255)
    np.rint(levels, out=levels)
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)


def on_white(pixels: Float, alpha: Bytes) -> Float:
    """``pixels`` [H, W, 3] laid over white by ``alpha`` [H, W], on the 256 levels: what formats without alpha show."""
    cover = _from_bytes(alpha)[..., None]
    return _from_bytes(to_bytes(pixels * cover + (1 - cover)))


def _from_bytes(levels: Bytes) -> Float:
    return np.divide(levels, np.float32(255), dtype=np.float32)


def _sniff(data: bytes) -> str:
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"):
        raise FaceOffError(
            Reason.UNSUPPORTED_FORMAT, "HEIC and AVIF photos are not read.", "Export the photo as JPEG or PNG."
        )
    raise FaceOffError(Reason.UNSUPPORTED_FORMAT, "The file is not a photo that can be read.", _FORMATS_HINT)


def _check(image: ImageFile, format_name: str, data: bytes) -> None:
    """Refuse what is too large or moves, from the headers alone."""
    if max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels()
    # libtiff holds a whole tile at a time, and a tile may be far larger than the photo.
    if isinstance(image, TiffImageFile) and _tag(image, 322) * _tag(image, 323) > MAX_PIXELS:
        raise _too_many_pixels()
    if getattr(image, "is_animated", False):
        raise FaceOffError(
            Reason.ANIMATED_IMAGE,
            "The file has several frames or pages; only still photos are protected.",
            "Save the frame that you want to protect as a photo of its own.",
        )
    if image.mode not in (*_GRAY, *_COLOUR):
        raise FaceOffError(
            Reason.UNSUPPORTED_FORMAT, "The photo's colour format is not read.", "Save it with 8 bits a channel in RGB."
        )
    if format_name == "JPEG" and len(_SCAN.findall(data)) > _MAX_JPEG_SCANS:
        raise FaceOffError(
            Reason.IMAGE_TOO_LARGE, "The JPEG has too many scans to decode.", "Save it again as an ordinary JPEG."
        )


def _too_many_pixels() -> FaceOffError:
    return FaceOffError(
        Reason.IMAGE_TOO_LARGE,
        f"The photo has more than {MAX_PIXELS // 10**6} megapixels or a side of more than {MAX_SIDE} pixels.",
        "Make it smaller.",
    )


def _photo(image: ImageFile, format_name: str, data: bytes) -> Photo:
    """``image`` is decoded; its orientation, depth, palette, alpha and colours are settled here."""
    warnings: list[str] = []
    if "mp" in image.info:
        warnings.append("The file holds more than one picture: only the first is protected and kept.")
    deep = _bits(image, data) > 8
    if deep:
        warnings.append("The photo has more than 8 bits a channel: it was reduced to 8.")
    grayscale = image.mode in _GRAY or _grey_palette(image)
    profile = image.info.get("icc_profile")
    upright = _upright(image, format_name)
    if upright.mode in _GRAY_DEEP:
        levels = np.asarray(upright).astype(np.float32) / np.float32(2 ** _bits(image, data) - 1)
        upright = Image.fromarray(to_bytes(levels))
    if upright.mode == "La":  # the one mode that Pillow does not convert to RGBA
        upright = upright.convert("LA")
    alpha = None
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        alpha = np.asarray(upright.getchannel("A"))
        alpha = None if alpha.min() == 255 else alpha
    kept = None
    if upright.mode == "CMYK":
        warnings.append("The photo is in CMYK: it was converted to sRGB.")
        upright = _to_srgb(upright, profile) or upright
    elif profile:
        kept = icc.sanitise(profile, b"GRAY" if grayscale else b"RGB ")
        if kept is None and not grayscale and (converted := _to_srgb(upright.convert("RGB"), profile)):
            warnings.append("The photo's colour profile is not a plain one: the photo was converted to sRGB.")
            upright = converted
        elif kept is None:
            warnings.append("The photo's colour profile was not usable: it was dropped.")
    pixels = _from_bytes(np.asarray(upright.convert("RGB")))
    return Photo(pixels, format_name, data, alpha, kept, grayscale, tuple(warnings))


def _upright(image: ImageFile, format_name: str) -> Image.Image:
    orientation = 1
    if format_name != "TIFF":  # Pillow's TIFF reader turns the photo itself
        with suppress(Exception):  # broken EXIF: show the photo as it is stored, like every viewer
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _grey_palette(image: ImageFile) -> bool:
    """Whether a palette has no colour in it: many grey GIF and PNG files are written so."""
    palette = image.getpalette() if image.mode == "P" else None
    return palette is not None and palette[0::3] == palette[1::3] == palette[2::3]


def _bits(image: ImageFile, data: bytes) -> int:
    """Bits a channel."""
    if isinstance(image, PngImageFile):
        return data[24]
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(258, (8,))))
    return 8


def _tag(image: TiffImageFile, number: int) -> int:
    return int(image.tag_v2.get(number, 1))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """None when the profile is missing or not for this image."""
    if not profile:
        return None
    with suppress(ImageCms.PyCMSError, OSError, ValueError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return None
