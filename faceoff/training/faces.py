"""The people to train on: every photo's largest face, cut out once, half a gigabyte for 5000 of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.files import disk_errors
from faceoff.rooms import Detector, Report
from faceoff.types import CROP_SIZE, Array, Bytes, Float, Progress

HELD_OUT_SHARE, FEWEST_HELD_OUT = 0.1, 3
"""Of each person's photos are kept from the training to measure on: pairs of one person need two, thresholds many."""

FEWEST_PHOTOS = FEWEST_HELD_OUT + 2
"""With fewer faces nothing could be learnt of a person."""

FEWEST_PEOPLE = 2


@dataclass(frozen=True)
class Faces:
    """``pixels`` [N, S, S, 3] are the crops, ``landmarks`` [N, 5, 2] in crop pixels, ``labels`` [N] whose each is, from 0
    without gaps; ``held_out`` [N] those kept from the training. ``photos_left_out`` had no face or could not be read,
    ``people_left_out`` had too few faces."""

    pixels: Bytes = field(repr=False)
    landmarks: Float = field(repr=False)
    labels: Array = field(repr=False)
    held_out: Array = field(repr=False)
    photos_left_out: int = 0
    people_left_out: int = 0

    @property
    def people(self) -> int:
        return int(self.labels.max()) + 1


@contextmanager
def gather(folder: Path, detector: Detector, report: Report, seed: int) -> Iterator[Faces]:
    """The faces of ``folder``, a sub-folder of photos for each person, while the context is open. ``seed`` chooses the photos
    that are held out.

    The crops lie in a file without a name in the temporary folder, which is gone with the process whatever ends it.
    Raises INVALID_ARGUMENT for fewer than two people with ``FEWEST_PHOTOS`` faces, NO_FACE_DETECTED where there is none at
    all, and DISK_FULL.
    """
    photos = _photos(folder)
    with tempfile.TemporaryFile() as cache:
        landmarks, labels = _cut(photos, cache, detector, report)
        cache.flush()
        if not landmarks:
            raise FaceOffError(
                Reason.NO_FACE_DETECTED,
                f"No face was found in the {len(photos)} files of {folder.name}.",
                "Give each person a sub-folder of photos with a visible face.",
            )
        pixels = np.memmap(cache, np.uint8, "r", shape=(len(landmarks), CROP_SIZE, CROP_SIZE, 3))
        yield _split(pixels, np.stack(landmarks), np.array(labels), len(photos), folder, seed)


def _photos(folder: Path) -> list[tuple[int, Path]]:
    people = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if len(people) < FEWEST_PEOPLE:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"{folder} has {len(people)} sub-folders, and people are told apart only where there are two.",
            "Make one sub-folder a person, with photos of people who agreed to it.",
        )
    return [
        (number, path)
        for number, home in enumerate(people)
        for path in sorted(home.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]


def _cut(
    photos: Sequence[tuple[int, Path]], cache: BinaryIO, detector: Detector, report: Report
) -> tuple[list[Float], list[int]]:
    """Write every face into ``cache``; its landmarks and whose it is. A file that is no photo, or has no face, is left out."""
    landmarks, labels = [], []
    for number, (person, path) in enumerate(photos):
        report(Progress("detect", number, len(photos)))
        try:
            crops = detector.detect(image.decode(path.read_bytes()))
        except (FaceOffError, OSError):
            continue
        if crops:
            with disk_errors(Path(tempfile.gettempdir())):
                cache.write(image.to_bytes(crops[0].pixels).tobytes())
            landmarks.append(crops[0].landmarks)
            labels.append(person)
    report(Progress("detect", len(photos), len(photos)))
    return landmarks, labels


def _split(pixels: Bytes, landmarks: Float, labels: Array, photos: int, folder: Path, seed: int) -> Faces:
    """Leave out who has too few faces, number the others from 0, and hold photos out."""
    found = np.bincount(labels)
    kept = [person for person, count in enumerate(found) if count >= FEWEST_PHOTOS]
    if len(kept) < FEWEST_PEOPLE:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"Only {len(kept)} people of {folder.name} have {FEWEST_PHOTOS} photos in which a face was found.",
            f"Give at least {FEWEST_PEOPLE} people with {FEWEST_PHOTOS} photos each; hundreds of people make a network of use.",
        )
    random = np.random.default_rng(seed)
    numbers, held_out = np.full(len(labels), -1), np.zeros(len(labels), bool)
    for number, person in enumerate(kept):
        (own,) = np.nonzero(labels == person)
        numbers[own] = number
        count = max(FEWEST_HELD_OUT, round(HELD_OUT_SHARE * len(own)))
        held_out[random.permutation(own)[:count]] = True
    (rows,) = np.nonzero(numbers >= 0)
    everybody = len(rows) == len(labels)
    return Faces(
        pixels if everybody else pixels[rows],
        landmarks[rows],
        numbers[rows],
        held_out[rows],
        photos_left_out=photos - len(labels),
        people_left_out=len(found) - len(kept),
    )
