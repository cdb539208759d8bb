"""Gradients against finite differences, through alignment, preprocessing, network and loss."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from faceoff import losses
from faceoff.attacks import export, parts, pgd
from faceoff.networks.sets import NetworkSet
from faceoff.types import Array, Float, Loss
from tests.unit import tiny


def goal(network: NetworkSet, x: Float, kind: Loss, kappa: float = 0.3, cosine: float = 0.0) -> losses.Goal:
    count = len(x)
    landmarks = np.tile(tiny.LANDMARKS, (count, 1, 1))
    source = network.embed(tf.constant(x), landmarks).numpy()
    others = network.embed(tf.constant(tiny.images(count, seed=9)), landmarks).numpy()
    galleries = np.stack([np.stack([source, source[::-1]], 1), np.stack([others, others * 0], 1)], 1)
    weights = np.tile(np.array([[1, 0], [1, 0]], np.float32), (count, 1, 1))
    return losses.Goal(
        tf.constant(galleries),
        tf.constant(weights),
        tf.fill([count], losses.CODES[kind]),
        tf.fill([count], 1),
        tf.fill([count], kappa),
        tf.fill([count], cosine),
        tf.fill([count, len(network.sizes)], 0.5),
    )


@pytest.mark.parametrize("cosine", [0.0, 1.0])
@pytest.mark.parametrize("kind", list(Loss))
def test_gradient_agrees_with_finite_differences(kind: Loss, cosine: float) -> None:
    network = tiny.network_set("a", "b")
    x = tiny.images(2)
    landmarks = tf.constant(np.tile(tiny.LANDMARKS, (2, 1, 1)))
    random = np.random.default_rng(1)
    jitter = tf.constant(random.uniform(-0.05, 0.05, (2, 2, 4)).astype(np.float32))
    start = tf.constant(x + random.normal(0, 0.02, x.shape).astype(np.float32))
    wanted = goal(network, x, kind, 3.0, cosine)

    def loss(at: tf.Tensor) -> Array:
        value, _ = losses.evaluate(network.embed(at, landmarks, jitter), wanted, network.sizes)
        return np.asarray(value, np.float64)

    _, _, gradient = parts.value_and_gradient(
        lambda at, _: network.embed(at, landmarks, jitter), start, tf.constant(0), wanted, network.sizes
    )
    gradient = gradient.numpy()
    for trial in range(3):
        if trial == 0:
            direction = gradient / np.sqrt((gradient**2).sum((1, 2, 3), keepdims=True))
        else:
            direction = tiny.images(2, seed=20 + trial) - 0.5
            direction /= np.sqrt((direction**2).sum((1, 2, 3), keepdims=True))
        step = 0.02
        slope = (loss(start + step * direction) - loss(start - step * direction)) / (2 * step)
        expected = (gradient * direction).sum((1, 2, 3))
        assert np.abs(slope - expected).max() <= 1e-3 + 0.02 * np.abs(expected).max()


def test_rows_do_not_mix() -> None:
    network = tiny.network_set("a", "b")
    x = tiny.images(3)
    concrete = export.signatures(network)["value_and_gradient"]
    landmarks = np.tile(tiny.LANDMARKS, (3, 1, 1))
    wanted = goal(network, x, Loss.HINGE)._asdict()
    noisy = x + np.random.default_rng(4).normal(0, 0.02, x.shape).astype(np.float32)
    inputs = wanted | {"images": noisy, "landmarks": landmarks, "jitter": np.zeros((3, 2, 4), np.float32)}
    together = concrete(**{name: tf.constant(value) for name, value in inputs.items()})
    alone = concrete(**{name: tf.constant(value[1:2]) for name, value in inputs.items()})
    np.testing.assert_allclose(together["gradient"][1], alone["gradient"][0], atol=1e-6)
    np.testing.assert_allclose(together["loss"][1], alone["loss"][0], atol=1e-6)


def test_a_step_rounds_alike_in_any_batch() -> None:
    """Everything of a step of PGD but the networks, whose gradient is given (docs/decisions/0007)."""
    random = np.random.default_rng(0)
    count, size = 16, 64
    images = random.uniform(size=(count, size, size, 3)).astype(np.float32)
    gradient = random.normal(size=images.shape).astype(np.float32)
    window = random.uniform(size=(count, size, size, 1)).astype(np.float32)
    delta = (0.001 * random.normal(size=images.shape)).astype(np.float32)
    box = (np.array([10, 12, 40, 45]) + np.arange(count)[:, None]).astype(np.int32)
    epsilon = (0.01 + 0.001 * np.arange(count)).astype(np.float32)
    tensors = (images, gradient, window, delta, box, epsilon)

    specs = [tf.TensorSpec([None, *value.shape[1:]], value.dtype) for value in tensors]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def stepped(
        images: tf.Tensor, gradient: tf.Tensor, window: tf.Tensor, delta: tf.Tensor, box: tf.Tensor, epsilon: tf.Tensor
    ) -> tf.Tensor:
        batch, one = tf.shape(images)[0], tf.ones_like(epsilon)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def embed(_: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            return tf.ones([batch, 4]), lambda _: gradient

        kind = tf.fill([batch], losses.CODES[Loss.DODGE])
        goal = losses.Goal(
            tf.ones([batch, 1, 1, 4]), tf.ones([batch, 1, 1]), kind, 0 * kind, 0 * one, 0 * one, one[:, None]
        )
        state = pgd.State(delta, 0 * delta, 0 * delta, 0 * one)
        parameters = pgd.Parameters(epsilon, 0.1 * one, 0 * one, 0.8 * one, one, window, box)
        return pgd.steps(lambda x, _: embed(x), images, state, goal, parameters, tf.constant(2), (4,))[0].delta

    alone = np.concatenate([stepped(*(value[i : i + 1] for value in tensors)).numpy() for i in range(count)])
    for batch in (2, 3, 4, 8, 16):
        np.testing.assert_array_equal(stepped(*(value[:batch] for value in tensors)).numpy(), alone[:batch])


@pytest.mark.parametrize("cosine", [0.0, 1.0])
@pytest.mark.parametrize("kind", list(Loss))
def test_a_loss_rounds_alike_in_any_batch(kind: Loss, cosine: float) -> None:
    """And so does its gradient, with other people given and with some of them missing (docs/decisions/0007)."""
    random = np.random.default_rng(0)
    count, labels, sizes = 16, 6, (128, 64, 192)

    def units(*shape: int) -> Float:
        rows = random.normal(size=shape)
        return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)

    embeddings = np.concatenate([units(count, size) for size in sizes], -1)
    galleries = np.concatenate([units(count, labels, 3, size) for size in sizes], -1)
    weights = (random.uniform(size=(count, labels, 3)) < 0.6).astype(np.float32)
    weights[:, :2, 0] = 1
    tensors = (embeddings, galleries, weights)
    specs = [tf.TensorSpec([None, *value.shape[1:]], value.dtype) for value in tensors]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def measured(embeddings: tf.Tensor, galleries: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        one = tf.ones(tf.shape(embeddings)[:1])
        code = tf.fill(tf.shape(one), losses.CODES[kind])
        goal = losses.Goal(
            galleries, weights, code, 0 * code + 1, 0.3 * one, cosine * one, tf.ones([tf.size(one), len(sizes)])
        )
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            loss, _ = losses.evaluate(embeddings, goal, sizes)
        return loss, tape.gradient(loss, embeddings)

    alone = [measured(*(value[i : i + 1] for value in tensors)) for i in range(count)]
    for batch in (2, 3, 4, 5, 8, 16):
        together = measured(*(value[:batch] for value in tensors))
        for part, single in zip(together, zip(*alone, strict=True), strict=True):
            np.testing.assert_array_equal(part.numpy(), np.concatenate(single)[:batch])
