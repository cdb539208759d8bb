"""Pieces that the attacks share. The leading axis of every tensor is the batch; rows never mix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from faceoff import losses

Loop = tuple[Any, tf.Tensor, tf.Tensor]
"""A method's state, and of the last iterate evaluated the loss [B] and whether the goal held [B]."""

Embed = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Perturbed images [B, S, S, 3], seen as in the step of that index, to embeddings [B, D]."""


def per_image(values: tf.Tensor) -> tf.Tensor:
    """A vector [B] shaped to multiply images."""
    return tf.reshape(values, [-1, 1, 1, 1])


def value_and_gradient(
    embed: Embed, images: tf.Tensor, index: tf.Tensor, goal: losses.Goal, sizes: tuple[int, ...]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The loss [B], whether the goal holds [B], and the loss's gradient [B, S, S, 3] with respect to the images."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        loss, success = losses.evaluate(embed(images, index), goal, sizes)
        total = tf.reduce_sum(loss)  # rows are independent, so each row of the gradient is its own
    return loss, success, tape.gradient(total, images)


def repeat(step: Callable[..., Any], images: tf.Tensor, state: Any, count: tf.Tensor) -> Loop:
    """``step`` (index, state, loss, success), ``count`` times."""
    batch = tf.shape(images)[0]
    start = (tf.constant(0), state, tf.zeros([batch]), tf.zeros([batch], tf.bool))
    _, state, loss, success = tf.while_loop(lambda index, *_: index < count, step, start, parallel_iterations=1)
    return state, loss, success
