"""Carlini and Wagner's attack (paper section 3.3 and Table 1) as k Adam steps in tanh space: the graph function that the l2
and the linf searches (cw_l2, cw_linf) call. The norm is a value, so that both share a signature."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from faceoff.attacks.parts import Embed, Loop, per_image, repeat
from faceoff.attacks.task import Answer, Steps, Task, Views, chunks
from faceoff.attacks.task import State as Tensors
from faceoff.losses import Goal, evaluate
from faceoff.networks.means import image_sum
from faceoff.types import Float, Mask

SIGNATURE = "cw_steps"

BETA1, BETA2, TINY = 0.9, 0.999, 1e-8
"""Adam's usual constants, as Carlini and Wagner use them."""

CHECKS = 10
"""How often a round looks whether it still gets anywhere."""


class State(NamedTuple):
    """``w`` tanh-space image, ``m`` and ``v`` Adam's moments, ``count`` [B] its steps, ``found`` [B] 1 once the goal has held
    in this round, ``best_delta`` and ``best_size`` [B] the smallest mask of any round that reached the goal: its squared
    l2 norm, or its linf norm."""

    w: tf.Tensor
    m: tf.Tensor
    v: tf.Tensor
    count: tf.Tensor
    found: tf.Tensor
    best_delta: tf.Tensor
    best_size: tf.Tensor


class Parameters(NamedTuple):
    """``const`` [B] the weight c of the loss against the mask's size, ``rate`` [B] Adam's, ``linf`` [B] 1 for linf and 0 for
    l2, ``tau`` [B] the change of one value that linf does not count, ``window`` [B, S, S, 1]."""

    const: tf.Tensor
    rate: tf.Tensor
    linf: tf.Tensor
    tau: tf.Tensor
    window: tf.Tensor


def steps(
    embed: Embed,
    images: tf.Tensor,
    state: State,
    goal: Goal,
    parameters: Parameters,
    count: tf.Tensor,
    sizes: tuple[int, ...],
) -> Loop:
    """``count`` steps on size(delta) + c * loss, where size is ||delta||^2 for l2 and the sum of
    [|delta_i| - tau]+ for linf; the loss returned is this whole sum."""
    is_linf = parameters.linf > 0

    def step(
        index: tf.Tensor, state: State, loss: tf.Tensor, success: tf.Tensor
    ) -> tuple[tf.Tensor, State, tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.w)
            delta = perturbation(state.w, images, parameters.window)
            square = tf.reshape(image_sum(tf.square(delta)), [-1])
            over = tf.reshape(image_sum(tf.nn.relu(tf.abs(delta) - per_image(parameters.tau))), [-1])
            goal_loss, success = evaluate(embed(images + delta, index), goal, sizes)
            loss = tf.where(is_linf, over, square) + parameters.const * goal_loss
            total = tf.reduce_sum(loss)
        gradient = tape.gradient(total, state.w)
        count = state.count + 1.0
        m = BETA1 * state.m + (1 - BETA1) * gradient
        v = BETA2 * state.v + (1 - BETA2) * tf.square(gradient)
        rate = per_image(parameters.rate * tf.sqrt(1 - BETA2**count) / (1 - BETA1**count))
        size = tf.where(is_linf, tf.reduce_max(tf.abs(delta), [1, 2, 3]), square)
        better = success & (size < state.best_size)
        state = State(
            w=state.w - rate * m / (tf.sqrt(v) + TINY),
            m=m,
            v=v,
            count=count,
            found=tf.maximum(state.found, tf.cast(success, tf.float32)),
            best_delta=tf.where(per_image(better), delta, state.best_delta),
            best_size=tf.where(better, size, state.best_size),
        )
        return index + 1, state, loss, success

    return repeat(step, images, state, count)


def perturbation(w: tf.Tensor, images: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """The mask of w: it keeps images + mask in [0, 1] and vanishes outside the window."""
    return ((tf.tanh(w) + 1.0) / 2.0 - images) * window


def to_tanh(image: Float) -> Float:
    """The w for which ``perturbation`` is zero: an image in [0, 1] to tanh space, kept off its infinite ends."""
    return np.asarray(np.arctanh((image * 2 - 1) * np.float32(0.999999)), np.float32)


def nothing_found(task: Task) -> Tensors:
    return {"best_delta": np.zeros_like(task.image), "best_size": np.float32(np.inf)}


def round_of(
    task: Task, w: Float, best: Tensors, views: Views, **values: float
) -> Steps[tuple[Tensors, int, list[float]]]:
    """One round of a search: ``plan.iterations`` steps from ``w``, or fewer once a tenth of them has not lowered the loss
    (Carlini and Wagner's abort_early). ``values`` are const, linf and tau."""
    before = float("inf")

    def stuck(steps: int, answer: Answer) -> bool:
        nonlocal before
        if steps % max(task.plan.iterations // CHECKS, 1):
            return False
        now, before = before, float(answer["loss"])
        return before > 0.9999 * now

    zeros = np.zeros_like(w)
    state: Tensors = {"w": w, "m": zeros, "v": zeros, "count": np.float32(0), "found": np.float32(0)} | best
    fixed: Tensors = {name: np.float32(value) for name, value in values.items()}
    fixed |= {"rate": np.float32(task.plan.step_size), "window": task.window}
    return (yield from chunks(task, SIGNATURE, fixed, state, views, stuck))


def result(task: Task, best: Tensors, w: Float, steps: int, trace: list[float]) -> Mask:
    """The best mask, or the one of ``w`` where the goal was never reached."""
    reached = bool(np.isfinite(best["best_size"]))
    last = np.asarray(perturbation(w, task.image, task.window), np.float32)
    return task.mask(best["best_delta"] if reached else last, reached, steps, trace)
