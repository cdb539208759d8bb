"""Projected gradient descent (Madry et al.; paper section 3.3 and Table 1) in l2 and linf: k steps as a graph function, and
the attack on one face that calls it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from faceoff.attacks.parts import Embed, Loop, per_image, repeat, value_and_gradient
from faceoff.attacks.task import Answer, Steps, Task, Views, chunks, judge, randomness
from faceoff.losses import Goal
from faceoff.networks.means import image_mean, row_sum
from faceoff.types import Mask, Method

SIGNATURE = "pgd_steps"


class State(NamedTuple):
    """``delta`` the mask, ``momentum`` the running direction, ``best_delta`` and ``best_loss`` the best iterate seen."""

    delta: tf.Tensor
    momentum: tf.Tensor
    best_delta: tf.Tensor
    best_loss: tf.Tensor


class Parameters(NamedTuple):
    """``epsilon`` [B]: for l2 the RMS over each of the window's regions, for linf the largest change; ``step_size`` [B] share
    of epsilon; ``linf`` [B] 1 for linf, 0 for l2; ``decay`` [B] of the momentum; ``differ`` [B] 1 where every step has
    another view; ``window`` [B, S, S, 1]; ``box`` [B, 4] int32 what the regions lie around (``regions``)."""

    epsilon: tf.Tensor
    step_size: tf.Tensor
    linf: tf.Tensor
    decay: tf.Tensor
    differ: tf.Tensor
    window: tf.Tensor
    box: tf.Tensor


NEAR = 0.15
"""Of the box's height and width: how far what is next to the face reaches."""


def regions(box: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The box [B, 4] (top, left, bottom, right), what is next to it, and the rest of images of that size: [B, R = 3, height,
    width], 1 where it is. Each is bounded by itself, so that a mask spares no place that networks look at."""
    edges = tf.cast(box, tf.float32)[..., None]

    def beyond(first: tf.Tensor, last: tf.Tensor, size: int) -> tf.Tensor:
        pixels = tf.range(float(size))[None]
        return tf.maximum(tf.maximum(first - pixels, pixels - last + 1.0), 0.0) / (last - first)

    rows, columns = beyond(edges[:, 0], edges[:, 2], height), beyond(edges[:, 1], edges[:, 3], width)
    far = tf.maximum(rows[:, :, None], columns[:, None, :])
    inside, near = far <= 0.0, far <= NEAR
    return tf.cast(tf.stack([inside, near & ~inside, ~near], 1), tf.float32)


def region_sums(values: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """The sums of ``values`` [B, H, W] over each of the regions [B, R, H, W], [B, R, 1, 1]."""
    _, count, height, width = places.shape
    parts = tf.reshape(values[:, None] * places, [-1, height * width])
    return tf.reshape(row_sum(parts), [-1, count, 1, 1])


def scaled(images: tf.Tensor, places: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """The images, each region times its own factor [B, R, 1, 1]."""
    return images * tf.reduce_sum(places * factors, 1)[..., None]


def soft_sign(direction: tf.Tensor) -> tf.Tensor:
    """The sign of each value, but continuous through zero, within a hundredth of the image's mean magnitude. The bare sign
    turns rounding differences, which depend on the batch's size, into whole steps and soon into another mask."""
    scale = image_mean(tf.abs(direction)) + 1e-24
    return tf.tanh(100.0 * direction / scale)


def steps(
    embed: Embed,
    images: tf.Tensor,
    state: State,
    goal: Goal,
    parameters: Parameters,
    count: tf.Tensor,
    sizes: tuple[int, ...],
) -> Loop:
    """``count`` steps. The best iterate is kept by its loss; where the steps' views ``differ`` [B] no loss can be compared with
    another, so there the latest is the best. The last step's own result is not evaluated here."""
    is_linf = per_image(parameters.linf) > 0
    cap = per_image(parameters.epsilon) * parameters.window
    size = per_image(parameters.step_size)
    places = regions(parameters.box, *images.shape[1:3])
    bounds = tf.square(per_image(parameters.epsilon)) * 3.0 * region_sums(parameters.window[..., 0], places)

    def room(images: tf.Tensor) -> tf.Tensor:
        """How many times as long as the images the bound of every region is, [B, R, 1, 1]. The root of a quotient, because
        TensorFlow makes a reciprocal root of a quotient by a root, and that depends on the batch (docs/decisions/0007)."""
        squares = tf.add_n(tf.unstack(tf.square(images), axis=-1))
        return tf.sqrt(bounds / (region_sums(squares, places) + 1e-24))

    def signs(direction: tf.Tensor) -> tf.Tensor:
        return tf.cond(tf.reduce_any(is_linf), lambda: soft_sign(direction), lambda: direction)

    def stretched(direction: tf.Tensor) -> tf.Tensor:
        """As long as is allowed in every region."""
        return scaled(direction, places, room(direction))

    def within(delta: tf.Tensor) -> tf.Tensor:
        """At most as long."""
        return scaled(delta, places, tf.minimum(1.0, room(delta)))

    def step(
        index: tf.Tensor, state: State, loss: tf.Tensor, success: tf.Tensor
    ) -> tuple[tf.Tensor, State, tf.Tensor, tf.Tensor]:
        loss, success, gradient = value_and_gradient(embed, images + state.delta, index, goal, sizes)
        better = (parameters.differ > 0) | (loss < state.best_loss)
        gradient = gradient * parameters.window
        scale = image_mean(tf.abs(gradient)) + 1e-24
        momentum = per_image(parameters.decay) * state.momentum + gradient / scale
        moved = state.delta - size * tf.where(is_linf, cap * signs(momentum), stretched(momentum))
        projected = tf.where(is_linf, tf.clip_by_value(moved, -cap, cap), within(moved))
        state = State(
            delta=tf.clip_by_value(images + projected, 0.0, 1.0) - images,
            momentum=momentum,
            best_delta=tf.where(per_image(better), state.delta, state.best_delta),
            best_loss=tf.where(better, loss, state.best_loss),
        )
        return index + 1, state, loss, success

    return repeat(step, images, state, count)


def run(task: Task) -> Steps[Mask]:
    """The best mask seen; with ``plan.early`` the first one that reaches the goal."""
    plan, image = task.plan, task.image
    epsilon = plan.epsilon * (1.0 if plan.method is Method.PGD_LINF else task.spread)
    noise, views = randomness(task)
    # Where a face meets its own embedding the dodge has no slope: every start is a little off the photo.
    start = (0.1 * epsilon * noise * task.window).astype(np.float32)
    state = {
        "delta": np.clip(image + start, 0, 1) - image,
        "momentum": np.zeros_like(image),
        "best_delta": np.zeros_like(image),
        "best_loss": np.float32(np.inf),
    }
    fixed = {
        "window": task.window,
        "box": np.array(task.box, np.int32),
        "epsilon": np.float32(epsilon),
        "step_size": np.float32(plan.step_size),
        "linf": np.float32(plan.method is Method.PGD_LINF),
        "decay": np.float32(plan.decay),
        "differ": np.float32(plan.jitter > 0 or plan.shrink > 0),
    }

    def promising(steps: int, answer: Answer) -> bool:
        """A step's view is not the plain one, and its loss was taken before its update."""
        return plan.early and bool(answer["success"])

    made, trace = 0, list[float]()
    while True:
        rest = Views(*(value[made:] for value in views))
        state, steps, losses = yield from chunks(task, SIGNATURE, fixed, state, rest, promising)
        made, trace = made + steps, trace + losses
        last, best = (yield from judge(task, state["delta"])), (yield from judge(task, state["best_delta"]))
        if made == plan.iterations or last[0] or best[0]:
            break
    keep_best = (best[0], -best[1]) > (last[0], -last[1])
    delta = state["best_delta" if keep_best else "delta"]
    return task.mask(delta, last[0] or best[0], made, trace)
