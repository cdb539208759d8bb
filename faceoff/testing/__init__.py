"""Public fakes: rooms that take no network and no time, a server on a free port, and (faceoff.testing.lookalike) the
commercial victims.

They are for tests of whatever uses Face-Off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np

from faceoff.geometry import TEMPLATES, crop
from faceoff.networks.card import Alignment
from faceoff.rooms import Report
from faceoff.rpc.server import Server, Settings
from faceoff.types import (
    Box,
    Crop,
    Face,
    Float,
    Gallery,
    Mask,
    MaskOutcome,
    Outcome,
    Photo,
    Plan,
    Priority,
    Progress,
    Terms,
    Verdict,
)

_QUICK = Settings(grace=1.0)


def picture(height: int = 240, width: int = 320, seed: int = 0) -> Float:
    """Soft colour noise [H, W, 3] in [0, 1]: something to decode, crop and encode that is nobody's photo."""
    coarse = np.random.default_rng(seed).random((height // 16 + 2, width // 16 + 2, 3), np.float32)
    return np.kron(coarse, np.ones((16, 16, 1), np.float32))[:height, :width]


class BoxDetector:
    """Finds ``count`` faces side by side, whatever the photo shows."""

    def __init__(self, count: int = 1) -> None:
        self._count = count

    def detect(self, photo: Photo) -> list[Crop]:
        (height, width), template = TEMPLATES[Alignment.FACENET]
        step = photo.width / max(self._count, 1)
        side = min(step, photo.height)
        scale = np.float32(side / max(height, width))
        starts = [(step * index, (photo.height - side) / 2) for index in range(self._count)]
        return [
            crop(photo, Face(Box(x, y, side, side), template * scale + np.array([x, y], np.float32), 1.0))
            for x, y in starts
        ]


class NoiseAttacker:
    """Masks of noise within the plan's epsilon, repeatable by its seed, and a report after each iteration, which takes
    ``pause`` seconds. ``stopped`` is set when a report raises."""

    def __init__(self, pause: float = 0.0) -> None:
        self._pause = pause
        self.stopped = threading.Event()

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        try:
            for done in range(plan.iterations):
                report(Progress("attack", done, plan.iterations))
                time.sleep(self._pause)
        except BaseException:
            self.stopped.set()
            raise
        noise = np.random.default_rng(plan.seed)
        return [
            Mask(
                noise.uniform(-plan.epsilon, plan.epsilon, face.pixels.shape).astype(np.float32),
                MaskOutcome.REACHED,
                plan.iterations,
                (1.0, 0.5),
            )
            for face in crops
        ]

    def check(self, surrogates: Sequence[str]) -> None:
        """Every network is there."""


class FixedVerifier:
    """Every victim (without names: one called ``fixed``) says that the mask has transferred."""

    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        return [
            Verdict(face, victim, "1", "2026-01-01", 0.9, 0.2, 0.5, Outcome.TRANSFERRED)
            for victim in victims or ("fixed",)
            for face in range(len(crops))
        ]

    def check(self, surrogates: Sequence[str], victims: Sequence[str], consent: Sequence[str]) -> None:
        """Everybody may be asked."""


@contextmanager
def served(service: str, add: Callable[[Any], None], settings: Settings = _QUICK) -> Iterator[Server]:
    """A service in this process on a free port, ready; ``service`` and ``add`` as for faceoff.rpc.server.Server."""
    server = Server(service, add, settings)
    server.start()
    server.ready()
    try:
        yield server
    finally:
        server.stop()
