"""What a victim says of one face, against the galleries of everybody's other photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from experiments.people import Pair, Person
from faceoff.attacks.attacker import stack
from faceoff.networks.card import Card
from faceoff.rooms import Networks
from faceoff.types import Crop, Float
from faceoff.verify.scores import distance, threshold

BATCH = 16


class Cell(TypedDict):
    """``centroid`` and ``mean`` are the nearest person by that distance, ``self`` whether the very original is farther than
    the victim's threshold, ``far`` how many of the person's other photos are, ``ratio`` their mean distance over the
    threshold."""

    centroid: int
    mean: int
    self: bool
    far: int
    ratio: float


class Judge:
    """One victim, whose card has a threshold. Everybody's photos are embedded once."""

    def __init__(self, networks: Networks, card: Card, people: Sequence[Person]) -> None:
        self.threshold = threshold(card)
        self._networks, self._card = networks, card
        self._galleries = [self.embed([shot.crop for shot in person.shots]) for person in people]

    def embed(self, crops: Sequence[Crop]) -> Float:
        """Unit embeddings [B, D] of at least one crop."""
        parts = []
        for start in range(0, len(crops), BATCH):
            images, landmarks = stack(crops[start : start + BATCH])
            inputs = {"images": images, "landmarks": landmarks}
            parts.append(self._networks.call(self._card.name, "embed", inputs)["embeddings"])
        return np.concatenate(parts)

    def cell(self, embedding: Float, pair: Pair) -> Cell:
        """What follows from one face's embedding [D]. The photo under attack is in no gallery."""
        original = self._galleries[pair.source][pair.shot]
        galleries = list(self._galleries)
        galleries[pair.source] = np.delete(galleries[pair.source], pair.shot, axis=0)
        away = [np.linalg.norm(gallery - embedding, axis=1) for gallery in galleries]
        own = away[pair.source]
        return Cell(
            centroid=int(np.argmin([distance(gallery.mean(0), embedding) for gallery in galleries])),
            mean=int(np.argmin([distances.mean() for distances in away])),
            self=distance(original, embedding) > self.threshold,
            far=int((own > self.threshold).sum()),
            ratio=round(float(own.mean()) / self.threshold, 4),
        )
