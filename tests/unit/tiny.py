"""A tiny differentiable surrogate: smooth, so that finite differences are exact enough, and built in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from faceoff.attacks import export
from faceoff.networks.card import Alignment, Card, Format, Normalisation
from faceoff.networks.sets import NetworkSet
from faceoff.types import CROP_SIZE, Array, Box, Crop, Face, Float, Transform

LANDMARKS = np.array([(70, 80), (122, 82), (96, 104), (74, 128), (118, 130)], np.float32)


class TinyBody(tf.Module):
    def __init__(self, depth: int, seed: int) -> None:
        super().__init__()
        random = np.random.default_rng(seed)
        self.kernel = tf.constant(random.normal(0, 0.2, (5, 5, 3, 8)).astype(np.float32))
        self.dense = tf.constant(random.normal(0, 0.3, (8 * 16, depth)).astype(np.float32))

    def __call__(self, views: tf.Tensor) -> tf.Tensor:
        features = tf.tanh(tf.nn.conv2d(views, self.kernel, 3, "SAME"))
        pooled = tf.nn.avg_pool2d(features, 3, 3, "VALID")[:, :4, :4]
        return tf.reshape(pooled, [-1, 8 * 16]) @ self.dense


def card(name: str, depth: int, side: int = 40, thresholds: dict[float, float] | None = None) -> Card:
    return Card(
        name=name,
        title=name,
        licence="MIT",
        source="made in the test",
        training_data="none",
        loss="none",
        input_size=(side, side),
        embedding_size=depth,
        alignment=Alignment.ARCFACE,
        normalisation=Normalisation.STANDARDISED if name < "b" else Normalisation.SYMMETRIC,
        format=Format.ONNX,
        filename="none",
        thresholds=thresholds or {1e-2: 0.3},
    )


def network_set(*names: str) -> NetworkSet:
    depths = {name: 6 + 2 * index for index, name in enumerate(names)}
    return NetworkSet([(card(name, depth), TinyBody(depth, seed)) for seed, (name, depth) in enumerate(depths.items())])


def images(count: int, seed: int = 0) -> Float:
    """Smooth random images [count, S, S, 3] away from 0 and 1."""
    random = np.random.default_rng(seed)
    coarse = tf.constant(random.uniform(0.2, 0.8, (count, 12, 12, 3)).astype(np.float32))
    return np.asarray(
        tf.image.resize(coarse, (CROP_SIZE, CROP_SIZE), method="bicubic").numpy().clip(0.05, 0.95), np.float32
    )


class TinyNetworks:
    """faceoff.rooms.Networks over sets of tiny networks, in memory. Counts its calls by signature."""

    def __init__(self, *names: str) -> None:
        self.network = network_set(*names)
        self.signatures = export.signatures(self.network)
        self.calls: list[str] = []

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        self.calls.append(signature)
        answer = self.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in answer.items() if not outputs or name in outputs}

    def version(self, model: str) -> str:
        return "1"

    def card(self, name: str) -> Card:
        return next(card for card in self.network.cards if card.name == name)


def crops(count: int, seed: int = 0) -> list[Crop]:
    """Crops that cover a photo of their own size."""
    face = Face(Box(60, 50, 70, 90), LANDMARKS, 1.0)
    return [Crop(x, LANDMARKS, Transform(0, 0, CROP_SIZE), face) for x in images(count, seed)]
