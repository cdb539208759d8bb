"""Whose photos an experiment attacks."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from faceoff.campaign.people import Person


class Split(StrEnum):
    """Whose photos are attacked: choices are made on the first half of the people in alphabetical order, and reported on
    the other. All of them stay in every gallery."""

    TUNE = "tune"
    REPORT = "report"
    ALL = "all"


def sources(people: Sequence[Person], split: Split) -> range:
    half = len(people) // 2
    return {Split.TUNE: range(half), Split.REPORT: range(half, len(people)), Split.ALL: range(len(people))}[split]
