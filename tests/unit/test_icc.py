"""Profiles come out with their colours and without their stories."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from faceoff import icc

TEXT = b"Serial 4711 of somebody"


def build(tags: dict[bytes, bytes], space: bytes = b"RGB ", version: int = 2, pcs: bytes = b"XYZ ") -> bytes:
    """A profile with ``tags``, whose header tells a story."""
    header = bytearray(128)
    header[8] = version
    header[12:24] = b"mntr" + space + pcs
    header[24:36] = struct.pack(">6H", 2024, 5, 17, 8, 30, 1)
    header[36:40] = b"acsp"
    header[48:56] = b"ACMEm0d1"
    header[68:80] = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    header[80:84] = b"Anna"
    table, body = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    profile = bytes(header) + table + body
    return struct.pack(">I", len(profile)) + profile[4:]


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def text(message: bytes) -> bytes:
    return b"text\0\0\0\0" + message + b"\0"


GAMMA = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
SRGB_CURVE = b"para\0\0\0\0" + struct.pack(">HH5i", 3, 0, 157286, 62119, 3417, 5072, 2651)
P3 = {
    b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(TEXT) + 1) + TEXT + bytes(79),
    b"cprt": text(TEXT),
    b"wtpt": xyz(0.9642, 1, 0.8249),
    b"rXYZ": xyz(0.5151, 0.2412, -0.0011),
    b"gXYZ": xyz(0.2919, 0.6922, 0.0419),
    b"bXYZ": xyz(0.1571, 0.0666, 0.7841),
    b"rTRC": GAMMA,
    b"gTRC": GAMMA,
    b"bTRC": GAMMA,
    b"vcgt": b"vcgt\0\0\0\0" + TEXT,
}


def srgb(profile: bytes, mode: str = "RGB") -> np.ndarray:
    rng = np.random.default_rng(5)
    shape = (16, 16, 3) if mode == "RGB" else (16, 16)
    image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, io.BytesIO(profile), target, outputMode="RGB")
    return np.asarray(converted)


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize(
    "curve", [GAMMA, SRGB_CURVE, b"curv\0\0\0\0" + struct.pack(">I256H", 256, *range(0, 65536, 256))]
)
def test_colours_stay(version: int, curve: bytes) -> None:
    profile = build(P3 | {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}, version=version)
    clean = icc.sanitise(profile, b"RGB ")
    assert clean is not None
    np.testing.assert_array_equal(srgb(clean), srgb(profile))
    assert icc.sanitise(clean, b"RGB ") == clean


def test_a_real_profile() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    clean = icc.sanitise(profile, b"RGB ")
    assert clean is not None
    np.testing.assert_array_equal(srgb(clean), srgb(profile))


def test_grey() -> None:
    profile = build({b"wtpt": P3[b"wtpt"], b"kTRC": GAMMA, b"cprt": text(TEXT)}, space=b"GRAY")
    clean = icc.sanitise(profile, b"GRAY")
    assert clean is not None
    np.testing.assert_array_equal(srgb(clean, "L"), srgb(profile, "L"))


def test_stories_go_even_behind_the_numbers() -> None:
    hidden = {name: tag + TEXT for name, tag in P3.items()}
    hidden[b"rXYZ"] = b"XYZ Anna" + hidden[b"rXYZ"][8:]
    clean = icc.sanitise(build(hidden), b"RGB ")
    assert clean is not None
    for story in (TEXT, TEXT[:6], b"ACME", b"Anna", b"m0d1", struct.pack(">3H", 2024, 5, 17)):
        assert story not in clean
    assert clean == icc.sanitise(build(P3), b"RGB ")


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        b"not a profile",
        build(P3)[:140],
        build(P3, space=b"CMYK"),
        build(P3, pcs=b"Lab "),
        build(P3, version=5),
        build(P3 | {b"A2B0": b"mft2"}),
        build({name: tag for name, tag in P3.items() if name != b"gTRC"}),
        build(P3 | {b"rTRC": b"curv\0\0\0\0" + struct.pack(">I", 5000) + bytes(10000)}),
        build(P3 | {b"rTRC": b"curv\0\0\0\0" + struct.pack(">I", 500)}),
        build(P3 | {b"rTRC": b"para\0\0\0\0" + struct.pack(">HH", 9, 0)}),
        build(P3 | {b"rXYZ": GAMMA}),
        build(P3)[:128] + struct.pack(">I", 2**31),
    ],
)
def test_not_a_plain_profile(profile: bytes) -> None:
    assert icc.sanitise(profile, b"RGB ") is None
