"""The graph's alignment against OpenCV's warp, and its gradient against the exact adjoint."""

import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from faceoff.geometry import similarity
from faceoff.networks.align import aligned, normalised, template
from faceoff.networks.card import Card, Normalisation
from faceoff.types import CROP_SIZE, Float
from tests.unit import tiny


def view(images: Float, landmarks: Float, card: Card) -> Float:
    shift = np.zeros((len(images), 4), np.float32)
    return np.asarray(aligned(tf.constant(images), tf.constant(landmarks), card, tf.constant(shift)))


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2])
def test_agrees_with_opencv(angle: float) -> None:
    card = tiny.card("b", 8, side=112)
    images = tiny.images(1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    landmarks = ((tiny.LANDMARKS - 96) @ turn.T + 96).astype(np.float32)
    matrix = similarity(landmarks, template(card))
    expected = cv2.warpAffine(images[0], matrix, (112, 112), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(view(images, landmarks[None], card)[0] - expected).mean() < 2e-3


def test_landmarks_land_on_the_template() -> None:
    card = tiny.card("b", 8, side=112)
    points = template(card)
    angle = 0.3
    turn = 1.3 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    landmarks = ((points - 56) @ turn.T + 96).astype(np.float32)
    y, x = np.mgrid[0:CROP_SIZE, 0:CROP_SIZE].astype(np.float32) / CROP_SIZE
    views = view(np.stack([x, y, x], -1)[None], landmarks[None], card)[0]
    for (u, v), (px, py) in zip(points, landmarks, strict=True):
        assert views[round(float(v)), round(float(u)), :2] * CROP_SIZE == pytest.approx([px, py], abs=1.0)


def test_gradient_is_the_adjoint() -> None:
    """<A x, y> = <x, A* y> for the linear sampling A: what TensorFlow's own projective transform does not hold."""
    card = tiny.card("b", 8, side=40)
    random = np.random.default_rng(0)
    x, y = (
        random.normal(size=(1, 192, 192, 3)).astype(np.float32),
        random.normal(size=(1, 40, 40, 3)).astype(np.float32),
    )
    jitter = tf.constant([[0.1, -0.05, 0.2, 0.3]])
    with tf.GradientTape() as tape:
        images = tf.constant(x)
        tape.watch(images)
        out = aligned(images, tf.constant(tiny.LANDMARKS[None]), card, jitter)
        total = tf.reduce_sum(out * y)
    assert float(tf.reduce_sum(tape.gradient(total, images) * x)) == pytest.approx(float(total), rel=1e-4)


def test_beyond_the_crop_its_edge_repeats() -> None:
    card = tiny.card("b", 8, side=112)
    images = np.full((1, CROP_SIZE, CROP_SIZE, 3), 0.5, np.float32)
    assert np.abs(view(images, tiny.LANDMARKS[None] - 90, card) - 0.5).max() < 1e-6


def test_normalisations() -> None:
    views = tf.constant(np.random.default_rng(0).uniform(0, 1, (2, 40, 40, 3)).astype(np.float32))
    standard = normalised(views, tiny.card("a", 8)).numpy()
    np.testing.assert_allclose(standard.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std((1, 2, 3)), 1, atol=1e-4)
    symmetric = tiny.card("b", 8)
    assert symmetric.normalisation is Normalisation.SYMMETRIC
    np.testing.assert_allclose(normalised(views, symmetric), (views.numpy() * 255 - 127.5) / 128, atol=1e-5)
    caffe = dataclasses.replace(symmetric, normalisation=Normalisation.CAFFE, channels="BGR")
    blue_first = views.numpy()[..., ::-1] * 255 - (103.939, 116.779, 123.68)
    np.testing.assert_allclose(normalised(views, caffe), blue_first, atol=1e-4)


def test_a_flat_view_has_a_finite_gradient() -> None:
    flat = tf.fill([1, 40, 40, 3], 0.5)
    with tf.GradientTape() as tape:
        tape.watch(flat)
        total = tf.reduce_sum(normalised(flat, tiny.card("a", 8)) ** 2)
    assert np.isfinite(tape.gradient(total, flat).numpy()).all()
