"""How well embeddings tell people apart. All are unit embeddings [N, D] with labels [N]; distances are l2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from faceoff.types import Array, Float
from faceoff.verify.thresholds import FARS, threshold


class Pairs(NamedTuple):
    """The distances of pairs of one person, and of pairs of different people, each sorted."""

    same: Float
    other: Float


def pairs(embeddings: Float, labels: Array) -> Pairs:
    """Every pair once."""
    left, right = np.triu_indices(len(embeddings), 1)
    squares = np.maximum(2 - 2 * np.asarray(embeddings @ embeddings.T, np.float64)[left, right], 0)
    distances, same = np.sqrt(squares).astype(np.float32), labels[left] == labels[right]
    return Pairs(np.sort(distances[same]), np.sort(distances[~same]))


def auc(found: Pairs) -> float:
    """The chance that a pair of one person is nearer than a pair of different people, ties counting half: 1 where they are
    always told apart, 0.5 for guessing."""
    below = np.searchsorted(found.other, found.same, "left")
    up_to = np.searchsorted(found.other, found.same, "right")
    return float(1 - (below + up_to).mean() / 2 / len(found.other))


def thresholds(found: Pairs) -> dict[float, float]:
    """A card's thresholds, at the false accept rates that there are pairs enough for."""
    measured = {rate: threshold(found.same, found.other, rate).distance for rate in FARS}
    return {rate: distance for rate, distance in measured.items() if distance}


def equal_error(found: Pairs) -> float:
    """The distance at which as large a share of the pairs of one person is refused as of the others accepted."""
    candidates = np.concatenate(found)
    refused = 1 - np.searchsorted(found.same, candidates, "right") / len(found.same)
    accepted = np.searchsorted(found.other, candidates, "right") / len(found.other)
    return float(candidates[np.argmin(np.abs(refused - accepted))])


def nearest(embeddings: Float, known: Float, labels: Array) -> Array:
    """For each embedding the label whose centroid in ``known`` [M, D] is nearest (paper section 2.1)."""
    centroids = np.stack([known[labels == label].mean(0) for label in range(int(labels.max()) + 1)])
    return np.asarray(np.linalg.norm(embeddings[:, None] - centroids[None], axis=-1).argmin(1))
