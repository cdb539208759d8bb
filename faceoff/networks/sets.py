"""A set of surrogates as one network: one crop in, every member's own alignment and preprocessing inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.align import JITTER_SIZE, aligned, normalised
from faceoff.networks.card import Card
from faceoff.networks.graph import GraphBody
from faceoff.networks.importers import Body
from faceoff.networks.means import row_sum
from faceoff.networks.options import DEFAULT, BuildOptions, Precision


def set_name(members: Sequence[str]) -> str:
    """The model name of a set: its members' names in alphabetical order, joined by +."""
    return "+".join(sorted(set(members)))


class NetworkSet(tf.Module):
    """Members are ordered by name, so a set's embedding does not depend on how it was written down.

    Raises INVALID_ARGUMENT for a member that cannot be computed in the options' precision.
    """

    def __init__(self, members: Sequence[tuple[Card, Body]], options: BuildOptions = DEFAULT) -> None:
        super().__init__(name="network_set")
        ordered = sorted(members, key=lambda member: member[0].name)
        self.options = options
        self.cards = tuple(card for card, _ in ordered)
        self.bodies = [_built(options, *member) for member in ordered]
        self.sizes = tuple(card.embedding_size for card in self.cards)

    def embed(self, images: tf.Tensor, landmarks: tf.Tensor, jitter: tf.Tensor | None = None) -> tf.Tensor:
        """The members' unit embeddings side by side, [B, D].

        ``images`` [B, S, S, 3] in [0, 1], ``landmarks`` [B, 5, 2] in crop pixels, ``jitter`` [B, M, 4] or None.
        """
        if jitter is None:
            jitter = tf.zeros([tf.shape(images)[0], len(self.cards), JITTER_SIZE])
        parts = []
        for index, (card, body) in enumerate(zip(self.cards, self.bodies, strict=True)):
            views = normalised(aligned(images, landmarks, card, jitter[:, index]), card)
            parts.append(unit(body(views)))
        return tf.concat(parts, axis=-1)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def unit(raw: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """The rows of [B, D] at length one. Not l2_normalize and not the automatic gradient: the reciprocal root of the one and
    the sums of both round differently in another batch."""
    length = tf.sqrt(row_sum(tf.square(raw)) + 1e-12)
    result = raw / length

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return (upstream - result * row_sum(upstream * result)) / length

    return result, gradient


def _built(options: BuildOptions, card: Card, body: Body) -> Body:
    if isinstance(body, GraphBody):
        return body if options == DEFAULT else body.built(options)
    if options.precision is Precision.FLOAT32:
        return body
    raise FaceOffError(
        Reason.INVALID_ARGUMENT,
        f"{card.name} cannot be computed in {options.precision}: it is run just as its file says.",
        "Build the set with --precision float32.",
    )
