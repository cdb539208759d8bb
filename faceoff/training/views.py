"""What the network in training sees of a crop: the same alignment that masks go through, varied at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from faceoff.networks.align import JITTER_SIZE, aligned, normalised
from faceoff.networks.card import Card
from faceoff.networks.sets import unit
from faceoff.types import Array, Bytes, Float

SHIFT, SCALE, TURN, LIGHT = 0.04, 0.06, 0.1, 0.15
"""The most that a view is moved (of the input's side), scaled, turned (radians) and made brighter or darker."""

BATCH = 64

Embed = Callable[[tf.Tensor], tf.Tensor]
"""Views [B, h, w, 3] RGB in [0, 1] to raw embeddings [B, D] float32."""


def plain(pixels: tf.Tensor, landmarks: tf.Tensor, card: Card) -> tf.Tensor:
    """The card's views [B, h, w, 3] in [0, 1] of crops [B, S, S, 3] uint8."""
    images = tf.cast(pixels, tf.float32) / 255.0
    return aligned(images, landmarks, card, tf.zeros([tf.shape(images)[0], JITTER_SIZE]))


def varied(pixels: tf.Tensor, landmarks: tf.Tensor, card: Card, seed: tf.Tensor) -> tf.Tensor:
    """The same, each cropped, scaled and turned a little, every other one mirrored, and lit differently, as ``seed`` [2] int32
    says."""
    batch = tf.shape(pixels)[0]
    seeds = tf.random.experimental.stateless_split(seed, 3)
    drawn = tf.random.stateless_uniform([batch, 4], seeds[0], -1.0, 1.0)
    factor, angle = tf.exp(SCALE * drawn[:, 2]), TURN * drawn[:, 3]
    turned = tf.stack([factor * tf.cos(angle) - 1.0, factor * tf.sin(angle)], 1)
    views = aligned(tf.cast(pixels, tf.float32) / 255.0, landmarks, card, tf.concat([SHIFT * drawn[:, :2], turned], 1))
    mirrored = tf.random.stateless_uniform([batch, 1, 1, 1], seeds[1]) < 0.5
    views = tf.where(mirrored, tf.reverse(views, [2]), views)
    light = tf.random.stateless_uniform([batch, 1, 1, 1], seeds[2], 1 - LIGHT, 1 + LIGHT)
    return tf.clip_by_value(views * light, 0.0, 1.0)


def inference(model: Any, card: Card) -> Embed:
    """``model`` as it will be used, on views."""
    return lambda views: tf.cast(model(normalised(views, card), training=False), tf.float32)


class Embedder:
    """Unit embeddings of crops by the weights that ``model`` has at the time."""

    def __init__(self, model: Any, card: Card) -> None:
        embed = inference(model, card)
        self._run = tf.function(
            lambda pixels, landmarks: unit(embed(plain(pixels, landmarks, card))), reduce_retracing=True
        )

    def __call__(self, pixels: Bytes, landmarks: Float, rows: Array) -> Float:
        """[N, D] of ``rows`` [N] of crops [M, S, S, 3] and landmarks [M, 5, 2]."""
        parts = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        return np.concatenate([self._run(pixels[part], landmarks[part]).numpy() for part in parts])
