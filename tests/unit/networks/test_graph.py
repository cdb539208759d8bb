"""Operations in one precision and the other, alone and in a batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.graph import (
    INPUT,
    Conv,
    Dense,
    GraphBody,
    GraphBuilder,
    Pool,
    PRelu,
    Reshape,
    Unary,
    zeros,
)
from faceoff.networks.options import DEFAULT, BuildOptions, Precision
from faceoff.networks.sets import NetworkSet, unit
from faceoff.types import Float
from tests.unit import tiny

RANDOM = np.random.default_rng(0)
LARGEST = 16
"""Faces in the largest batch."""

ALONE_OR_NOT: dict[str, tuple[tuple[int, ...], Callable[[tf.Tensor], tf.Tensor]]] = {
    "pointwise, small map": ((7, 7, 96), Conv(weights := RANDOM.normal(0, 0.1, (1, 1, 96, 64)).astype("f"), zeros(64))),
    "pointwise, large map": ((36, 36, 96), Conv(weights, zeros(64))),
    "3x3": ((17, 17, 96), Conv(RANDOM.normal(0, 0.1, (3, 3, 96, 64)).astype("f"), zeros(64), padding="SAME")),
    "unit": ((192,), unit),
    "dense": ((1792,), Dense(RANDOM.normal(0, 0.1, (1792, 128)).astype("f"), zeros(128))),
    "max": ((77, 77, 64), Pool("max", (3, 3), (2, 2))),
    "max, padded": ((20, 20, 8), Pool("max", (3, 3), (2, 2), ((0, 2), (1, 0)))),
}


def normal(*shape: int) -> Float:
    return RANDOM.normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("kind", ALONE_OR_NOT)
def test_a_face_does_not_depend_on_its_batch(kind: str) -> None:
    shape, operation = ALONE_OR_NOT[kind]

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def run(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = operation(x)
        return y, tape.gradient(y, x, upstream)

    x = normal(LARGEST, *shape)
    upstream = normal(*operation(tf.constant(x)).shape)
    whole = run(tf.constant(x), tf.constant(upstream))
    for size in (1, 2, 3, 4, 5, 8, 11):
        part = run(tf.constant(x[:size]), tf.constant(upstream[:size]))
        for ours, theirs in zip(part, whole, strict=True):
            np.testing.assert_array_equal(ours, theirs[:size])


def test_bfloat16_embeddings_and_gradients_are_near_and_float32() -> None:
    builder = GraphBuilder((20, 20, 3))
    x = builder.add(Conv(normal(3, 3, 3, 16), zeros(16), padding="SAME"), INPUT)
    x = builder.add(PRelu(np.full(16, 0.2, np.float32)), x)
    x = builder.add(Pool("max", (3, 3), (2, 2)), x)
    x = builder.add(Pool("mean", (3, 3), (2, 2), "SAME"), x)
    x = builder.add(Unary("relu"), builder.add(Conv(normal(1, 1, 16, 16), zeros(16)), x))
    x = builder.add(Reshape((5 * 5 * 16,)), x)
    exact = GraphBody(builder.build(builder.add(Dense(normal(5 * 5 * 16, 8), zeros(8)), x)))
    images, pull = tf.constant(normal(2, 20, 20, 3)), tf.constant(normal(2, 8))
    results = []
    for body in (exact, exact.built(BuildOptions(Precision.BFLOAT16))):
        with tf.GradientTape() as tape:
            tape.watch(images)
            embeddings = body(images)
        results.append((embeddings, tape.gradient(embeddings, images, pull)))
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype == tf.float32
        cosine = float(tf.reduce_sum(ours * theirs) / (tf.norm(ours) * tf.norm(theirs)))
        assert cosine > 0.98
        assert np.any(ours != theirs)


def test_unit_rows_and_their_gradient() -> None:
    raw = tf.constant(normal(3, 7) * 5, tf.float64)
    worked, automatic = tf.test.compute_gradient(unit, [raw])
    np.testing.assert_allclose(worked[0], automatic[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(unit(raw), axis=1), 1, atol=1e-6)


def test_a_body_that_is_run_as_its_file_says_stays_float32() -> None:
    member = tiny.card("a", 6), tiny.TinyBody(6, 0)
    NetworkSet([member], DEFAULT)
    with pytest.raises(FaceOffError) as error:
        NetworkSet([member], BuildOptions(Precision.BFLOAT16))
    assert error.value.reason is Reason.INVALID_ARGUMENT
