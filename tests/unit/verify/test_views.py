"""What happens to a photo on its way."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from faceoff import image
from faceoff.testing import picture
from faceoff.types import Box, Crop, Encoding, Face, Photo, Transform, View
from faceoff.verify.views import SURVIVAL, cut, resized, show

PIXELS = picture(120, 160)
PHOTO = image.decode(image.encode(PIXELS, Photo(PIXELS, "PNG", b""), Encoding()))


def crop(left: int, top: int, side: int) -> Crop:
    landmarks = np.zeros((5, 2), np.float32)
    face = Face(Box(left + 10, top + 12, 20, 24), landmarks, 1.0)
    return Crop(np.zeros((8, 8, 3), np.float32), landmarks, Transform(left, top, side, 8), face)


def test_the_photo_itself_is_the_very_bytes() -> None:
    assert show(PHOTO, View.PHOTO) is PHOTO


def test_jpeg_is_quality_75_with_half_the_colour() -> None:
    with Image.open(io.BytesIO(show(PHOTO, View.JPEG).source)) as opened:
        assert opened.format == "JPEG"
        tables = opened.quantization  # type: ignore[attr-defined]
        assert [layer[1:3] for layer in opened.layer] == [(2, 2), (1, 1), (1, 1)]  # type: ignore[attr-defined]
    reference = io.BytesIO()
    Image.new("RGB", (8, 8)).save(reference, "JPEG", quality=75)
    assert tables == Image.open(reference).quantization  # type: ignore[attr-defined]


def test_half_and_denoised() -> None:
    half = show(PHOTO, View.HALF)
    assert half.pixels.shape == (60, 80, 3)
    assert half.pixels.mean() == pytest.approx(PHOTO.pixels.mean(), abs=0.01)
    speck = PHOTO.pixels.copy()
    speck[60, 80] = 1 - speck[60, 80]
    noisy = replace(PHOTO, pixels=speck)
    assert np.array_equal(show(noisy, View.DENOISED).pixels[60, 80], PHOTO.pixels[61, 81])


def test_views_repeat_to_the_last_byte() -> None:
    for view in (View.PHOTO, *SURVIVAL):
        assert show(PHOTO, view).source == show(PHOTO, view).source


@pytest.mark.parametrize(("left", "top"), [(30, 20), (-5, -8), (140, 100)])
def test_a_cut_is_the_photos_own_pixels(left: int, top: int) -> None:
    data, box = cut(PHOTO, crop(left, top, 64), 1.0)
    rows, columns = slice(max(top, 0), top + 64), slice(max(left, 0), left + 64)
    assert np.array_equal(image.decode(data).pixels, PHOTO.pixels[rows, columns])
    assert (box.x + columns.start, box.y + rows.start) == (left + 10, top + 12)


def test_a_cut_of_the_photo_at_another_size() -> None:
    data, box = cut(show(PHOTO, View.HALF), crop(30, 20, 64), 0.5)
    assert image.decode(data).pixels.shape == (32, 32, 3)
    assert box == Box(5, 6, 10, 12)
    assert resized(Box(1, 2, 3, 4), 2) == Box(2, 4, 6, 8)
