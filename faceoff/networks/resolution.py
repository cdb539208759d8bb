"""What a site that shrinks photos does to a crop, inside the graph: a mask that was optimised through it survives it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

from faceoff.types import CROP_SIZE, Float

FACTORS = (1.0, 0.5, 0.6, 0.75)
"""How much smaller, by its index; 0 leaves a crop as it is."""


def shrinking(factor: float, size: int = CROP_SIZE) -> Float:
    """The matrix [S, S] that shrinks one axis by ``factor``, by areas as sites do, and brings it back to its size, bilinearly
    as the networks' alignment does."""
    small = cv2.resize(np.eye(size, dtype=np.float32), (size, round(factor * size)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def at_resolution(images: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Each crop [B, S, S, 3] as it is after shrinking by FACTORS[``index`` [B] int32]."""
    matrices = np.stack([shrinking(factor) for factor in FACTORS])

    # The gradient is written out because the automatic one of a condition in a loop makes every step a tenth slower.
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def shrunk(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return _on_both_axes(matrices.transpose(0, 2, 1), index, upstream)

        return _on_both_axes(matrices, index, x), gradient

    return shrunk(images)


def _on_both_axes(matrices: Float, index: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    def product() -> tf.Tensor:
        chosen = tf.gather(tf.constant(matrices), index)
        flat = [-1, CROP_SIZE, CROP_SIZE * 3]
        picture = [-1, CROP_SIZE, CROP_SIZE, 3]
        rows = tf.reshape(tf.matmul(chosen, tf.reshape(images, flat)), picture)
        columns = tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), flat)
        return tf.transpose(tf.reshape(tf.matmul(chosen, columns), picture), [0, 2, 1, 3])

    return tf.cond(tf.reduce_any(index > 0), product, lambda: images)
