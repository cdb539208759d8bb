from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from faceoff import image
from faceoff.verify.victims.calls import Fault, Limits
from faceoff.verify.victims.fitting import fit
from tests.unit.verify.victims.house import person, picture


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    "options",
    [
        {"format": "PNG"},
        {
            "format": "PNG",
            "dpi": (72, 72),
            "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        },
        {"format": "JPEG", "quality": 90, "progressive": True},
        {"format": "JPEG", "restart_marker_blocks": 2, "icc_profile": bytes(200_000)},
        {"format": "JPEG", "keep_rgb": True},
    ],
)
def test_what_fits_goes_as_it_is(options: dict[str, Any]) -> None:
    data = picture(person(0), **options).data
    assert fit(data, Limits(most_bytes=10**6)) == (data, "")


def test_other_formats_become_png_without_loss() -> None:
    data = picture(person(0), format="WEBP", lossless=True).data
    sent, note = fit(data, Limits(most_bytes=10**6))
    assert note == "written anew as PNG (format)"
    assert (image.decode(sent).pixels == image.decode(data).pixels).all()


def test_metadata_stays_here() -> None:
    exif = Image.Exif()
    exif[0x010F] = "CANARY"
    exif[0x0112] = 6
    for options in (
        {"format": "JPEG", "exif": exif},
        {"format": "PNG", "exif": exif},
        {"format": "JPEG", "comment": "CANARY"},
    ):
        data = picture(person(0), **options).data
        assert b"CANARY" in data
        sent, note = fit(data, Limits(most_bytes=10**6))
        assert b"CANARY" not in sent
        assert note == "written anew as PNG (metadata)"
        assert (image.decode(sent).pixels == image.decode(data).pixels).all()


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


PNG, JPEG = picture(person(0)).data, picture(person(0), format="JPEG", progressive=True).data
HIDDEN = {
    "a phone's film after a JPEG": JPEG + b"....ftypmp42CANARY",
    "a JPEG after a JPEG": JPEG + JPEG[:20] + segment(0xFE, b"CANARY") + JPEG[20:],
    "a JPEG's provenance": JPEG[:20] + segment(0xEB, b"JP..CANARY") + JPEG[20:],
    "a JPEG's unknown segment": JPEG[:20] + segment(0xEC, b"CANARY") + JPEG[20:],
    "a JPEG's thumbnail": JPEG[:20] + segment(0xE0, b"JFXX\0CANARY") + JPEG[20:],
    "a PNG's unknown chunk": PNG[:33] + chunk(b"prVt", b"CANARY") + PNG[33:],
    "something after a PNG": PNG + b"CANARY",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_pillow_passes_over_stays_here_too(name: str) -> None:
    sent, note = fit(HIDDEN[name], Limits(most_bytes=10**6))
    assert b"CANARY" not in sent
    assert note == "written anew as PNG (metadata)"
    assert (image.decode(sent).pixels == image.decode(HIDDEN[name]).pixels).all()


def test_bytes_sides_and_alpha() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 500, 4), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    sent, note = fit(out.getvalue(), Limits(most_bytes=60_000, most_side=250))
    assert len(sent) <= 60_000
    assert opened(sent).size == (250, 100)
    assert opened(sent).mode == "RGB"
    assert "at 250x100" in note
    assert "(bytes, size)" in note
    small = picture(side=40).data
    sent, note = fit(small, Limits(most_bytes=10**6, least_side=80))
    assert opened(sent).size == (80, 80)
    assert "at 80x80" in note


def test_what_cannot_fit_is_not_sent() -> None:
    thin = io.BytesIO()
    Image.new("RGB", (4000, 2)).save(thin, "PNG")
    for data, limits in (
        (picture(person(0)).data, Limits(most_bytes=100)),
        (picture().data, Limits(most_bytes=10**6, least_bytes=10**5)),
        (thin.getvalue(), Limits(most_bytes=10**6, least_side=48, most_side=4096)),
    ):
        with pytest.raises(Fault, match="Nothing was sent"):
            fit(data, limits)
