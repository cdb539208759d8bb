"""Which files are taken, by their bytes alone: HEIC and AVIF, files that are two things, and files that go in circles."""

import struct
import sys

import numpy as np
import pytest
from PIL import AvifImagePlugin, Image

from faceoff.errors import FaceOffError, Reason
from faceoff.image import decode, encode, to_bytes
from faceoff.types import Encoding
from tests.unit.decoding.files import (
    HEIC,
    HEIC_SEVERAL,
    HEIC_TURNED,
    SECRET,
    chunk,
    jpeg_segment,
    png,
    riff,
    save,
    smooth,
)


def refused(data: bytes) -> FaceOffError:
    with pytest.raises(FaceOffError) as caught:
        decode(data)
    return caught.value


# HEIC and AVIF


@pytest.mark.parametrize("data", [HEIC, HEIC_TURNED])
def test_heic(data: bytes) -> None:
    pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    photo = decode(data)
    expected = smooth() if data == HEIC else np.rot90(smooth(), -1)
    assert (photo.format, photo.warnings) == ("HEIF", ())
    assert photo.pixels.shape == expected.shape
    assert np.abs(to_bytes(photo.pixels).astype(int) - expected).max() <= 8
    assert SECRET not in encode(photo.pixels, photo, Encoding("JPEG"))


def test_several_heic_pictures_are_refused() -> None:
    pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    assert refused(HEIC_SEVERAL).reason is Reason.ANIMATED_IMAGE


def test_broken_heic() -> None:
    pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    for length in (20, 100, 400, len(HEIC) - 20):
        assert refused(HEIC[:length]).reason is Reason.IMAGE_CORRUPT


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    error = refused(HEIC)
    assert error.reason is Reason.UNSUPPORTED_FORMAT
    assert "faceoff[heic]" in error.hint


def test_avif() -> None:
    exif = Image.Exif()
    exif[274] = 6
    photo = decode(save(Image.fromarray(smooth()), "AVIF", quality=90, exif=exif))
    assert photo.format == "AVIF"
    assert np.abs(to_bytes(photo.pixels).astype(int) - np.rot90(smooth(), -1)).max() <= 12
    frames = [Image.fromarray(smooth()), Image.fromarray(255 - smooth())]
    moving = save(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert refused(moving).reason is Reason.ANIMATED_IMAGE


def test_pillow_without_avif(monkeypatch: pytest.MonkeyPatch) -> None:
    data = save(Image.fromarray(smooth()), "AVIF")
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    assert refused(data).reason is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("brand", [b"isom", b"mp42", b"qt  ", b"crx ", b"jxl "])
def test_other_boxes(brand: bytes) -> None:
    assert refused(struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"isomiso2" + bytes(99)).reason is (
        Reason.UNSUPPORTED_FORMAT
    )


# WebP: its plugin allocates what the header asks for, so the header is read before


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"lossless": True, "exif": b"Exif\0\0x"}])
@pytest.mark.parametrize("size", [(1, 1), (37, 300), (16383, 2)])
def test_webp_sizes_are_read_as_libwebp_does(size: tuple[int, int], options: dict[str, object]) -> None:
    photo = decode(save(Image.new("RGB", size), "WEBP", **options))
    assert (photo.width, photo.height) == size


def test_webp_headers_that_ask_for_too_much() -> None:
    lossless = save(Image.new("RGB", (8, 8)), "WEBP", lossless=True)
    lossy = save(Image.new("RGB", (8, 8)), "WEBP")
    wide = struct.pack("<I", 16382 | 16382 << 14)
    assert refused(lossless[:21] + wide + lossless[25:]).reason is Reason.IMAGE_TOO_LARGE
    assert refused(lossy[:26] + struct.pack("<HH", 16383, 16383) + lossy[30:]).reason is Reason.IMAGE_TOO_LARGE
    assert refused(riff(b"XYZ " + bytes(40))).reason is Reason.IMAGE_CORRUPT


# Animation


def apng(frames: int, rest: bytes = b"") -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in smooth())
    return png(32, 24, rows, extra=chunk(b"acTL", struct.pack(">II", frames, 0)) + rest)


def test_apng() -> None:
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 32, 24, 0, 0, 1, 1, 0, 0))
    assert refused(apng(2)).reason is Reason.ANIMATED_IMAGE
    assert refused(apng(2, control)).reason is Reason.ANIMATED_IMAGE
    np.testing.assert_array_equal(to_bytes(decode(apng(1, control)).pixels), smooth())
    # One frame, and beside it a picture for those who cannot play it: two pictures.
    assert refused(apng(1)).reason is Reason.ANIMATED_IMAGE


# Two things at once, and circles


def test_what_follows_a_photo_does_not_go_through() -> None:
    archive = b"PK\x03\x04" + SECRET + b"PK\x05\x06" + bytes(18)
    page = b"<html><script>alert('" + SECRET + b"')</script></html>"
    for tail in (archive, page, save(Image.fromarray(255 - smooth()), "JPEG"), b"%PDF-1.7\n" + SECRET):
        for format_name in ("PNG", "JPEG", "WEBP", "BMP"):
            photo = decode(save(Image.fromarray(smooth()), format_name) + tail)
            assert photo.format == format_name
            for encoding in (Encoding("PNG"), Encoding("JPEG"), Encoding("WEBP")):
                assert SECRET not in encode(photo.pixels, photo, encoding)


def test_exif_that_goes_in_circles() -> None:
    """Its directories point at themselves and at each other."""
    entry = struct.pack(">HHI", 0x8769, 4, 1) + struct.pack(">I", 8)
    turned = struct.pack(">HHI", 274, 3, 1) + struct.pack(">HH", 6, 0)
    loop = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 2) + turned + entry + struct.pack(">I", 8)
    jpeg = save(Image.fromarray(smooth()), "JPEG")
    data = jpeg[:2] + jpeg_segment(0xE1, b"Exif\0\0" + loop) + jpeg[2:]
    assert decode(data).pixels.shape == (32, 24, 3)
    rows = b"".join(b"\0" + row.tobytes() for row in smooth())
    assert decode(png(32, 24, rows, extra=chunk(b"eXIf", loop))).pixels.shape == (32, 24, 3)


def test_a_tiff_whose_next_page_is_itself() -> None:
    data = bytearray(save(Image.fromarray(smooth()), "TIFF"))
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    np.testing.assert_array_equal(to_bytes(decode(bytes(data)).pixels), smooth())


def test_too_many_scans_for_so_many_pixels() -> None:
    data = save(Image.new("L", (6000, 5000)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert decode(data).width == 6000
    assert refused(data[:-2] + scan * 40 + data[-2:]).reason is Reason.IMAGE_TOO_LARGE
