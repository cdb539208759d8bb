"""Scores and outcomes: pure functions, so that what counts as protection can be read in one place."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from faceoff.networks.card import Card
from faceoff.types import Box, Crop, Float, Outcome

FAR = 1e-2
"""The false accept rate whose threshold a verdict uses, as the field reports protection (PSR at FAR 1e-2)."""


def similarity(a: Float, b: Float) -> float:
    """Of two unit embeddings [D], in [0, 1]: (1 + cosine) / 2, which is 1 for the same and 0 for the opposite direction."""
    return float(np.clip((1 + np.dot(a, b)) / 2, 0, 1))


def threshold(card: Card) -> float:
    """The similarity from which the card's network says "same person" at FAR 1e-2. Raises KeyError for a card without one."""
    distance = card.thresholds[FAR]
    return 1 - distance * distance / 4


def outcome(clean: float | None, protected: float | None, limit: float) -> Outcome:
    """The outcome of one pair of scores. ``clean`` is None where there was no clean photo to score; ``protected`` is None where
    the victim found no face, which is not a success in the paper's sense."""
    if clean is not None and clean < limit:
        return Outcome.CLEAN_MISMATCH
    if protected is None:
        return Outcome.NO_FACE_PROTECTED
    return Outcome.NOT_TRANSFERRED if protected >= limit else Outcome.TRANSFERRED


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)


def same_place(crop: Crop, found: list[Crop]) -> Crop | None:
    """The face in ``found`` that stands where ``crop``'s face stands, or None."""
    best = max(found, key=lambda other: overlap(crop.face.box, other.face.box), default=None)
    return best if best is not None and overlap(crop.face.box, best.face.box) > 0.3 else None


def today() -> str:
    """The date that a verdict bears, in UTC."""
    return datetime.now(UTC).date().isoformat()
