"""What a victim says of one face, against the galleries of everybody's other photos."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from faceoff.campaign import judge
from faceoff.campaign.people import Pair
from faceoff.types import Float
from faceoff.verify.scores import distance


class Cell(TypedDict):
    """``centroid`` and ``mean`` are the nearest person by that distance, ``self`` whether the very original is farther than
    the victim's threshold, ``far`` how many of the person's other photos are, ``ratio`` their mean distance over the
    threshold."""

    centroid: int
    mean: int
    self: bool
    far: int
    ratio: float


class Judge(judge.Judge):
    """One victim, whose card has a threshold."""

    def cell(self, embedding: Float, pair: Pair) -> Cell:
        """What follows from one face's embedding [D]."""
        sight = self.sight(embedding, pair)
        means = [np.linalg.norm(gallery - embedding, axis=1).mean() for gallery in self.galleries(pair)]
        return Cell(
            centroid=int(np.argmin(sight.centroids)),
            mean=int(np.argmin(means)),
            self=distance(self.original(pair), embedding) > self.threshold,
            far=int((sight.own > self.threshold).sum()),
            ratio=round(float(sight.own.mean()) / self.threshold, 4),
        )
