"""Means over images that do not depend on the batch, to the last bit.

TensorFlow adds up a reduction in another order for another batch size. Over the steps of an attack such rounding
differences grow into another mask (docs/decisions/0007), so sums over images are taken by halves, in a fixed order.
"""

from __future__ import annotations

import math

import tensorflow as tf


def image_sum(images: tf.Tensor) -> tf.Tensor:
    """The sum over height, width and channels of [B, H, W, C] (H, W and C known), [B, 1, 1, 1]."""
    left = math.prod(images.shape[1:])
    values = tf.reshape(images, [-1, left])
    while left > 1:
        half, odd = divmod(left, 2)
        low, high, rest = tf.split(values, [half, half, odd], axis=1)
        values = tf.concat([low + high, rest], axis=1) if odd else low + high
        left = half + odd
    return values[:, :, None, None]


def image_mean(images: tf.Tensor) -> tf.Tensor:
    """The mean over height, width and channels, [B, 1, 1, 1]."""
    return image_sum(images) / float(math.prod(images.shape[1:]))
