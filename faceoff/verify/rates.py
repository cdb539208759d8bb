"""How often masks protect: the one place where outcomes become a rate, and the lines that belong beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from faceoff.networks.card import FAR
from faceoff.types import Against, Outcome, Verdict, View
from faceoff.verify.intervals import wilson

COUNTED = (Outcome.TRANSFERRED, Outcome.NOT_TRANSFERRED)
"""No other outcome is evidence, for or against."""

CHANCE = 1 - FAR
"""The transfer rate of a photo of somebody else on a network of the catalogue, compared with one photo: that much a mask could
reach at most by looking like another person. Compared with several, of which the best counts, it is less. A commercial victim's
false accept rate is not known to us."""


@dataclass(frozen=True)
class Rate:
    """``successes`` (perhaps fractional: see ``wilson``) of ``n`` and Wilson's 95 % interval of their share, [0, 1] where ``n``
    is 0."""

    successes: float
    n: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        return self.successes / self.n if self.n else None


def share(successes: float, n: int) -> Rate:
    return Rate(successes, n, *wilson(successes, n))


def psr(faces: Sequence[float]) -> Rate:
    """The field's protection success rate: of the pairs of a face and another photo of the person, how many do not match.
    ``faces`` are each face's share. Its pairs are not independent, so the interval is that of as many trials as faces."""
    return share(sum(faces), len(faces))


def transfer_rate(outcomes: Iterable[Outcome]) -> Rate:
    """How many of the faces that a victim did recognise, and could judge again, it no longer recognises."""
    counts = Counter(outcomes)
    transferred, kept = (counts[outcome] for outcome in COUNTED)
    return share(transferred, transferred + kept)


def clean_line(verdicts: Iterable[Verdict]) -> Rate:
    """How many of the unprotected photos the victim did not match either, among those that it scored: what a transfer rate
    would be without any mask if such photos counted."""
    missed = [verdict.clean_score < verdict.threshold for verdict in verdicts if verdict.clean_score is not None]
    return share(sum(missed), len(missed))


def rank_chance(n: int, candidates: int) -> float:
    """How often a guess among ``candidates`` people does not have the right one in its first ``n``."""
    return 1 - min(n, candidates) / candidates


def plain(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts on photos as they are uploaded, compared with unprotected ones: those that a rate is made of. Another view
    of the same photo is another question. What lacked the consent or the reference to be asked is none: it is the caller's
    omission, and says nothing of the victim."""
    return [
        verdict
        for verdict in verdicts
        if verdict.view is View.PHOTO
        and verdict.against is not Against.LINKED
        and (verdict.version or verdict.outcome is not Outcome.REFUSED)
    ]
