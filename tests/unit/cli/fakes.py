"""Rooms that answer at once, over real photos."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from faceoff import image
from faceoff.cli.parts import Parts
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.home import Home
from faceoff.pipeline import Protection, Request, Rooms
from faceoff.rooms import Report
from faceoff.types import (
    Against,
    Box,
    Candidate,
    Crop,
    Encoding,
    Face,
    Gallery,
    Mask,
    MaskOutcome,
    Outcome,
    Photo,
    Plan,
    Priority,
    Progress,
    Rank,
    Terms,
    Transform,
    Verdict,
    Visibility,
)

FACELESS = 16
"""Photos of this width have no face."""


def photo(format_name: str = "PNG", width: int = 32, shade: int = 90) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, 24), (shade, 60, 30)).save(file, format_name)
    return file.getvalue()


def verdict(
    outcome: Outcome = Outcome.TRANSFERRED, clean: float | None = 0.71, protected: float | None = 0.43
) -> Verdict:
    return Verdict(0, "dlib", "1", "2026-01-01", clean, protected, 0.62, outcome)


@dataclass
class Everything:
    """All four rooms; ``plans``, ``galleries`` and ``terms`` remember what they were asked; ``during`` runs in the attack."""

    plans: list[Plan] = field(default_factory=list)
    galleries: list[Gallery] = field(default_factory=list)
    encodings: list[Encoding] = field(default_factory=list)
    terms: list[Terms] = field(default_factory=list)
    verdicts: Sequence[Verdict] = (verdict(),)
    during: Callable[[], object] = lambda: None

    def detect(self, photo: Photo) -> list[Crop]:
        if photo.width == FACELESS:
            return []
        landmarks = np.zeros((5, 2), np.float32)
        pixels = np.zeros((192, 192, 3), np.float32)
        faces = [Face(Box(4, 2, 10, 12), landmarks, 0.99), Face(Box(20, 2, 5, 6), landmarks, 0.9)]
        return [Crop(pixels, landmarks, Transform(0, 0, 24), face) for face in faces]

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        self.plans.append(plan)
        self.galleries.append(gallery)
        for done in range(0, plan.iterations + 1, 10):
            report(Progress("attack", done, plan.iterations))
            self.during()
        delta = np.zeros((192, 192, 3), np.float32)
        return [Mask(delta, MaskOutcome.REACHED, plan.iterations) for _ in crops]

    def amplify(
        self, photo: Photo, crops: Sequence[Crop], masks: Sequence[Mask], plan: Plan, encoding: Encoding
    ) -> Candidate:
        self.encodings.append(encoding)
        seen = Visibility(0.1, 0.02, 3.6, 38.0, 0.96)
        data = image.encode(photo.pixels, photo, encoding)
        return Candidate(data, encoding, (plan.alpha,) * len(crops), (seen,) * len(crops), seen)

    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        self.terms.append(terms)
        return list(self.verdicts)

    def check(self, surrogates: Sequence[str], victims: Sequence[str] = (), consent: Sequence[str] = ()) -> None:
        """Every network is there, and everybody may be asked."""

    def compare(self, protected: bytes, original: Photo | None, victims: Sequence[str], terms: Terms) -> list[Verdict]:
        self.terms.append(terms)
        return list(self.verdicts)

    def linked(self, protected: bytes, others: Sequence[bytes], victims: Sequence[str]) -> list[Verdict]:
        return [replace(verdict(Outcome.NO_CLEAN_PAIR, clean=None), against=Against.LINKED) for _ in others]

    def rank(
        self, protected: bytes, original: Photo | None, candidates: Gallery, victims: Sequence[str], terms: Terms
    ) -> list[Rank]:
        return [Rank(0, "dlib", len(candidates) + 1, 91, 4, 31, 1, 1)]


@dataclass
class Fakes:
    """``parts`` for main, and what became of them: ``built`` counts how often the rooms were made."""

    home: Path
    rooms: Everything = field(default_factory=Everything)
    built: int = 0

    @property
    def parts(self) -> Parts:
        return Parts(
            Home(self.home),
            local=self._local,
            remote=_unreachable,
            detector=lambda: self.rooms,
            comparer=lambda home, victims: self.rooms,
            check_health=_unhealthy,
        )

    def _local(self, home: Home, victims: Path | None) -> Rooms:
        self.built += 1
        return Rooms(self.rooms, self.rooms, self.rooms, self.rooms)


def unavailable(address: str) -> FaceOffError:
    return FaceOffError(Reason.SERVICE_UNAVAILABLE, f"Nothing answers at {address}.", "Start it.")


class _Unreachable:
    def __init__(self, address: str) -> None:
        self.address = address

    def protect(self, data: bytes, request: Request, report: Report, timeout: float | None) -> Protection:
        raise unavailable(self.address)


def _unreachable(address: str, key: str) -> _Unreachable:
    return _Unreachable(address)


def _unhealthy(address: str, timeout: float) -> None:
    raise unavailable(address)
