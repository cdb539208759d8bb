from __future__ import annotations

import numpy as np
import tensorflow as tf

from faceoff.training import objectives
from faceoff.training.objectives import CENTRE_RATE, CENTRE_WEIGHT, MARGIN, Center, Triplet
from faceoff.training.settings import Objective, Settings
from faceoff.types import Array, Float

LABELS = np.repeat(np.arange(4), 3)


def raw(seed: int, spread: float = 1.0) -> Float:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(4, 6))
    return np.asarray(centres[LABELS] + spread * random.normal(size=(12, 6)), np.float32)


def by_hand(embeddings: Float, labels: Array) -> float:
    """FaceNet's semi-hard triplets, one at a time."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    d = ((unit[:, None] - unit[None]) ** 2).sum(-1)
    losses = []
    for anchor in range(len(labels)):
        for positive in np.flatnonzero(labels == labels[anchor]):
            if positive == anchor:
                continue
            negatives = d[anchor][labels != labels[anchor]]
            farther = negatives[negatives > d[anchor, positive]]
            negative = farther.min() if len(farther) else negatives.max()
            losses.append(max(d[anchor, positive] - negative + MARGIN, 0))
    return float(np.mean(losses))


def test_triplets_are_semi_hard() -> None:
    for seed, spread in enumerate((0.1, 0.5, 1.0, 3.0)):
        embeddings = raw(seed, spread)
        loss = Triplet(3)(tf.constant(embeddings), tf.constant(LABELS))
        np.testing.assert_allclose(loss, by_hand(embeddings, LABELS), atol=1e-5)


def test_triplets_have_a_finite_gradient_where_photos_are_equal() -> None:
    same = tf.Variable(np.ones((12, 6), np.float32))
    with tf.GradientTape() as tape:
        loss = Triplet(3)(same, tf.constant(LABELS))
    assert np.isfinite(tape.gradient(loss, same)).all()
    np.testing.assert_allclose(loss, MARGIN, atol=1e-6)


def test_the_centre_loss_and_its_centres() -> None:
    center, embeddings = Center(4, 6, seed=0), raw(1)
    kernel, bias = (np.asarray(variable) for variable in center.trainable)
    centres = np.asarray(center.variables[-1])
    logits = embeddings @ kernel + bias
    softmax = np.log(np.exp(logits).sum(1)) - logits[np.arange(12), LABELS]
    away = ((embeddings - centres[LABELS]) ** 2).sum(1)
    loss = center(tf.constant(embeddings), tf.constant(LABELS))
    np.testing.assert_allclose(loss, softmax.mean() + CENTRE_WEIGHT / 2 * away.mean(), rtol=1e-5)

    center.update(tf.constant(embeddings), tf.constant(LABELS))
    for label in range(4):
        own = embeddings[label == LABELS]
        expected = centres[label] - CENTRE_RATE * (centres[label] - own).sum(0) / (1 + len(own))
        np.testing.assert_allclose(np.asarray(center.variables[-1])[label], expected, atol=1e-5)


def test_the_settings_choose() -> None:
    assert isinstance(objectives.objective(Settings(objective=Objective.TRIPLET), 5), Triplet)
    center = objectives.objective(Settings(objective=Objective.CENTER, dimension=512), 5)
    assert [tuple(variable.shape) for variable in center.trainable] == [(512, 5), (5,)]
