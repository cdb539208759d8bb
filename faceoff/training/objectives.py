"""What a network learns by: FaceNet's triplets (Schroff et al. 2015), or softmax with the centre loss (Wen et al. 2016).

Both take raw embeddings [B, D] float32 and labels [B] of a batch of people with as many photos each, a person's photos in a
row, and add up by matrix products: sums by index round differently on a GPU from run to run.
"""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from faceoff.networks.sets import unit
from faceoff.training.settings import Objective, Settings

MARGIN = 0.2
"""Between squared distances of unit embeddings, as FaceNet has it."""

CENTRE_WEIGHT, CENTRE_RATE = 0.003, 0.5
"""Wen et al.'s lambda and alpha."""


class Loss(Protocol):
    """``trainable`` and ``variables`` are Keras variables beside the network's own."""

    trainable: list[Any]
    variables: list[Any]

    def __call__(self, raw: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """The scalar to minimise."""

    def update(self, raw: tf.Tensor, labels: tf.Tensor) -> None:
        """What is learnt without a gradient, after each step."""


class Triplet:
    """[d(a, p) - d(a, n) + margin]+, the mean over all pairs (a, p) of a person, with d the squared distance of unit
    embeddings. The negative n is the nearest of the semi-hard ones, farther than p; where there is none, the farthest."""

    def __init__(self, photos: int) -> None:
        self._photos = photos
        self.trainable: list[Any] = []
        self.variables: list[Any] = []

    def __call__(self, raw: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        embeddings = unit(raw)
        squares = tf.maximum(2.0 - 2.0 * tf.matmul(embeddings, embeddings, transpose_b=True), 0.0)
        other = labels[:, None] != labels[None]
        farthest = tf.reduce_max(tf.where(other, squares, -1.0), 1)
        rows = np.arange(raw.shape[0])
        total = 0.0
        for offset in range(1, self._photos):
            positives = rows - rows % self._photos + (rows + offset) % self._photos
            is_positive = tf.one_hot(positives, len(rows))
            to_positive = tf.reduce_sum(squares * is_positive, 1)
            semi_hard = other & (squares > to_positive[:, None])
            nearest = tf.reduce_min(tf.where(semi_hard, squares, 5.0), 1)  # 4 is the largest there is
            negative = tf.where(tf.reduce_any(semi_hard, 1), nearest, farthest)
            total += tf.reduce_mean(tf.nn.relu(to_positive - negative + MARGIN))
        return total / (self._photos - 1)

    def update(self, raw: tf.Tensor, labels: tf.Tensor) -> None:
        pass


class Center:
    """Softmax cross-entropy over the people plus lambda / 2 times the squared distance to the own person's centre, which
    follows the embeddings. Both are on raw embeddings; they are compared at unit length all the same, as everywhere here."""

    def __init__(self, people: int, dimension: int, seed: int) -> None:
        initializer = keras.initializers.GlorotUniform(seed)
        self._head = keras.layers.Dense(people, kernel_initializer=initializer, dtype="float32")
        self._head.build((None, dimension))
        self._centres = keras.Variable(np.zeros((people, dimension), np.float32), trainable=False)
        self._people = people
        self.trainable = list(self._head.trainable_variables)
        self.variables = [*self._head.variables, self._centres]

    def __call__(self, raw: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        softmax = tf.nn.softmax_cross_entropy_with_logits(tf.one_hot(labels, self._people), self._head(raw))
        away = raw - tf.stop_gradient(self._own(labels))
        return tf.reduce_mean(softmax) + CENTRE_WEIGHT / 2 * tf.reduce_mean(tf.reduce_sum(tf.square(away), 1))

    def update(self, raw: tf.Tensor, labels: tf.Tensor) -> None:
        members = tf.one_hot(labels, self._people)
        away = tf.matmul(members, self._own(labels) - raw, transpose_a=True)
        self._centres.assign_sub(CENTRE_RATE * away / (1.0 + tf.reduce_sum(members, 0)[:, None]))

    def _own(self, labels: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.one_hot(labels, self._people), self._centres.value)


def objective(settings: Settings, people: int) -> Loss:
    """The settings' loss for a folder of ``people`` people."""
    if settings.objective is Objective.TRIPLET:
        return Triplet(settings.photos)
    return Center(people, settings.dimension, settings.seed)
