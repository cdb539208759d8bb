"""Carlini and Wagner's l2 attack (paper section 3.3 and Table 1), as k Adam steps in tanh space from a state.

The binary search over the constant c is the caller's (faceoff.attacks.attacker): it starts each round anew with
``start``'s tensors and keeps ``best_delta`` and ``best_norm`` across rounds.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from faceoff.attacks.parts import Embed, per_image
from faceoff.losses import Goal, evaluate
from faceoff.networks.means import image_sum

BETA1, BETA2, TINY = 0.9, 0.999, 1e-8
"""Adam's usual constants, as Carlini and Wagner use them."""


class State(NamedTuple):
    """``w`` tanh-space image, ``m`` and ``v`` Adam's moments, ``count`` [B] its steps, ``found`` [B] 1 when the goal held in
    this round, ``best_delta`` and ``best_norm`` [B] the smallest mask (squared l2) that reached the goal in any round."""

    w: tf.Tensor
    m: tf.Tensor
    v: tf.Tensor
    count: tf.Tensor
    found: tf.Tensor
    best_delta: tf.Tensor
    best_norm: tf.Tensor


class Parameters(NamedTuple):
    """``const`` [B] the weight c of the loss against the mask's size, ``rate`` [B] Adam's, ``window`` [B, S, S, 1]."""

    const: tf.Tensor
    rate: tf.Tensor
    window: tf.Tensor


def to_tanh(images: tf.Tensor) -> tf.Tensor:
    """The w for which ``perturbation`` is zero: images in [0, 1] to tanh space, kept off its infinite ends."""
    return tf.atanh((images * 2.0 - 1.0) * 0.999999)


def perturbation(w: tf.Tensor, images: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """The mask of w: it keeps images + mask in [0, 1] and vanishes outside the window."""
    return ((tf.tanh(w) + 1.0) / 2.0 - images) * window


def steps(
    embed: Embed,
    images: tf.Tensor,
    state: State,
    goal: Goal,
    parameters: Parameters,
    jitter: tf.Tensor,
    sizes: tuple[int, ...],
) -> tuple[State, tf.Tensor, tf.Tensor]:
    """As many steps as ``jitter`` [B, k, M, 4] has, of Adam on ||delta||^2 + c * loss; returns the state and, of the last
    iterate evaluated, the loss [B] and whether the goal held [B]."""

    def step(
        index: tf.Tensor, state: State, loss: tf.Tensor, success: tf.Tensor
    ) -> tuple[tf.Tensor, State, tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.w)
            delta = perturbation(state.w, images, parameters.window)
            norm = tf.reshape(image_sum(tf.square(delta)), [-1])
            loss, success = evaluate(embed(images + delta, jitter[:, index]), goal, sizes)
            total = tf.reduce_sum(norm + parameters.const * loss)
        gradient = tape.gradient(total, state.w)
        count = state.count + 1.0
        m = BETA1 * state.m + (1 - BETA1) * gradient
        v = BETA2 * state.v + (1 - BETA2) * tf.square(gradient)
        rate = per_image(parameters.rate * tf.sqrt(1 - BETA2**count) / (1 - BETA1**count))
        better = success & (norm < state.best_norm)
        state = State(
            w=state.w - rate * m / (tf.sqrt(v) + TINY),
            m=m,
            v=v,
            count=count,
            found=tf.maximum(state.found, tf.cast(success, tf.float32)),
            best_delta=tf.where(per_image(better), delta, state.best_delta),
            best_norm=tf.where(better, norm, state.best_norm),
        )
        return index + 1, state, loss, success

    batch = tf.shape(images)[0]
    start = (tf.constant(0), state, tf.zeros([batch]), tf.zeros([batch], tf.bool))
    _, state, loss, success = tf.while_loop(
        lambda index, *_: index < tf.shape(jitter)[1], step, start, parallel_iterations=1
    )
    return state, loss, success
