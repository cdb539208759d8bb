"""Cutting out and the way back."""

from dataclasses import replace

import numpy as np
import pytest

from faceoff.geometry import (
    TEMPLATES,
    box_slices,
    crop,
    crop_box,
    face_square,
    paste_delta,
    similarity,
    to_crop,
    window,
)
from faceoff.networks.card import Alignment
from faceoff.types import CROP_SIZE, Box, Face, Photo, Transform

EYES = np.array([(40, 50), (80, 52), (60, 70), (45, 92), (76, 93)], np.float32)


def photo(height: int = 300, width: int = 400) -> Photo:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pixels = np.stack([x / width, y / height, (x + y) / (width + height)], -1)
    return Photo(pixels, "PNG", b"")


def face(scale: float, x: float, y: float) -> Face:
    return Face(Box(x, y, 80 * scale, 100 * scale), EYES * np.float32(scale) + np.array([x, y], np.float32), 1.0)


def test_similarity_undoes_a_known_turn() -> None:
    angle, scale = 0.4, 1.7
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    moved = EYES @ turn.T + np.array([5, -3], np.float32)
    matrix = similarity(EYES, moved.astype(np.float32))
    np.testing.assert_allclose(matrix[:, :2], turn, atol=1e-5)
    np.testing.assert_allclose(matrix[:, 2], [5, -3], atol=1e-3)


@pytest.mark.parametrize("alignment", list(Alignment))
def test_every_alignment_has_a_template_inside_its_input(alignment: Alignment) -> None:
    (height, width), points = TEMPLATES[alignment]
    assert points.shape == (5, 2)
    assert (points > 0).all()
    assert (points < (width, height)).all()


def test_small_faces_are_cut_at_the_photos_own_scale() -> None:
    cut = crop(photo(), face(0.5, 150, 100))
    assert cut.transform.side == CROP_SIZE
    rows = slice(cut.transform.top, cut.transform.top + CROP_SIZE)
    cols = slice(cut.transform.left, cut.transform.left + CROP_SIZE)
    np.testing.assert_array_equal(cut.pixels, photo().pixels[rows, cols])


def test_large_faces_are_shrunk_and_landmarks_follow() -> None:
    big = photo(1200, 1600)
    cut = crop(big, face(4, 500, 300))
    assert cut.transform.side > CROP_SIZE
    # The photo's channels are its coordinates, so the crop's pixel at a landmark tells where it came from.
    for (u, v), (x, y) in zip(cut.landmarks, cut.face.landmarks, strict=True):
        assert cut.pixels[round(float(v)), round(float(u)), 0] * 1600 == pytest.approx(x, abs=4)
        assert cut.pixels[round(float(v)), round(float(u)), 1] * 1200 == pytest.approx(y, abs=4)


@pytest.mark.parametrize("corner", [(-40, -30), (350, -20), (-30, 260), (370, 270)])
def test_faces_at_the_border_come_back_inside_the_photo(corner: tuple[int, int]) -> None:
    cut = crop(photo(), face(0.6, *corner))
    assert cut.pixels.shape == (CROP_SIZE, CROP_SIZE, 3)
    rows, cols, part = paste_delta(np.ones_like(cut.pixels), cut.transform, 300, 400)
    assert 0 <= rows.start <= rows.stop <= 300
    assert 0 <= cols.start <= cols.stop <= 400
    assert part.shape == (rows.stop - rows.start, cols.stop - cols.start, 3)
    assert part.size


def test_the_way_back_is_exact_at_the_photos_scale() -> None:
    cut = crop(photo(), face(0.5, 150, 100))
    delta = np.random.default_rng(0).normal(0, 0.02, cut.pixels.shape).astype(np.float32)
    rows, cols, part = paste_delta(delta, cut.transform, 300, 400)
    np.testing.assert_array_equal(part, delta)
    np.testing.assert_array_equal(photo().pixels[rows, cols], cut.pixels)


def test_the_way_back_keeps_a_smooth_mask_in_place_when_resized() -> None:
    transform = Transform(10, 20, 384)
    y, x = np.mgrid[0:CROP_SIZE, 0:CROP_SIZE].astype(np.float32)
    bump = np.exp(-((x - 60) ** 2 + (y - 90) ** 2) / 400)[..., None].repeat(3, -1)
    rows, cols, part = paste_delta(bump, transform, 1000, 1000)
    top, left = np.unravel_index(part[..., 0].argmax(), part.shape[:2])
    at = to_crop(np.array([[left + cols.start, top + rows.start]], np.float32), transform)
    np.testing.assert_allclose(at, [[60, 90]], atol=1)


def test_a_square_outside_the_photo_is_empty() -> None:
    rows, cols, part = paste_delta(np.ones((CROP_SIZE, CROP_SIZE, 3), np.float32), Transform(5000, 5000, 192), 300, 400)
    assert part.size == 0
    assert photo().pixels[rows, cols].size == 0


def test_the_box_in_the_crop() -> None:
    cut = crop(photo(), face(0.5, 150, 100))
    edges = Box(cut.transform.left + 10, cut.transform.top + 20, 30, 40)
    assert crop_box(replace(cut, face=replace(cut.face, box=edges))) == (20, 10, 60, 40)
    halved = replace(cut, transform=Transform(cut.transform.left, cut.transform.top, 2 * CROP_SIZE))
    assert crop_box(replace(halved, face=replace(cut.face, box=edges))) == (10, 5, 30, 20)
    assert crop_box(replace(cut, face=replace(cut.face, box=Box(-5000, 5000, 1, 1)))) == (
        CROP_SIZE - 1,
        0,
        CROP_SIZE,
        1,
    )


def test_window_covers_the_face_and_fades_before_every_border() -> None:
    weights = window(np.array([(70, 80), (122, 82), (96, 104), (74, 128), (118, 130)], np.float32))[..., 0]
    assert weights[70:140, 66:126].min() > 0.99
    assert weights[0].max() == weights[:, 0].max() == weights[-1].max() == weights[:, -1].max() == 0
    assert np.abs(np.diff(weights, axis=0)).max() < 0.3


def test_face_square_turns_with_the_face() -> None:
    upright = face_square(EYES)
    turned = face_square(np.stack([-EYES[:, 1], EYES[:, 0]], 1).astype(np.float32))
    assert turned[2] == pytest.approx(upright[2], rel=1e-5)


def test_boxes_are_clipped_to_at_least_a_pixel() -> None:
    assert box_slices(Box(-50, -50, 10, 10), 300, 400) == (slice(0, 1), slice(0, 1))
    assert box_slices(Box(390, 290, 100, 100), 300, 400) == (slice(290, 300), slice(390, 400))
