"""What a victim is: somebody who says whether two pictures show one person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from faceoff.types import Outcome


@dataclass(frozen=True)
class Picture:
    """An encoded picture (PNG or JPEG) as it is given to a victim. The largest face in it counts."""

    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What a victim said of one pair of pictures.

    ``score`` is normalised to [0, 1] so that faceoff.verify.scores.TAU is every victim's own threshold; it is None where
    there was nothing to score, and then ``failure`` says why (never TRANSFERRED or NOT_TRANSFERRED: what a score means is
    decided in faceoff.verify.scores, not by the victim). ``raw_score`` and ``raw_threshold`` are the victim's own figures in
    its own unit, ``version`` its model (empty where the caller's consent was lacking), ``date`` the day it was asked (UTC,
    ISO), ``note`` what was done to a picture to fit the victim's limits.
    """

    score: float | None
    failure: Outcome | None
    version: str
    date: str
    raw_score: float | None = None
    raw_threshold: float | None = None
    note: str = ""


class Victim(Protocol):
    """A victim answers every pair; faults of a service are answers, not exceptions. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """What it is called in plans, verdicts and metrics."""

    def compare(self, reference: Picture, probe: Picture) -> Answer:
        """Whether ``probe`` (the protected photo) shows the person of ``reference``. NO_FACE_REFERENCE and NO_FACE_PROTECTED
        say in which of the two no face was found."""
