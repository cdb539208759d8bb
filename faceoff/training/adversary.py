"""Adversarial examples of the weights as they are now (paper section 6.2), by the very steps that masks are made with."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from faceoff import losses
from faceoff.attacks import cw, pgd
from faceoff.networks.means import image_sum
from faceoff.training.settings import Adversary, Attack

KAPPA, ALPHA = 6.0, 3.0
"""The margin and, for CW, the amplification of the paper's adversarial training."""


def half_masked(
    embed: Callable[[tf.Tensor], tf.Tensor], views: tf.Tensor, photos: int, adversary: Adversary, seed: tf.Tensor
) -> tf.Tensor:
    """``views`` [P * photos, h, w, 3] of P people, a person's in a row, with the second half of each person's replaced by
    examples against the batch's other people. ``embed`` and ``seed`` as in ``examples``; no gradient flows through them."""
    half, size = photos // 2, tuple(views.shape[1:])
    people = views.shape[0] // photos
    natural = embed(views)
    centroids = tf.reduce_mean(tf.reshape(natural, (people, photos, natural.shape[1])), 1)
    by_person = tf.reshape(views, (people, photos, *size))
    attacked = tf.reshape(by_person[:, half:], (people * half, *size))
    masked = examples(embed, attacked, centroids, tf.repeat(tf.range(people), half), adversary, seed)
    both = tf.concat([by_person[:, :half], tf.reshape(masked, (people, half, *size))], 1)
    return tf.stop_gradient(tf.reshape(both, tf.shape(views)))


def examples(
    embed: Callable[[tf.Tensor], tf.Tensor],
    views: tf.Tensor,
    centroids: tf.Tensor,
    labels: tf.Tensor,
    adversary: Adversary,
    seed: tf.Tensor,
) -> tf.Tensor:
    """``views`` [B, h, w, 3] with masks of at most the adversary's RMS, in [0, 1].

    ``embed`` takes views to unit embeddings [B, D]. ``centroids`` [P, D] are the batch's people and ``labels`` [B] whose row is
    each view's own; the loss leads towards another drawn by ``seed`` [2] int32, or away from the own.
    """
    batch, people, depth = tf.shape(views)[0], tf.shape(centroids)[0], centroids.shape[1]
    ones = tf.ones([batch])
    seeds = tf.random.experimental.stateless_split(seed, 2)
    # Row 0 of each view's gallery is its own person.
    turned = (labels[:, None] + tf.range(people)[None]) % people
    goal = losses.Goal(
        galleries=tf.gather(centroids, turned)[:, :, None, :],
        weights=tf.ones([batch, people, 1]),
        kind=tf.fill([batch], losses.CODES[adversary.loss]),
        target=tf.random.stateless_uniform([batch], seeds[0], 1, people, tf.int32),
        kappa=KAPPA * ones,
        cosine=0.0 * ones,
        thresholds=tf.zeros([batch, 1]),  # when a dodge counts as reached, which nobody asks here
    )
    noise = tf.random.stateless_normal(tf.shape(views), seeds[1])
    make = _pgd if adversary.attack is Attack.PGD else _cw
    return make(lambda x, _: embed(x), views, goal, adversary, noise, (depth,))


def _pgd(
    embed: Callable[..., tf.Tensor],
    views: tf.Tensor,
    goal: losses.Goal,
    adversary: Adversary,
    noise: tf.Tensor,
    sizes: tuple[int, ...],
) -> tf.Tensor:
    """PGD in l2 from a small random start; together its steps are two and a half radii long (Madry et al.)."""
    ones, epsilon = tf.ones([tf.shape(views)[0]]), adversary.rms / 255
    delta = tf.clip_by_value(views + 0.1 * epsilon * noise, 0.0, 1.0) - views
    state = pgd.State(delta, tf.zeros_like(views), tf.zeros_like(views), float("inf") * ones)
    parameters = pgd.Parameters(
        epsilon=epsilon * ones,
        step_size=2.5 / adversary.steps * ones,
        linf=0.0 * ones,
        decay=0.0 * ones,
        differ=0.0 * ones,
        window=_everywhere(views),
        box=tf.constant([[0, 0, *views.shape[1:3]]]) * tf.ones([tf.shape(views)[0], 1], tf.int32),
    )
    state, _, _ = pgd.steps(embed, views, state, goal, parameters, tf.constant(adversary.steps), sizes)
    return tf.clip_by_value(views + state.delta, 0.0, 1.0)


def _cw(
    embed: Callable[..., tf.Tensor],
    views: tf.Tensor,
    goal: losses.Goal,
    adversary: Adversary,
    noise: tf.Tensor,
    sizes: tuple[int, ...],
) -> tf.Tensor:
    """One round of CW in l2 for masks of a third of the RMS, then amplified threefold, or less where that is too large.

    A binary search for the constant would cost ten rounds a batch. This constant makes a mask of that size cost half of what
    it is worth when it moves the embedding by one, and Adam's rate lets it grow to twice that size.
    """
    ones, wanted = tf.ones([tf.shape(views)[0]]), adversary.rms / 255 / ALPHA
    window = _everywhere(views)
    zeros = tf.zeros_like(views)
    state = cw.State(
        w=tf.atanh((views * 2 - 1) * 0.999999) + 1e-3 * noise,
        m=zeros,
        v=zeros,
        count=0.0 * ones,
        found=0.0 * ones,
        best_delta=zeros,
        best_size=float("inf") * ones,
    )
    parameters = cw.Parameters(
        const=2 * wanted**2 * float(views.shape[1] * views.shape[2] * 3) * ones,
        rate=4 * wanted / adversary.steps * ones,
        linf=0.0 * ones,
        tau=0.0 * ones,
        window=window,
    )
    state, _, _ = cw.steps(embed, views, state, goal, parameters, tf.constant(adversary.steps), sizes)
    delta = cw.perturbation(state.w, views, window)
    radius = adversary.rms / 255 * tf.sqrt(3.0 * image_sum(window))
    length = tf.sqrt(image_sum(tf.square(delta)) + 1e-24)
    return tf.clip_by_value(views + delta * tf.minimum(ALPHA, radius / length), 0.0, 1.0)


def _everywhere(views: tf.Tensor) -> tf.Tensor:
    return tf.ones_like(views[..., :1])
