"""The losses against a plain NumPy reading of section 2.2."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from faceoff import losses
from faceoff.types import Array, Loss

SIZES = (4, 6)

Case = tuple[Array, Array, Array]


def unit(random: np.random.Generator, *shape: int) -> Array:
    parts = [random.normal(size=(*shape, size)) for size in SIZES]
    return np.concatenate([part / np.linalg.norm(part, axis=-1, keepdims=True) for part in parts], -1).astype(
        np.float32
    )


def goal(
    kind: Loss,
    galleries: Any,
    weights: Any,
    target: int = 1,
    kappa: float = 0.0,
    threshold: float = 1.0,
    cosine: float = 0.0,
) -> losses.Goal:
    count = len(galleries)
    return losses.Goal(
        tf.constant(galleries),
        tf.constant(weights),
        tf.fill([count], losses.CODES[kind]),
        tf.fill([count], target),
        tf.fill([count], kappa),
        tf.fill([count], cosine),
        tf.fill([count, len(SIZES)], threshold),
    )


def plain(x: Array, galleries: Array, weights: Array) -> Array:
    """[B, L, M] by loops."""
    out = np.full((*weights.shape[:2], len(SIZES)), losses.ABSENT)
    for b, label in np.ndindex(*weights.shape[:2]):
        members = galleries[b, label][weights[b, label] > 0]
        for m, part in enumerate((slice(0, 4), slice(4, 10))):
            if len(members):
                out[b, label, m] = np.mean([np.linalg.norm(x[b, part] - g[part]) for g in members])
    return out


@pytest.fixture
def case() -> Case:
    random = np.random.default_rng(0)
    weights = np.array([[[1, 1, 0], [1, 0, 0], [1, 1, 1]], [[1, 0, 0], [1, 1, 0], [0, 0, 0]]], np.float32)
    return unit(random, 2), unit(random, 2, 3, 3), weights


def test_every_loss_has_a_code() -> None:
    assert sorted(losses.CODES.values()) == list(range(len(Loss)))


def test_distances_are_means_over_the_gallery(case: Case) -> None:
    x, galleries, weights = case
    np.testing.assert_allclose(losses.distances(x, galleries, weights, np.zeros(2), SIZES), plain(*case), atol=1e-5)


def test_cosine_distance_is_one_less_the_cosine(case: Case) -> None:
    x, galleries, _ = case
    one = np.zeros((2, 3, 3), np.float32)
    one[..., 0] = 1
    d = losses.distances(x, galleries, one, np.ones(2), SIZES).numpy()
    for member, part in enumerate((slice(0, 4), slice(4, 10))):
        expected = 1 - (galleries[:, :, 0, part] * x[:, None, part]).sum(-1)
        np.testing.assert_allclose(d[..., member], expected, atol=1e-5)


@pytest.mark.parametrize("kappa", [0.0, 0.4])
def test_losses_read_like_the_paper(case: Case, kappa: float) -> None:
    x, galleries, weights = case
    d = plain(*case)
    target, hinge, dodge, crowd = (
        losses.evaluate(x, goal(kind, galleries, weights, 1, kappa), SIZES)[0] for kind in Loss
    )
    np.testing.assert_allclose(target, d[:, 1].mean(-1), atol=1e-5)
    others = np.minimum(d[:, 0], d[:, 2])
    np.testing.assert_allclose(hinge, np.maximum(d[:, 1] - others + kappa, 0).mean(-1), atol=1e-5)
    np.testing.assert_allclose(dodge, -d[:, 0].mean(-1), atol=1e-5)
    to_crowd = np.stack([(d[0, 1:] ** -8).mean(0) ** (-1 / 8), d[1, 1]])  # the second example's third label is absent
    np.testing.assert_allclose(crowd, (to_crowd - 1.5 * d[:, 0]).mean(-1), atol=1e-5)


def test_the_crowd_without_others_is_the_dodge(case: Case) -> None:
    x, galleries, weights = case
    for others in (weights[:, :1], np.concatenate([weights[:, :1], 0 * weights[:, 1:]], 1)):
        alone = galleries[:, : others.shape[1]]
        dodge, crowd = (losses.evaluate(x, goal(kind, alone, others), SIZES)[0] for kind in (Loss.DODGE, Loss.CROWD))
        np.testing.assert_allclose(crowd, losses.OWN_WEIGHT * dodge, rtol=1e-6)


def test_success_needs_every_member(case: Case) -> None:
    x, galleries, weights = case
    galleries[:, 1, 0] = x  # the target's only (first) embedding is where the face already is
    weights[:, 1] = [1, 0, 0]
    for kind in (Loss.TARGET, Loss.HINGE):
        assert losses.evaluate(x, goal(kind, galleries, weights), SIZES)[1].numpy().all()
    galleries[:, 1, 0, 4:] = -x[:, 4:]  # ... but on the second member it is opposite
    for kind in (Loss.TARGET, Loss.HINGE):
        assert not losses.evaluate(x, goal(kind, galleries, weights), SIZES)[1].numpy().any()


def test_dodge_succeeds_beyond_the_threshold(case: Case) -> None:
    x, galleries, weights = case
    nearest = plain(*case)[:, 0].min(-1)
    assert (
        losses.evaluate(x, goal(Loss.DODGE, galleries, weights, threshold=float(nearest.min()) - 0.01), SIZES)[1]
        .numpy()
        .any()
    )
    assert not losses.evaluate(x, goal(Loss.DODGE, galleries, weights, threshold=2.1), SIZES)[1].numpy().any()


@pytest.mark.parametrize("cosine", [0.0, 1.0])
@pytest.mark.parametrize("kind", list(Loss))
def test_loss_and_gradient_are_finite_where_a_face_meets_itself(case: Case, kind: Loss, cosine: float) -> None:
    x, galleries, weights = case
    galleries[:, :2, 0] = x  # under its own label and, by mistake, under another
    weights[:, :2] = [1, 0, 0]
    point = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(point)
        loss = losses.evaluate(point, goal(kind, galleries, weights, cosine=cosine), SIZES)[0]
    assert np.isfinite(loss.numpy()).all()
    assert np.isfinite(tape.gradient(loss, point).numpy()).all()
