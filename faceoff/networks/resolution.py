"""What a site that shrinks photos does to a crop, inside the graph: a mask that was optimised through it survives it."""

from __future__ import annotations

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

    def shrunk() -> tf.Tensor:
        matrices = tf.gather(tf.constant(np.stack([shrinking(factor) for factor in FACTORS])), index)
        rows = tf.einsum("bij,bjwc->biwc", matrices, images)
        return tf.einsum("bij,bwjc->bwic", matrices, rows)

    return tf.cond(tf.reduce_any(index > 0), shrunk, lambda: images)
