"""Differentiable alignment inside the graph: from a crop and its landmarks to one network's input."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from faceoff.geometry import TEMPLATES
from faceoff.networks.card import Card, Normalisation

JITTER_SIZE = 4
"""Values a view is jittered by: shift x, shift y (shares of the input's side), log scale, rotation (radians)."""

OVERSAMPLING = 2
"""Each input pixel is the mean of 2 x 2 samples: crops are larger than inputs, and bilinear sampling alone would alias."""


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
    grow = tf.exp(jitter[:, 2]) / tf.maximum(a * a + b * b, 1e-12)
    cos, sin = tf.cos(jitter[:, 3]), tf.sin(jitter[:, 3])
    u, v = grow * (a * cos + b * sin), grow * (a * sin - b * cos)
    shift = -mean_t - jitter[:, :2] * float(max(card.input_size))
    return u, v, mean_p[:, 0] + u * shift[:, 0] - v * shift[:, 1], mean_p[:, 1] + v * shift[:, 0] + u * shift[:, 1]


def aligned(images: tf.Tensor, landmarks: tf.Tensor, card: Card, jitter: tf.Tensor) -> tf.Tensor:
    """The card's view of each crop, [B, h, w, 3] RGB in [0, 1]; beyond the crop its edge pixels repeat.

    Bilinear sampling by gathers, because TensorFlow's gradient of its projective transform is the inverse transform and
    not the adjoint: wrong wherever the scale changes.
    """
    (height, width), n = card.input_size, OVERSAMPLING
    size = tf.shape(images)[1]
    u, v, p, q = (value[:, None] for value in similarity(landmarks, card, jitter))
    grid = np.mgrid[0 : height * n, 0 : width * n].reshape(2, -1).astype(np.float32)
    rows, cols = (grid - (n - 1) / 2) / n
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
    sampled = upper * (1 - low_share) + lower * low_share
    return tf.nn.avg_pool2d(tf.reshape(sampled, [-1, height * n, width * n, 3]), n, n, "VALID")


def normalised(views: tf.Tensor, card: Card) -> tf.Tensor:
    """RGB in [0, 1] to the numbers and the channel order that the card's network was trained on."""
    if card.normalisation is Normalisation.STANDARDISED:
        mean = tf.reduce_mean(views, [1, 2, 3], keepdims=True)
        variance = tf.reduce_mean(tf.square(views - mean), [1, 2, 3], keepdims=True)
        # A flat view has no deviation and its square root no gradient: the floor stands inside the root.
        views = (views - mean) * tf.math.rsqrt(
            tf.maximum(variance, 1.0 / (255**2 * 3 * float(np.prod(card.input_size))))
        )
    elif card.normalisation is Normalisation.SYMMETRIC:
        views = (views * 255.0 - 127.5) / 128.0
    elif card.normalisation is Normalisation.BYTES:
        views = views * 255.0
    elif card.normalisation is Normalisation.DLIB:
        views = (views * 255.0 - tf.constant([122.782, 117.001, 104.298])) / 256.0
    return tf.reverse(views, [-1]) if card.channels == "BGR" else views
