"""Sums and means over images and rows that do not depend on the batch, to the last bit.

TensorFlow adds up a reduction in another order for another batch size. Over the steps of an attack such rounding
differences grow into another mask (docs/decisions/0007), so these sums are taken by halves, in a fixed order.
"""

from __future__ import annotations

import math

import tensorflow as tf


def row_sum(values: tf.Tensor) -> tf.Tensor:
    """The sum of each row of [B, N] (N known), [B, 1]."""
    left = values.shape[1]
    while left > 1:
        half, odd = divmod(left, 2)
        low, high, rest = tf.split(values, [half, half, odd], axis=1)
        values = tf.concat([low + high, rest], axis=1) if odd else low + high
        left = half + odd
    return values


def image_sum(images: tf.Tensor) -> tf.Tensor:
    """The sum over height, width and channels of [B, H, W, C] (H, W and C known), [B, 1, 1, 1]."""
    return row_sum(tf.reshape(images, [-1, math.prod(images.shape[1:])]))[:, :, None, None]


def image_mean(images: tf.Tensor) -> tf.Tensor:
    """The mean over height, width and channels, [B, 1, 1, 1]."""
    return image_sum(images) / float(math.prod(images.shape[1:]))
