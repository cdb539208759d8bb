"""Amplifying, pasting and the visibility budget."""

import io

import numpy as np
import pytest
from PIL import Image

from faceoff.amplify import LocalAmplifier, candidates
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import box_slices
from faceoff.image import decode, to_bytes
from faceoff.types import Box, Crop, Encoding, Face, Float, Mask, MaskOutcome, Photo, Plan, Transform

SIZE = 32


def photo(mode: str = "RGB", height: int = 80, width: int = 100, low: int = 40, high: int = 216) -> Photo:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    array = np.random.default_rng(3).integers(low, high, (height, width, *channels), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return decode(file.getvalue())


def crop(left: int, top: int, side: int = SIZE, size: int = SIZE) -> Crop:
    """A crop whose face's box is its square without a quarter on each side."""
    edge = side / 4
    face = Face(Box(left + edge, top + edge, side / 2, side / 2), np.zeros((5, 2), np.float32), 0.99)
    pixels = np.zeros((size, size, 3), np.float32)
    return Crop(pixels, np.zeros((5, 2), np.float32), Transform(left, top, side, size), face)


def mask(delta: Float) -> Mask:
    return Mask(delta, MaskOutcome.REACHED, 1)


def noise(seed: int, size: int = SIZE, levels: float = 8) -> Mask:
    return mask(np.random.default_rng(seed).normal(0, levels / 255, (size, size, 3)).astype(np.float32))


def levels(photo: Photo) -> np.ndarray:
    return to_bytes(photo.pixels).astype(int)


def test_the_formula_on_a_square_of_the_crops_own_size() -> None:
    source, delta = photo(low=0, high=256), noise(1, levels=30)
    (result,) = candidates(source, [crop(20, 30)], [delta], [2.0], Encoding())
    expected = source.pixels.copy()
    expected[30:62, 20:52] = np.clip(expected[30:62, 20:52] + 2 * delta.delta, 0, 1)
    np.testing.assert_array_equal(levels(decode(result.data)), to_bytes(expected))
    assert result.alphas == (2.0,)


@pytest.mark.parametrize("encoding", [Encoding("PNG"), Encoding("WEBP")])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pixels_outside_the_squares_are_identical(mode: str, encoding: Encoding) -> None:
    source = photo(mode)
    crops = [crop(-10, -5, 40), crop(70, 50, 48)]
    (result,) = candidates(source, crops, [noise(1), noise(2)], [1.0], encoding)
    after = decode(result.data)
    outside = np.ones((source.height, source.width), bool)
    outside[:35, :30] = outside[50:, 70:] = False
    np.testing.assert_array_equal(levels(after)[outside], levels(source)[outside])
    assert (levels(after) != levels(source)).any()
    assert (after.alpha is None) == (source.alpha is None)
    if source.alpha is not None:
        np.testing.assert_array_equal(after.alpha, source.alpha)


def test_overlapping_masks_are_added_before_clipping() -> None:
    source = photo(low=250, high=252)
    up, down = (np.full((SIZE, SIZE, 3), value / 255, np.float32) for value in (20, -18))
    (result,) = candidates(source, [crop(10, 10), crop(10, 10)], [mask(up), mask(down)], [1.0], Encoding())
    change = levels(decode(result.data)) - levels(source)
    assert (change[10:42, 10:42] == 2).all()


def test_grey_photos_stay_grey() -> None:
    source, delta = photo("L"), noise(4)
    (result,) = candidates(source, [crop(20, 30)], [delta], [1.0], Encoding())
    assert Image.open(io.BytesIO(result.data)).mode == "L"
    expected = to_bytes(source.pixels[30:62, 20:52, 0] + delta.delta.mean(axis=2))
    np.testing.assert_array_equal(levels(decode(result.data))[30:62, 20:52, 0], expected)


@pytest.mark.parametrize("encoding", [Encoding("PNG"), Encoding("JPEG", 90), Encoding("WEBP")])
def test_visibility_is_of_the_encoded_bytes(encoding: Encoding) -> None:
    source, face = photo(), crop(20, 30)
    (result,) = candidates(source, [face], [noise(1)], [1.0], encoding)
    change = (levels(decode(result.data)) - levels(source)).astype(float)
    box = box_slices(face.face.box, source.height, source.width)
    assert result.photo.rms == pytest.approx(np.sqrt(np.mean(change**2)), rel=1e-4)
    assert result.faces[0].rms == pytest.approx(np.sqrt(np.mean(change[box] ** 2)), rel=1e-4)
    assert result.faces[0].linf == pytest.approx(np.abs(change[box]).max() / 255, rel=1e-4)


def test_jpeg_of_a_transparent_photo_is_compared_on_white() -> None:
    source = photo("RGBA")
    (result,) = candidates(source, [], [], [1.0], Encoding("JPEG", 100))
    assert result.photo.rms < 2


def test_several_alphas() -> None:
    results = candidates(photo(), [crop(20, 30)], [noise(1)], [0.0, 0.5, 1.0, 2.0], Encoding())
    rms = [result.faces[0].rms for result in results]
    assert rms[0] == 0
    assert rms == sorted(rms)
    assert [result.alphas for result in results] == [(0.0,), (0.5,), (1.0,), (2.0,)]


@pytest.mark.parametrize("budget", [0.5, 2.0, 3.7])
def test_the_budget_is_kept_and_used(budget: float) -> None:
    source = photo(low=0, high=256)
    crops = [crop(0, 0), crop(60, 40)]
    masks = [noise(1), noise(2, levels=1)]
    result = LocalAmplifier().amplify(source, crops, masks, Plan(alpha=1.5, rms=budget), Encoding())
    assert budget * 0.99 <= result.faces[0].rms <= budget * 1.00001
    if budget > 1.6:
        assert result.alphas[1] == 1.5
    assert result.faces[1].rms <= budget * 1.00001


@pytest.mark.parametrize("budget", [1e-9, 0.3, 2.0])
def test_the_budget_holds_where_faces_overlap(budget: float) -> None:
    same, far = noise(1), noise(2)
    crops = [crop(10, 10), crop(14, 12), crop(60, 40)]
    result = LocalAmplifier().amplify(photo(), crops, [same, same, far], Plan(rms=budget), Encoding())
    assert max(face.rms for face in result.faces) <= budget * 1.00001
    alone = LocalAmplifier().amplify(photo(), crops[2:], [far], Plan(rms=budget), Encoding())
    assert result.alphas[2] == alone.alphas[0]


def test_neighbours_keep_out_of_each_others_boxes() -> None:
    """Two faces side by side: each has its own mask alone on its box, and with it the whole budget."""
    source, crops = photo(), [crop(10, 10), crop(26, 10)]
    result = LocalAmplifier().amplify(source, crops, [noise(1), noise(2)], Plan(rms=4), Encoding())
    assert [face.rms for face in result.faces] == pytest.approx([4, 4], rel=0.02)
    for number, face in enumerate(crops):
        (alone,) = candidates(source, [face], [noise(1 + number)], [result.alphas[number]], Encoding())
        box = box_slices(face.face.box, source.height, source.width)
        np.testing.assert_array_equal(levels(decode(result.data))[box], levels(decode(alone.data))[box])


@pytest.mark.parametrize(("factor", "least", "most"), [(3.0, 3.8, 4.0), (0.1, 0.3, 0.6)])
def test_around_the_box_there_is_no_more_than_on_it(factor: float, least: float, most: float) -> None:
    source, face = photo(), crop(20, 30)
    around = np.ones((SIZE, SIZE, 1), bool)
    around[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4] = False
    delta = noise(1).delta * np.where(around, np.float32(factor), np.float32(1))
    result = LocalAmplifier().amplify(source, [face], [mask(delta)], Plan(rms=4), Encoding())
    assert result.faces[0].rms == pytest.approx(4, rel=0.02)
    change = (levels(decode(result.data)) - levels(source))[30 : 30 + SIZE, 20 : 20 + SIZE] * around
    assert least <= np.sqrt(np.square(change).sum() / (3 * around.sum())) <= most * 1.01


def test_a_face_over_the_border() -> None:
    result = LocalAmplifier().amplify(photo(), [crop(-20, 60)], [noise(1)], Plan(rms=2), Encoding())
    assert result.faces[0].rms == pytest.approx(2, rel=0.02)


def test_same_input_same_bytes() -> None:
    first, second = (candidates(photo(), [crop(3, 4, 50)], [noise(1)], [1.0], Encoding()) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("masks", "alpha", "rms"),
    [
        ([], 1.0, 0.0),
        ([noise(1, size=16)], 1.0, 0.0),
        ([mask(np.full((SIZE, SIZE, 3), np.nan, np.float32))], 1.0, 0.0),
        ([noise(1)], -1.0, 0.0),
        ([noise(1)], float("nan"), 0.0),
        ([noise(1)], 1.0, -1.0),
    ],
)
def test_misuse(masks: list[Mask], alpha: float, rms: float) -> None:
    with pytest.raises(FaceOffError) as caught:
        candidates(photo(), [crop(20, 30)], masks, [alpha], Encoding(), rms)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert caught.value.hint
