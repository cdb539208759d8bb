"""Differentiable alignment inside the graph: from a crop and its landmarks to one network's input."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from faceoff.geometry import TEMPLATES
from faceoff.networks.card import Card, Normalisation
from faceoff.networks.means import image_mean

JITTER_SIZE = 4
"""Values a view is jittered by: shift x, shift y (shares of the input's side), and the complex factor less one that scales
and turns it, exp(log scale + i angle) - 1. Zeros are the plain alignment. The caller takes the exponential: in the graph its
last bits would depend on how many faces are computed at once (docs/decisions/0007)."""


def template(card: Card) -> np.ndarray:
    """Where the five landmarks lie in the card's input, [5, 2] pixels."""
    (height, width), points = TEMPLATES[card.alignment]
    scale = np.array([card.input_size[1] / width, card.input_size[0] / height], np.float32)
    return ((points + 0.5) * scale - 0.5).astype(np.float32)


def similarity(
    landmarks: tf.Tensor, card: Card, jitter: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """The jittered way from input pixels (x, y) back to crop pixels: (u x - v y + p, v x + u y + q), each [B].

    It is the inverse of the least-squares similarity from ``landmarks`` [B, 5, 2] to the card's template, as the networks'
    own alignments fit it; ``jitter`` [B, 4] is all zeros for the plain alignment.
    """
    target = tf.constant(template(card))[None]
    mean_p, mean_t = tf.reduce_mean(landmarks, 1), tf.reduce_mean(target, 1)
    p, t = landmarks - mean_p[:, None], target - mean_t[:, None]
    # Similarities of the plane are complex factors: fit a + ib, then invert and turn it.
    spread = tf.maximum(tf.reduce_sum(p * p, [1, 2]), 1e-9)
    a = tf.reduce_sum(p * t, [1, 2]) / spread
    b = tf.reduce_sum(p[..., 0] * t[..., 1] - p[..., 1] * t[..., 0], 1) / spread
    turn_a, turn_b = jitter[:, 2] + 1.0, jitter[:, 3]
    square = tf.maximum(a * a + b * b, 1e-12)
    u, v = (a * turn_a + b * turn_b) / square, (a * turn_b - b * turn_a) / square
    shift = -mean_t - jitter[:, :2] * float(max(card.input_size))
    return u, v, mean_p[:, 0] + u * shift[:, 0] - v * shift[:, 1], mean_p[:, 1] + v * shift[:, 0] + u * shift[:, 1]


def aligned(images: tf.Tensor, landmarks: tf.Tensor, card: Card, jitter: tf.Tensor) -> tf.Tensor:
    """The card's view of each crop, [B, h, w, 3] RGB in [0, 1]; beyond the crop its edge pixels repeat.

    Bilinear sampling by gathers, because TensorFlow's gradient of its projective transform is the inverse transform and
    not the adjoint: wrong wherever the scale changes.
    """
    height, width = card.input_size
    size = tf.shape(images)[1]
    u, v, p, q = (value[:, None] for value in similarity(landmarks, card, jitter))
    rows, cols = np.mgrid[0:height, 0:width].reshape(2, -1).astype(np.float32)
    limit = tf.cast(size - 1, tf.float32)
    x = tf.clip_by_value(u * cols - v * rows + p, 0.0, limit)
    y = tf.clip_by_value(v * cols + u * rows + q, 0.0, limit)
    left, top = tf.minimum(tf.floor(x), limit - 1), tf.minimum(tf.floor(y), limit - 1)
    right_share, low_share = (x - left)[..., None], (y - top)[..., None]
    index = tf.cast(top, tf.int32) * size + tf.cast(left, tf.int32)
    pixels = tf.reshape(images, [tf.shape(images)[0], size * size, 3])

    def at(offset: tf.Tensor | int) -> tf.Tensor:
        return tf.gather(pixels, index + offset, batch_dims=1)

    upper = at(0) * (1 - right_share) + at(1) * right_share
    lower = at(size) * (1 - right_share) + at(size + 1) * right_share
    return tf.reshape(upper * (1 - low_share) + lower * low_share, [-1, height, width, 3])


@tf.custom_gradient  # type: ignore[untyped-decorator]
def standardised(views: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Each image less its mean, over its deviation, which is at least that of one 8-bit level in one value. The gradient is
    written out because the automatic one sums over images in an order that depends on the batch."""
    centred = views - image_mean(views)
    variance, floor = image_mean(tf.square(centred)), 1.0 / (255**2 * float(math.prod(views.shape[1:])))
    deviation = tf.sqrt(tf.maximum(variance, floor))
    result = centred / deviation

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        along = tf.where(variance > floor, image_mean(upstream * result), 0.0)
        return (upstream - image_mean(upstream) - result * along) / deviation

    return result, gradient


def normalised(views: tf.Tensor, card: Card) -> tf.Tensor:
    """RGB in [0, 1] to the numbers and the channel order that the card's network was trained on."""
    if card.normalisation is Normalisation.STANDARDISED:
        views = standardised(views)
    elif card.normalisation is Normalisation.SYMMETRIC:
        views = (views * 255.0 - 127.5) / 128.0
    elif card.normalisation is Normalisation.BYTES:
        views = views * 255.0
    elif card.normalisation is Normalisation.CAFFE:
        views = views * 255.0 - tf.constant([123.68, 116.779, 103.939])
    elif card.normalisation is Normalisation.DLIB:
        views = (views * 255.0 - tf.constant([122.782, 117.001, 104.298])) / 256.0
    return tf.reverse(views, [-1]) if card.channels == "BGR" else views
