from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from faceoff.networks.sets import unit
from faceoff.training.adversary import examples, half_masked
from faceoff.training.settings import Adversary, Attack
from faceoff.types import Float, Loss
from tests.unit.tiny import TinyBody

BODY = TinyBody(8, seed=0)
LABELS = np.repeat(np.arange(3, dtype=np.int32), 2)
SIDE = 40


def embed(views: tf.Tensor) -> tf.Tensor:
    return unit(BODY(views))


def views() -> Float:
    coarse = np.random.default_rng(0).uniform(0, 1, (6, 8, 8, 3)).astype(np.float32)
    return np.asarray(tf.clip_by_value(tf.image.resize(coarse, (SIDE, SIDE)), 0, 1))


def centroids(clean: Float) -> Float:
    return np.asarray(tf.reduce_mean(tf.reshape(embed(clean), (3, 2, 8)), 1))


def masked(adversary: Adversary, seed: int = 0) -> Float:
    clean = views()
    found = examples(embed, tf.constant(clean), centroids(clean), LABELS, adversary, tf.constant([seed, 1]))
    return np.asarray(found)


@pytest.mark.parametrize("attack", Attack)
@pytest.mark.parametrize("loss", [Loss.HINGE, Loss.TARGET, Loss.DODGE])
def test_masks_are_small_and_lead_away(attack: Attack, loss: Loss) -> None:
    clean, found = views(), masked(Adversary(attack, loss, rms=5.0))
    rms = np.sqrt(np.square(found - clean).mean((1, 2, 3))) * 255
    assert (rms <= 5.01).all()
    assert (rms > 0.5).all()
    assert found.min() >= 0
    assert found.max() <= 1
    # All three lead away from the own person or towards another: by the nearest centroid, fewer stay themselves.
    people = centroids(clean)

    def margins(images: Float) -> Float:
        """How much nearer the own person is than the nearest other one."""
        d = np.linalg.norm(np.asarray(embed(images))[:, None] - people[None], axis=-1)
        own = d[np.arange(6), LABELS]
        d[np.arange(6), LABELS] = 9
        return np.asarray(d.min(1) - own)

    assert margins(found).mean() < margins(clean).mean() - 0.05


def test_the_seed_repeats_a_mask() -> None:
    adversary = Adversary(Attack.PGD, Loss.TARGET)
    np.testing.assert_array_equal(masked(adversary), masked(adversary))
    assert np.abs(masked(adversary) - masked(adversary, seed=5)).max() > 1e-3


@pytest.mark.parametrize("attack", Attack)
def test_half_of_each_person_s_photos_is_masked(attack: Attack) -> None:
    clean = views()
    mixed = half_masked(embed, tf.constant(clean), 2, Adversary(attack, steps=2), tf.constant([0, 1]))
    changed = np.abs(np.asarray(mixed) - clean).max((1, 2, 3)) > 0
    assert changed.tolist() == [False, True] * 3
