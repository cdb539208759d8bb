"""The losses of the paper's section 2.2 over galleries of embeddings, for a set of surrogates at once.

A set's embedding is its members' unit embeddings side by side, [B, D] with D the sum of the members' sizes. A gallery is
[B, L, G, D]: L labels (label 0 is the face's own, the source), up to G embeddings each; its weights [B, L, G] are 0 where
there is none. Every hyper-parameter is a vector over the batch, so that faces of different requests share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from faceoff.types import Loss

CODES: dict[Loss, int] = {Loss.TARGET: 0, Loss.HINGE: 1, Loss.DODGE: 2, Loss.CROWD: 3}
"""How a loss is named in a tensor."""

OWN_WEIGHT = 1.5
"""How much more the crowd loss counts the way from the source than the way to the others (docs/decisions/0008)."""

ABSENT = 4.0
"""The distance of a label that has no embedding: beyond any distance between unit vectors, which is at most 2."""


class Goal(NamedTuple):
    """What is asked for each face: ``kind`` [B] int32 which loss (CODES), ``target`` [B] int32 label, ``kappa`` [B] margin,
    ``cosine`` [B] 1 where distances are one less the cosine and 0 for the 2-norm, ``thresholds`` [B, M] the distance per
    member at which the source no longer counts as recognised."""

    galleries: tf.Tensor
    weights: tf.Tensor
    kind: tf.Tensor
    target: tf.Tensor
    kappa: tf.Tensor
    cosine: tf.Tensor
    thresholds: tf.Tensor


def distances(
    embeddings: tf.Tensor, galleries: tf.Tensor, weights: tf.Tensor, cosine: tf.Tensor, sizes: Sequence[int]
) -> tf.Tensor:
    """d'(x, A_y) of section 2.2, the mean distance to each label's embeddings, per member: [B, L, M].

    Between unit vectors one less the cosine is half the squared 2-norm.
    """
    squares = tf.square(galleries - embeddings[:, None, None, :])
    # The epsilon keeps the root's gradient finite where a face meets its own embedding.
    per_member = [
        tf.where(cosine[:, None, None] > 0, square / 2.0, root(square + 1e-12))
        for square in (tf.reduce_sum(part, -1) for part in tf.split(squares, list(sizes), axis=-1))
    ]
    count = tf.reduce_sum(weights, -1)[..., None]
    mean = tf.reduce_sum(tf.stack(per_member, -1) * weights[..., None], 2) / tf.maximum(count, 1e-9)
    return tf.where(count > 0, mean, ABSENT)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def power_mean(d: tf.Tensor, present: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
    """The mean with exponent -8 over the labels of ``d`` [B, L, M] that are ``present`` [B, L]: between their mean and their
    least, [B, M]. Products, roots, and quotients of tensors, the gradient written out: an exponential, a reciprocal and the
    automatic gradient have last bits that depend on the batch (decision 0007)."""
    there = tf.cast(present, tf.float32)[..., None]
    count = tf.maximum(tf.reduce_sum(there, 1), 1.0)
    d = tf.maximum(d, 0.01)  # a face may meet its own photo under another label
    least = tf.reduce_min(d, 1)
    total = tf.maximum(tf.reduce_sum(_eighth(least[:, None] / d) * there, 1), 1.0)
    mean = least * tf.sqrt(tf.sqrt(tf.sqrt(count / total)))
    result = tf.where(tf.reduce_any(present, 1)[:, None], mean, 0.0)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        ratio = result[:, None] / d
        return (upstream / count)[:, None] * there * ratio * _eighth(ratio), None

    return result, gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]
def root(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """The square root. Its automatic gradient divides by it, which TensorFlow makes a product with a reciprocal root."""
    return tf.sqrt(x), lambda upstream: upstream * tf.sqrt(x) / (2.0 * x)


def _eighth(x: tf.Tensor) -> tf.Tensor:
    return tf.square(tf.square(tf.square(x)))


def evaluate(embeddings: tf.Tensor, goal: Goal, sizes: Sequence[int]) -> tuple[tf.Tensor, tf.Tensor]:
    """The loss to minimise [B], a mean over the members, and whether the goal holds on every member [B] bool.

    target: d'(x, A_t).   hinge: [d'(x, A_t) - min over y != t of d'(x, A_y) + kappa]+, which is zero exactly when t is the
    nearest label by kappa (the paper prints max; docs/decisions/0004).   dodge: -d'(x, A_source).   crowd: the power
    mean over y != s of d'(x, A_y) less OWN_WEIGHT d'(x, A_source), away from the source towards the nearer of all others
    (docs/decisions/0008); without others, OWN_WEIGHT times dodge, which leads the same way.
    """
    d = distances(embeddings, goal.galleries, goal.weights, goal.cosine, sizes)
    to_source = d[:, 0]
    is_target = tf.one_hot(goal.target, tf.shape(d)[1])[..., None]
    to_target = tf.reduce_sum(d * is_target, 1)
    nearest_other = tf.reduce_min(d + ABSENT * is_target, 1)
    gap = to_target - nearest_other + goal.kappa[:, None]
    to_crowd = power_mean(d[:, 1:], tf.reduce_sum(goal.weights, -1)[:, 1:] > 0)
    away = to_source >= goal.thresholds
    losses = tf.stack([to_target, tf.nn.relu(gap), -to_source, to_crowd - OWN_WEIGHT * to_source], axis=1)
    reached = tf.stack([to_target < nearest_other, gap <= 0, away, away], axis=1)
    chosen = tf.one_hot(goal.kind, len(CODES))
    loss = tf.reduce_sum(tf.reduce_mean(losses, -1) * chosen, 1)
    success = tf.reduce_any(tf.reduce_all(reached, -1) & (chosen > 0), 1)
    return loss, success
