"""How far a face is from everybody's photos, as one network sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceoff.campaign.people import Pair, Person
from faceoff.networks.card import Card
from faceoff.rooms import Networks
from faceoff.types import Crop, Float
from faceoff.verify.scores import distance, threshold
from faceoff.verify.victims.local import embed


@dataclass(frozen=True)
class Sight:
    """What one network sees of a face. ``own`` are the distances to the source's other photos, ``target`` to the nearest of
    the target's photos, ``centroids`` to each person's centroid (paper section 2.1), in the people's order."""

    own: Float
    target: float
    centroids: Float

    def rank(self, person: int) -> int:
        """How many people's centroids are nearer than this one's, plus 1."""
        return 1 + int((self.centroids < self.centroids[person]).sum())


class Judge:
    """One network. Everybody's photos are embedded once."""

    def __init__(self, networks: Networks, card: Card, people: Sequence[Person]) -> None:
        self._networks, self._card = networks, card
        self._galleries = [self.embed([shot.crop for shot in person.shots]) for person in people]

    @property
    def threshold(self) -> float:
        """The card's distance threshold; raises KeyError for a card without one."""
        return threshold(self._card)

    @property
    def version(self) -> str:
        return self._networks.version(self._card.name)

    def embed(self, crops: Sequence[Crop]) -> Float:
        """Unit embeddings [B, D] of at least one crop."""
        return embed(self._networks, self._card.name, crops)

    def galleries(self, pair: Pair) -> list[Float]:
        """Everybody's embeddings [G, D]; the photo under attack is in no gallery."""
        galleries = list(self._galleries)
        galleries[pair.source] = np.delete(galleries[pair.source], pair.shot, axis=0)
        return galleries

    def original(self, pair: Pair) -> Float:
        """The embedding [D] of the photo that the pair attacks."""
        embedding: Float = self._galleries[pair.source][pair.shot]
        return embedding

    def sight(self, embedding: Float, pair: Pair) -> Sight:
        """What follows from one face's embedding [D]."""
        galleries = self.galleries(pair)
        return Sight(
            own=np.linalg.norm(galleries[pair.source] - embedding, axis=1),
            target=float(np.linalg.norm(galleries[pair.target] - embedding, axis=1).min()),
            centroids=np.array([distance(gallery.mean(0), embedding) for gallery in galleries], np.float32),
        )
