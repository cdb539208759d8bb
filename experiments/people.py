"""The people of a folder, and which photo of whom is attacked towards whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Detector
from faceoff.types import OWN, Crop, Gallery


class Split(StrEnum):
    """Whose photos are attacked: choices are made on the first half of the people in alphabetical order, and reported on
    the other. All of them stay in every gallery."""

    TUNE = "tune"
    REPORT = "report"
    ALL = "all"


class Targets(StrEnum):
    """Whom the attack is told of: nobody; the pair's target, with everybody's photos but those under attack (as in the
    paper, the source's other photos are among them); all others, and nothing of the source; or all others and the
    source's other photos."""

    NONE = "none"
    PAIR = "pair"
    AUTO = "auto"
    OWN = "own"


@dataclass(frozen=True)
class Shot:
    """One photo of a person: the file's bytes and the person's face, the largest, found on them."""

    data: bytes = field(repr=False)
    crop: Crop = field(repr=False)


@dataclass(frozen=True)
class Person:
    name: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Pair:
    """``shot`` of ``source`` is attacked (towards ``target``); all are indices."""

    source: int
    target: int
    shot: int


def read(folder: Path, detector: Detector) -> tuple[list[Person], int]:
    """The people of ``folder``, one sub-folder each, in alphabetical order, and how many of their photos were left out
    because no face was found. Raises INVALID_ARGUMENT for fewer than two people, or two photos of one."""
    people, faceless = [], 0
    for home in sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ():
        shots = []
        for path in sorted(path for path in home.iterdir() if path.is_file() and not path.name.startswith(".")):
            data = path.read_bytes()
            crops = detector.detect(image.decode(data))
            if crops:
                shots.append(Shot(data, crops[0]))
            else:
                faceless += 1
        people.append(Person(home.name, tuple(shots)))
    if len(people) < 2 or min(len(person.shots) for person in people) < 2:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"{folder} does not have at least two people with two photos in which a face is found.",
            "Give a folder with one sub-folder a person.",
        )
    return people, faceless


def shot_of(people: Sequence[Person], source: int, target: int) -> int:
    """Which photo of ``source`` is attacked towards ``target``: each target has its own as far as there are enough."""
    return (target - (target > source)) % len(people[source].shots)


def sources(people: Sequence[Person], split: Split) -> range:
    half = len(people) // 2
    return {Split.TUNE: range(half), Split.REPORT: range(half, len(people)), Split.ALL: range(len(people))}[split]


def pairs(people: Sequence[Person], split: Split, targeted: bool, limit: int = 0) -> list[Pair]:
    """Every ordered pair of people whose source belongs to ``split``, or ``limit`` > 0 of them, evenly spread. Without targets
    a photo that comes again for lack of photos is left out: it would be the very same mask."""
    chosen = []
    for source in sources(people, split):
        others = [person for person in range(len(people)) if person != source]
        if not targeted:
            others = others[: len(people[source].shots)]
        chosen += [Pair(source, target, shot_of(people, source, target)) for target in others]
    if 0 < limit < len(chosen):
        chosen = [chosen[index * len(chosen) // limit] for index in range(limit)]
    return chosen


def gallery(people: Sequence[Person], pair: Pair, targets: Targets) -> Gallery:
    """The photos that the attack on ``pair`` is given. It is the same for all pairs of a target (PAIR), of a source (AUTO, OWN)
    or for all (NONE), so that they share a batch. What a pair of the group attacks is left out of PAIR; in OWN the attack
    itself counts a photo once."""
    if targets is Targets.NONE:
        return {}
    if targets in (Targets.AUTO, Targets.OWN):
        others = {
            person.name: [shot.crop for shot in person.shots]
            for index, person in enumerate(people)
            if index != pair.source
        }
        own = {OWN: [shot.crop for shot in people[pair.source].shots]}
        return others | own if targets is Targets.OWN else others
    known = {}
    for index, person in enumerate(people):
        attacked = None if index == pair.target else shot_of(people, index, pair.target)
        known[person.name] = [shot.crop for number, shot in enumerate(person.shots) if number != attacked]
    return known
