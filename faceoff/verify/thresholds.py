"""From photos of people to a network's thresholds: up to which distance it takes two people for one as rarely as asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from faceoff.types import Float
from faceoff.verify.rates import Rate, share

FARS = (1e-1, 1e-2, 1e-3)

PAIRS_PER_ACCEPT = 3
"""A false accept rate needs this many times its inverse of impostor pairs: with fewer, even no false accept at all does not
show the rate with 95 % confidence (the rule of three)."""

DIGITS = 10_000
"""Distances are rounded down to the fourth digit."""


@dataclass(frozen=True)
class Threshold:
    """At the false accept rate ``far``: the l2 ``distance`` up to which a pair is accepted, and the shares of impostor and of
    genuine pairs that are. All three are None where there are fewer impostor pairs than ``needed``."""

    far: float
    needed: int
    distance: float | None = None
    impostors: Rate | None = None
    genuine: Rate | None = None


def pairs(people: Mapping[str, Float]) -> tuple[Float, Float]:
    """The distances of all genuine pairs (one person's photos) and of all impostor pairs (two people's), each sorted.
    ``people`` are unit embeddings [B, D] by name."""
    embeddings = np.concatenate(list(people.values()))
    labels = np.repeat(np.arange(len(people)), [len(member) for member in people.values()])
    rows, columns = np.triu_indices(len(embeddings), 1)
    away = np.linalg.norm(embeddings[rows] - embeddings[columns], axis=1)
    same = labels[rows] == labels[columns]
    return np.sort(away[same]), np.sort(away[~same])


def threshold(genuine: Float, impostor: Float, far: float) -> Threshold:
    """The largest distance at which no more than ``far`` of the impostor pairs are accepted, half-way to the next pair.
    Both arrays are sorted."""
    needed = math.ceil(round(PAIRS_PER_ACCEPT / far, 6))
    if len(impostor) < needed:
        return Threshold(far, needed)
    first = impostor[int(far * len(impostor))]  # the nearest pair that must not be accepted, nor any as near
    below = int(np.searchsorted(impostor, first))
    halfway = (float(first) + (float(impostor[below - 1]) if below else 0.0)) / 2
    distance = math.floor(halfway * DIGITS) / DIGITS
    accepted = [share(int(np.searchsorted(of, distance, "right")), len(of)) for of in (impostor, genuine)]
    return Threshold(far, needed, distance, *accepted)
