"""A house that takes no TensorFlow: networks that are one projection of the pixels, and masks that lead to the target."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from faceoff.campaign.config import Campaign, parse
from faceoff.campaign.house import House
from faceoff.errors import FaceOffError, Reason
from faceoff.image import to_bytes
from faceoff.networks.card import Alignment, Card, Format, Normalisation
from faceoff.rooms import Report
from faceoff.testing import BoxDetector
from faceoff.types import OWN, Array, Crop, Float, Gallery, Mask, MaskOutcome, Photo, Plan, Priority, Progress

NAMES = ("ada", "bea", "cleo", "dora")
DIM = 12


def folder(root: Path, people: Sequence[str] = NAMES, shots: int = 4, wide: int = 0) -> Path:
    """A folder of people: every photo of one is the same soft picture with a little noise, and ``wide`` pixels of grey to its
    right."""
    for number, name in enumerate(people):
        (root / name).mkdir(parents=True)
        coarse = np.random.default_rng(number).uniform(0.25, 0.75, (8, 8, 3)).astype(np.float32)
        picture = np.kron(coarse, np.ones((12, 12, 1), np.float32))
        picture = np.pad(picture, ((0, 0), (0, wide), (0, 0)), constant_values=0.5)
        for shot in range(shots):
            noise = np.random.default_rng((number, shot)).normal(0, 0.02, picture.shape)
            file = io.BytesIO()
            Image.fromarray(to_bytes(np.asarray(picture + noise, np.float32))).save(file, "PNG")
            (root / name / f"{shot}.png").write_bytes(file.getvalue())
    return root


@cache
def _projection(name: str) -> Float:
    seed = sum(map(ord, name))
    return np.random.default_rng(seed).normal(size=(16 * 16 * 3, DIM)).astype(np.float32)


class Networks:
    """Any name but ``gone`` is a network."""

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        small = inputs["images"].reshape(len(inputs["images"]), 16, 12, 16, 12, 3).mean((2, 4))
        flat = (small - small.mean((1, 2), keepdims=True)).reshape(len(small), -1) @ _projection(model)
        return {"embeddings": flat / np.linalg.norm(flat, axis=1, keepdims=True)}

    def version(self, model: str) -> str:
        return "1"


class Attacker:
    """A step from the face towards the target's (or the others') mean picture, longer with kappa. An attack takes ``pause``
    seconds a face; it is killed at the call ``dies``."""

    def __init__(self, pause: float = 0.0, dies: int = -1) -> None:
        self._pause, self._dies = pause, dies
        self.faces: list[int] = []

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        if len(self.faces) == self._dies:
            raise KeyboardInterrupt
        self.faces.append(len(crops))
        for done in range(len(crops)):
            report(Progress("attack", done, len(crops)))
            time.sleep(self._pause)
        others = {label: faces for label, faces in gallery.items() if label not in (OWN, "")}
        toward = gallery[plan.target] if plan.target else [face for faces in others.values() for face in faces]
        mean = np.mean([face.pixels for face in toward], axis=0) if toward else np.float32(0.5)
        step = np.float32(0.1 * (1 + plan.kappa))
        return [Mask(step * (mean - crop.pixels), MaskOutcome.REACHED, plan.iterations) for crop in crops]

    def check(self, surrogates: Sequence[str]) -> None:
        """Every network is there."""


class Detector(BoxDetector):
    """Finds the one face, except in photos that are darker than ``darkest`` or smaller than ``least``."""

    def __init__(self, least: int = 0) -> None:
        super().__init__(1)
        self._least = least

    def detect(self, photo: Photo) -> list[Crop]:
        return super().detect(photo) if photo.height >= self._least else []


def card(name: str) -> Card:
    if name == "gone":
        raise FaceOffError(Reason.UNKNOWN_NETWORK, "There is no network gone.", "Known: others.")
    return Card(
        name=name,
        title=name,
        licence="MIT",
        source="made in the test",
        training_data="none",
        loss="none",
        input_size=(16, 16),
        embedding_size=DIM,
        alignment=Alignment.ARCFACE,
        normalisation=Normalisation.UNIT,
        format=Format.ONNX,
        filename="none",
        thresholds={} if name == "blind" else {1e-2: 0.6},
    )


def weights(name: str) -> str:
    return f"weights of {name}"


def house(attacker: Attacker | None = None, least: int = 0) -> House:
    return House(Networks(), card, Detector(least), attacker or Attacker(), weights)


def slow_house() -> House:
    """Of a worker that can be killed at any time."""
    return house(Attacker(0.004))


def content(people: Path, /, **changes: Any) -> dict[str, Any]:
    """A small targeted campaign: 4 pairs, 2 kappas, 3 alphas, 2 encodings, 2 victims."""
    return {
        "name": "small",
        "people": {"folder": str(people), "limit": 4},
        "plans": [{"plan": "paper/pgd_l2", "set": {"loss": "hinge", "iterations": 7}, "grid": {"kappa": [0, 1]}}],
        "alphas": [1, 3, 8],
        "encodings": [{"format": "png"}, {"format": "jpeg", "quality": 75}],
        "victims": {"local": ["v1", "v2"]},
    } | changes


def campaign(people: Path, /, **changes: Any) -> Campaign:
    return parse(content(people, **changes), people / "file.yaml")
