"""Scores and outcomes: pure functions, so that what counts as protection can be read in one place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import FAR, Card
from faceoff.types import Box, Crop, Float, Outcome
from faceoff.verify.victims.victim import Answer

TAU = 0.5
"""The normalised score from which a victim says "same person" (paper section 5.1)."""


def distance(a: Float, b: Float) -> float:
    """The l2 distance of two unit embeddings [D], in [0, 2]."""
    return float(np.linalg.norm(a - b))


def threshold(card: Card) -> float:
    """The distance up to which the card's network says "same person" at FAR 1e-2. Raises KeyError for a card without one."""
    return card.thresholds[FAR]


def check_threshold(card: Card) -> None:
    """Raise INVALID_ARGUMENT for a card whose network has no threshold to judge by."""
    if FAR not in card.thresholds:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"{card.name} has no threshold measured, so it cannot judge.",
            f"Measure one with `faceoff models thresholds DIR {card.name}` and add it to the card.",
        )


def score(distance: float, threshold: float) -> float:
    """A distance as a normalised score: 1 for the same embedding, TAU at the threshold, 0 for opposite ones, linear between.
    So scores of different victims can be read side by side, as the paper does for the commercial ones."""
    if distance <= threshold:
        return 1 - (1 - TAU) * distance / threshold
    return max(0.0, TAU * (2 - distance) / (2 - threshold))


def outcome(clean: float | None, protected: float | None, limit: float = TAU) -> Outcome:
    """The outcome of one pair of normalised scores. ``clean`` is None where no clean photo was scored: then a match still
    tells, but the lack of one is no evidence. ``protected`` is None where the victim found no face, which is not a success
    in the paper's sense."""
    if clean is not None and clean < limit:
        return Outcome.CLEAN_MISMATCH
    if protected is None:
        return Outcome.NO_FACE_PROTECTED
    if protected >= limit:
        return Outcome.NOT_TRANSFERRED
    return Outcome.TRANSFERRED if clean is not None else Outcome.NO_CLEAN_PAIR


def best(answers: Sequence[Answer]) -> Answer:
    """What a victim's answers to one probe against several references say together: the best match where it is one; else,
    that nothing matched is only known when every reference with a face was answered, so a failure is the answer."""
    scored = [answer for answer in answers if answer.score is not None]
    first = max(scored, key=lambda answer: answer.score or 0.0, default=None)
    if first and first.score is not None and first.score >= TAU:
        return first
    unknown = (answer for answer in answers if answer.failure not in (None, Outcome.NO_FACE_REFERENCE))
    return next(unknown, first or answers[0])


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)


def face_at(box: Box, found: Sequence[Crop]) -> Crop | None:
    """The face in ``found`` that stands where ``box`` is, or None."""
    nearest = max(found, key=lambda other: overlap(box, other.face.box), default=None)
    return nearest if nearest is not None and overlap(box, nearest.face.box) > 0.3 else None


def same_place(crop: Crop, found: Sequence[Crop]) -> Crop | None:
    """The face in ``found`` that stands where ``crop``'s face stands, or None."""
    return face_at(crop.face.box, found)


def today() -> str:
    """The date that a verdict bears, in UTC."""
    return datetime.now(UTC).date().isoformat()
