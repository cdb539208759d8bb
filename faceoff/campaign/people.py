"""The people of a folder, and which photo of whom is attacked towards whom."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Detector
from faceoff.types import OWN, Crop, Gallery, Loss, Photo


class Targets(StrEnum):
    """Whom the attack is told of: nobody; the source's other photos (the paper's untargeted attack); the pair's target, with
    everybody's photos but those under attack (as in the paper, the source's other photos are among them); all others, and
    nothing of the source; or all others and the source's other photos."""

    NONE = "none"
    SELF = "self"
    PAIR = "pair"
    AUTO = "auto"
    OWN = "own"


@dataclass(frozen=True)
class Shot:
    """One photo of a person: the file's bytes and the person's face, the largest, found on them."""

    data: bytes = field(repr=False)
    crop: Crop = field(repr=False)
    file: str = ""

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


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


def read(folder: Path, detector: Detector, among: Collection[str] = ()) -> tuple[list[Person], int]:
    """The people of ``folder``, one sub-folder each (with ``among`` only those), in alphabetical order, and how many of
    their photos were left out because no face was found. Raises INVALID_ARGUMENT for fewer than two people, two photos of
    one, or a name that no sub-folder has, and what faceoff.image raises."""
    homes = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    for name in sorted(set(among) - {home.name for home in homes}):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"There is no person {name}.",
            f"{folder.name} has {', '.join(h.name for h in homes)}.",
        )
    people, faceless = [], 0
    for home in homes:
        if among and home.name not in among:
            continue
        shots = []
        for path in sorted(path for path in home.iterdir() if path.is_file() and not path.name.startswith(".")):
            data = path.read_bytes()
            crops = detector.detect(_decode(data, f"{home.name}/{path.name}"))
            if crops:
                shots.append(Shot(data, crops[0], path.name))
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


def _decode(data: bytes, name: str) -> Photo:
    """Raises FaceOffError, naming the file: there are many."""
    try:
        return image.decode(data)
    except FaceOffError as error:
        raise FaceOffError(error.reason, f"{name}: {error.message}", error.hint) from None


def shots_of(people: Sequence[Person], source: int, target: int, photos: int = 1) -> list[int]:
    """Which photos of ``source`` are attacked towards ``target``: each target has its own as far as there are enough."""
    first, count = target - (target > source), len(people[source].shots)
    return sorted({(first + number) % count for number in range(photos)})


def pairs(
    people: Sequence[Person], sources: Sequence[int], targeted: bool, limit: int = 0, photos: int = 1
) -> list[Pair]:
    """Every ordered pair of people whose source is one of ``sources``, with ``photos`` of the source's, or ``limit`` > 0 of
    them, evenly spread. Without targets a photo that comes again for lack of photos is left out: it would be the very
    same mask."""
    return spread(
        all_shots(people, [(s, t) for s in sources for t in range(len(people)) if s != t], targeted, photos), limit
    )


def all_shots(
    people: Sequence[Person], chosen: Sequence[tuple[int, int]], targeted: bool, photos: int = 1
) -> list[Pair]:
    """The pairs (source, target) of ``chosen`` with ``photos`` of the source's photos each."""
    found, seen = [], set[tuple[int, int]]()
    for source, target in chosen:
        for shot in shots_of(people, source, target, photos):
            if targeted or (source, shot) not in seen:
                found.append(Pair(source, target, shot))
            seen.add((source, shot))
    return found


def spread(chosen: Sequence[Pair], limit: int) -> list[Pair]:
    """``limit`` > 0 of the pairs, evenly spread; 0: all."""
    if 0 < limit < len(chosen):
        return [chosen[index * len(chosen) // limit] for index in range(limit)]
    return list(chosen)


def targets_of(loss: Loss) -> Targets:
    """Whom an attack with this loss is told of unless somebody says otherwise."""
    return {Loss.DODGE: Targets.NONE, Loss.CROWD: Targets.OWN}.get(loss, Targets.PAIR)


def known(people: Sequence[Person], pair: Pair, targets: Targets, photos: int = 1) -> dict[str, list[Shot]]:
    """The photos that the attack on ``pair`` is given. They are the same for all pairs of a target (PAIR), of a source (SELF,
    AUTO, OWN) or for all (NONE), so that they share a batch. What pairs towards the target attack is left out of PAIR; in SELF
    and OWN the attack itself counts a photo once."""
    if targets is Targets.NONE:
        return {}
    if targets is Targets.SELF:
        return {OWN: list(people[pair.source].shots)}
    if targets in (Targets.AUTO, Targets.OWN):
        others = {person.name: list(person.shots) for index, person in enumerate(people) if index != pair.source}
        return others | ({OWN: list(people[pair.source].shots)} if targets is Targets.OWN else {})
    found = {}
    for index, person in enumerate(people):
        attacked = [] if index == pair.target else shots_of(people, index, pair.target, photos)
        found[person.name] = [shot for number, shot in enumerate(person.shots) if number not in attacked]
    return found


def gallery(people: Sequence[Person], pair: Pair, targets: Targets, photos: int = 1) -> Gallery:
    """The faces of ``known``."""
    return {
        label: [shot.crop for shot in shots] for label, shots in known(people, pair, targets, photos).items() if shots
    }
