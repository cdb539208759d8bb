"""Where a victim ranks the right person among candidates (paper section 6.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def rank(own: float, others: Iterable[float]) -> int:
    """The place, from 1, of a score among others. The person wins a tie, so that a tie never counts as protection."""
    return 1 + sum(other > own for other in others)


def ranks(own: Sequence[float], others: Mapping[str, Sequence[float]]) -> tuple[int, int]:
    """The person's place among the people, each by their best photo (top-n), and of their best photo among all the others'
    (1:N). Scores, higher is nearer; nobody is without a score."""
    nearest = max(own)
    photos = [score for scores in others.values() for score in scores]
    return rank(nearest, (max(scores) for scores in others.values())), rank(nearest, photos)
