import cv2
import numpy as np
import tensorflow as tf

from faceoff.networks.resolution import FACTORS, at_resolution
from faceoff.types import CROP_SIZE
from tests.unit import tiny


def test_a_crop_is_as_after_shrinking_and_growing_and_each_by_its_own_factor() -> None:
    crops = tiny.images(len(FACTORS))
    found = at_resolution(tf.constant(crops), tf.range(len(FACTORS))).numpy()
    for factor, crop, seen in zip(FACTORS, crops, found, strict=True):
        side = round(factor * CROP_SIZE)
        small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(seen, cv2.resize(small, (CROP_SIZE, CROP_SIZE)), atol=2e-5)


def test_nothing_changes_where_nothing_shrinks() -> None:
    crops = tf.constant(tiny.images(2))
    np.testing.assert_array_equal(at_resolution(crops, tf.zeros(2, tf.int32)), crops)


def test_the_gradient_is_the_adjoint() -> None:
    crops, other = tf.constant(tiny.images(2)), tf.constant(tiny.images(2, seed=1))
    index = tf.constant([1, 3])
    with tf.GradientTape() as tape:
        tape.watch(crops)
        seen = at_resolution(crops, index)
    back = tape.gradient(seen, crops, output_gradients=other)
    np.testing.assert_allclose(
        tf.reduce_sum(seen * other, [1, 2, 3]), tf.reduce_sum(crops * back, [1, 2, 3]), rtol=1e-4
    )
