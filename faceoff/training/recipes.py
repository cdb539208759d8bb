"""Which network is trained: the paper's (Table 2), with fresh weights, or a tiny one. Keras is imported to build one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from faceoff.networks.card import Alignment, Card, Format, Normalisation
from faceoff.networks.catalogue import CARDS
from faceoff.training.settings import Architecture, Objective, Settings

_LIKE = {
    (Architecture.SMALL, Objective.TRIPLET): "fsvt",
    (Architecture.SMALL, Objective.CENTER): "csvc",
    (Architecture.LARGE, Objective.TRIPLET): "flvt",
    (Architecture.LARGE, Objective.CENTER): "flvc",
}
"""The built-in card whose architecture, input and alignment a training takes over."""

_TINY = Card(
    name="tiny",
    title="tiny",
    licence="",
    source="",
    training_data="",
    loss="",
    input_size=(48, 48),
    embedding_size=128,
    alignment=Alignment.FACENET,
    normalisation=Normalisation.SYMMETRIC,
    format=Format.KERAS_H5,  # a whole model: its architecture is not one of the catalogue's
    filename="",
)

_OBJECTIVES = {Objective.TRIPLET: "triplet", Objective.CENTER: "softmax with centre loss"}


def blank(name: str, settings: Settings) -> Card:
    """The card of the network ``name`` before its training: all that the settings decide."""
    like = _LIKE.get((settings.architecture, settings.objective))
    template = next(card for card in CARDS if card.name == like) if like else _TINY
    adversary = f", adversarially ({settings.adversary.attack})" if settings.adversary else ""
    loss = _OBJECTIVES[settings.objective] + adversary
    return replace(
        template,
        name=name,
        title=f"Trained here: {settings.architecture} ({template.architecture or 'four convolutions'}), {loss}",
        loss=loss,
        embedding_size=settings.dimension,
        filename=f"{name}.h5",
    )


def build(card: Card) -> Any:
    """The card's Keras model with fresh weights: normalised views [B, h, w, 3] to raw embeddings [B, D]."""
    if not card.architecture:
        return _tiny(card)
    from faceoff.networks import architectures

    return architectures.build(card.architecture, card.embedding_size)


def _tiny(card: Card) -> Any:
    import keras
    from keras import layers

    images = x = keras.Input((*card.input_size, 3))
    for filters in (16, 32, 64, 96):
        x = layers.Conv2D(filters, 3, 2, "same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)  # the usual .99 would need more steps than a small folder has
        x = layers.Activation("relu")(x)
    x = layers.Dense(card.embedding_size)(layers.Flatten()(x))
    return keras.Model(images, x, name="tiny")
