"""The attack libraries people would otherwise use, Adversarial Robustness Toolbox and cleverhans: seconds per gradient step of
their PGD over ours. Both sides have the same network, loss, budget, step size and faces at once.

``_vs_loop`` uses them as their documentation shows, on the Keras model; ``_vs_loop_with_equal_care`` gives them our network
with its normalisations folded into the convolutions, compiled. Ours pays for its alignment and for the wire, theirs
do not; ART's figure contains the two predictions with which its ``generate`` ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.loop import STEPS, chunk, model_server, plan
from benchmarks.measure import Row, compared, in_turns
from faceoff.networks import catalogue
from faceoff.networks.align import normalised
from faceoff.networks.architectures import build
from faceoff.networks.card import Card
from faceoff.networks.home import Home, default_home
from faceoff.networks.importers import load
from faceoff.networks.importers.keras import load_weights
from faceoff.types import Array

BATCH = 5
RUNS = 3
CARE = {"": "used as documented, on the Keras model", "_with_equal_care": "given our folded network in a tf.function"}

Attack = Callable[[Array, Array], object]
"""STEPS steps of PGD on images [B, h, w, 3], away from embeddings [B, D]."""


def rows() -> Iterator[Row]:
    home, facenet = default_home(), plan("facenet")
    card = catalogue.card("facenet", home)
    random = np.random.default_rng(0)
    images = random.uniform(0.1, 0.9, (BATCH, *card.input_size, 3)).astype(np.float32)
    away_from = random.normal(size=(BATCH, card.embedding_size)).astype(np.float32)
    away_from /= np.linalg.norm(away_from, axis=1, keepdims=True)
    models = {"": keras_model(card, home), "_with_equal_care": folded_model(card, home)}

    radius = facenet.epsilon * float(np.sqrt(np.prod(images.shape[1:])))
    attacks: dict[tuple[str, str], Attack] = {}
    refused: dict[str, str] = {}
    for name, prepare in (("art", art_pgd), ("cleverhans", cleverhans_pgd)):
        try:
            for care, model in models.items():
                attacks[name, care] = prepare(model, card, radius, facenet.step_size * radius)
        except Exception as error:  # whatever keeps a peer from being measured is the row's to say
            refused[name] = f"could not be set up: {type(error).__name__}: {error}"
    with model_server([facenet], home) as server:
        ours = chunk(facenet, home, server).batch(BATCH)
        works = [lambda attack=attack: attack(images, away_from) for attack in attacks.values()]
        mine, *theirs = [
            [time / STEPS for time in times] for times in in_turns(lambda: ours.run(server), *works, runs=RUNS)
        ]
    for (name, care), times in zip(attacks, theirs, strict=True):
        against = f"our loop over gRPC, facenet, {BATCH} faces; {name} {CARE[care]}; value is its seconds a step"
        yield compared(f"{name}_vs_loop{care}", times, mine, "s", against)
    for name, care in itertools.product(refused, CARE):
        if (name, care) not in attacks:
            why = f"our loop over gRPC; {name} {refused[name]}"
            yield Row(f"{name}_vs_loop{care}", None, None, "s", why, 0)


def keras_model(card: Card, home: Home) -> keras.Model:
    """The network as a Keras user has it: pixels in [0, 1] to unit embeddings."""
    network = build(card.architecture, card.embedding_size)
    load_weights(network, home.weights(card))
    standardise = keras.layers.Lambda(tf.image.per_image_standardization)
    return keras.Sequential(
        [keras.Input((*card.input_size, 3)), standardise, network, keras.layers.UnitNormalization()]
    )


def folded_model(card: Card, home: Home) -> Any:
    """The same from our importer, compiled."""
    body = load(home.weights(card), card)

    @tf.function  # type: ignore[untyped-decorator]
    def model(images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.math.l2_normalize(body(normalised(images, card)), -1)

    return model


def distance(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """To the embedding that the face is to get away from, [B]."""
    return tf.norm(labels - logits, axis=-1)


class Distance(keras.losses.Loss):
    """The same as the loss object that ART asks for."""

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return distance(y_true, y_pred)


def art_pgd(model: Any, card: Card, radius: float, step: float) -> Attack:
    from art.attacks.evasion import ProjectedGradientDescent  # type: ignore[import-not-found]
    from art.estimators.classification import TensorFlowV2Classifier  # type: ignore[import-not-found]

    classifier = TensorFlowV2Classifier(
        model=model,
        nb_classes=card.embedding_size,
        input_shape=(*card.input_size, 3),
        loss_object=Distance(reduction="sum"),
        clip_values=(0.0, 1.0),
    )
    pgd = ProjectedGradientDescent(classifier, norm=2, eps=radius, eps_step=step, max_iter=STEPS, verbose=False)
    return lambda images, away_from: pgd.generate(images, y=away_from)


def cleverhans_pgd(model: Any, card: Card, radius: float, step: float) -> Attack:
    from cleverhans.tf2.attacks import projected_gradient_descent as pgd  # type: ignore[import-not-found]

    def attack(images: Array, away_from: Array) -> object:
        adversarial = pgd.projected_gradient_descent(
            model, images, radius, step, STEPS, 2, loss_fn=distance, clip_min=0.0, clip_max=1.0, y=away_from
        )
        return adversarial.numpy()

    return attack
