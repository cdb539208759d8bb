"""Photos that tell all that photos can tell, each in a word that is found again wherever it stands."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from faceoff import image
from tests.canary.search import blocks, digests, forms
from tests.unit.decoding.files import add_thumbnail, chunk, more_jpeg_segments, png, save, srgb_profile

HEIGHT = 120


def mark(name: str) -> str:
    """Thirteen letters, as many as the profile's own description has."""
    return f"Zq{name[:4]:x<4}{hashlib.sha256(name.encode()).hexdigest()[:7]}"


IN_PHOTOS = (
    "make", "artist", "gps area", "user comment", "maker note", "broken exif", "xmp", "iptc", "extended xmp", "jpeg comment",
    "icc description", "behind the end", "png text", "png ztxt", "png itxt", "png exif", "png own chunk", "reference",
)  # fmt: skip
_ASIDE = (
    "file name",
    "idempotency key",
    "wrong token",
    "broken upload",
    "header",
    "path",
    "field",
    "user agent",
    "secret in env",
)
MARKS = {name: mark(name) for name in (*IN_PHOTOS, *_ASIDE, "unknown victim", "tenant", "planted")}
MARKS["webhook"] = mark("webhook") + "A" * 27  # base64 of 30 bytes


@dataclass(frozen=True)
class Telling:
    """A file, what a thief would look for in it, and its bytes that show the picture."""

    name: str
    data: bytes
    scan: bytes
    thumbnail: bytes = b""

    def patterns(self) -> dict[bytes, str]:
        levels = np.round(image.decode(self.data).pixels * 255).astype(np.uint8)
        plain, floats = levels.tobytes(), image.decode(self.data).pixels.tobytes()
        return {
            **blocks(f"the scan of {self.name}", self.scan),
            **blocks(f"the thumbnail of {self.name}", self.thumbnail),
            **blocks(f"the pixels of {self.name}", plain, every=2),
            **blocks(f"the pixels of {self.name} as floats", floats, every=8),
            **digests(self.name, self.data),
            **digests(f"the pixels of {self.name}", plain),
        }


def noise(width: int, height: int = HEIGHT, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, width, height]).integers(0, 256, (height, width, 3), np.uint8)


@cache
def jpeg_photo(width: int) -> Telling:
    """A JPEG with EXIF (a second picture in it), XMP, IPTC, comments, a profile, and something behind the end."""
    preview = save(Image.fromarray(noise(48, 36, seed=width)), "JPEG")
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = MARKS["make"], MARKS["artist"]
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.6), 28: MARKS["gps area"].encode()})
    exif.get_ifd(0x8769).update(
        {0x9286: b"ASCII\0\0\0" + MARKS["user comment"].encode(), 0x927C: MARKS["maker note"].encode()}
    )
    telling = b"Exif\0\0" + add_thumbnail(exif.tobytes()[6:], preview)
    described = "sRGB built-in".encode("utf-16-be")
    profile = srgb_profile().replace(described, MARKS["icc description"].encode("utf-16-be"))
    data = save(
        Image.fromarray(noise(width)),
        "JPEG",
        quality=80,
        exif=telling,
        comment=MARKS["jpeg comment"].encode(),
        xmp=f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{MARKS['xmp']}</x:xmpmeta>".encode(),
        icc_profile=profile,
    )
    data = more_jpeg_segments(data, MARKS["iptc"].encode(), MARKS["extended xmp"].encode())
    return Telling(f"the JPEG {width} wide", data + MARKS["behind the end"].encode(), scan_of(data), scan_of(preview))


@cache
def png_photo(width: int) -> Telling:
    """A PNG with texts of every kind, EXIF that readers stumble over, and a chunk of its maker's own."""
    text = chunk(b"tEXt", b"Author\0" + MARKS["png text"].encode())
    text += chunk(b"zTXt", b"Comment\0\0" + zlib.compress(MARKS["png ztxt"].encode()))
    text += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + MARKS["png itxt"].encode())
    text += chunk(b"eXIf", _broken_exif()) + chunk(b"prVt", MARKS["png own chunk"].encode())
    rows = b"".join(b"\0" + row.tobytes() for row in noise(width, seed=1))
    data = png(width, HEIGHT, rows, extra=text)
    start = data.index(b"IDAT")
    return Telling(f"the PNG {width} wide", data, data[start + 4 :])


@cache
def reference_photo() -> Telling:
    """What a person gives as another photo of themselves."""
    exif = Image.Exif()
    exif[0x010E] = MARKS["reference"]
    data = save(Image.fromarray(noise(200, 160, seed=2)), "JPEG", exif=exif, comment=MARKS["reference"].encode())
    return Telling("the reference", data, scan_of(data))


def scan_of(jpeg: bytes) -> bytes:
    """Without the tables, which many files share."""
    return jpeg[jpeg.rindex(b"\xff\xda") + 14 : -2]


def _broken_exif() -> bytes:
    """Entries with more values than they may have, and longer than the file: readers warn, and may quote."""
    made, odd = MARKS["png exif"].encode(), MARKS["broken exif"].encode()
    entries = [(0x010F, 2, len(made), 62), (0x0112, 3, 4, 62), (0x013B, 2, 1 << 20, 80), (0x9286, 13, len(odd), 80)]
    table = struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHII", *entry) for entry in entries) + bytes(4)
    return b"MM\0*" + struct.pack(">I", 8) + table + made.ljust(18, b"\0") + odd


def marked() -> dict[bytes, str]:
    """Every mark in every form."""
    return {pattern: name for word, text in MARKS.items() for pattern, name in forms(word, text.encode()).items()}
