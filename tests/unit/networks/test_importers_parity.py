"""The networks of the catalogue against their own runtimes, on a real face. Needs their weight files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from skimage import data, transform

from faceoff.networks import catalogue, parity
from faceoff.networks.card import Card
from faceoff.networks.home import default_home
from faceoff.networks.importers import Body, load

Images = NDArray[np.float32]


def fetched(name: str) -> tuple[Card, Path]:
    card = catalogue.card(name)
    path = default_home().weights(card)
    if not path.exists():
        pytest.skip(f"the weights of {name} are not here: make models")
    return card, path


def face(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A face, loosely cut out."""
    photo = data.astronaut()[60:220, 150:300]  # type: ignore[no-untyped-call]
    resized = transform.resize(photo, size, anti_aliasing=True)  # type: ignore[no-untyped-call]
    return np.asarray(np.round(resized * 255), np.uint8)


def check(body: Body, image: Images, expected: Images, tolerance: float) -> None:
    batch = np.stack([image, image[:, ::-1]])
    embeddings = body(tf.constant(batch)).numpy()
    np.testing.assert_allclose(embeddings[0], expected, atol=tolerance)

    with tf.GradientTape() as tape:
        x = tf.constant(batch[:1])
        tape.watch(x)
        loss = tf.reduce_sum(tf.square(body(x)))
    gradient = tape.gradient(loss, x).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0

    # A face is like its mirror image, and not like noise of its own brightness and contrast.
    noise = np.random.default_rng(5).normal(image.mean(), image.std(), image.shape).astype(np.float32)
    vectors = np.concatenate([embeddings, body(tf.constant(noise[None])).numpy()])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.05


TOLERANCES = {"dlib": 1e-5, "facelib": 1e-4, "facenet": 1e-4, "faceplugin": 1e-4, "mobilefacenet": 2e-4, "sface": 1e-4}
"""Of raw embeddings; mobilefacenet's have values up to 15."""


@pytest.mark.parametrize("name", list(TOLERANCES))
def test_agrees_with_its_own_runtime(name: str) -> None:
    card, path = fetched(name)
    if reason := parity.missing(card):
        pytest.skip(reason)
    view = face(card.input_size)
    check(
        load(path, card), parity.views_for(card, view).numpy()[0], parity.original(card, path)(view), TOLERANCES[name]
    )
