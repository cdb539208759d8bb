"""People of soft noise, networks of a few weights, and a detector that can be blinded."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from experiments.protocol import House
from faceoff.amplify import LocalAmplifier
from faceoff.image import to_bytes
from faceoff.networks.card import Card
from faceoff.rooms import Report
from faceoff.testing import BoxDetector, NoiseAttacker
from faceoff.types import Array, Crop, Gallery, Mask, Photo, Plan, Priority
from tests.unit import tiny

NAMES = ("ada", "bea", "cleo", "dora")


def folder(root: Path, people: Sequence[str] = NAMES, shots: int = 3) -> Path:
    """A folder of people: every photo of one is the same picture with a little noise."""
    for number, name in enumerate(people):
        (root / name).mkdir(parents=True)
        picture = tiny.images(1, number)[0]
        for shot in range(shots):
            noise = np.random.default_rng((number, shot)).normal(0, 0.01, picture.shape)
            file = io.BytesIO()
            Image.fromarray(to_bytes(np.asarray(picture + noise, np.float32))).save(file, "PNG")
            (root / name / f"{shot}.png").write_bytes(file.getvalue())
    return root


@cache
def tiny_network(name: str) -> tiny.TinyNetworks:
    """Building one takes a second."""
    return tiny.TinyNetworks(name)


class Networks:
    """A tiny network by every name, counting how many faces each embedded."""

    def __init__(self, *names: str) -> None:
        self._networks = {name: tiny_network(name) for name in names}
        self.faces = dict.fromkeys(names, 0)

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        self.faces[model] += len(inputs["images"])
        return self._networks[model].call(model, signature, inputs, outputs, timeout)

    def version(self, model: str) -> str:
        return "1"

    def weights(self, name: str) -> str:
        return f"weights of {name}"

    def card(self, name: str) -> Card:
        return replace(self._networks[name].card(name), thresholds={1e-2: 0.05})


class Detector(BoxDetector):
    """Finds the one face, except in photos smaller than ``least`` pixels."""

    def __init__(self, least: int = 0) -> None:
        super().__init__(1)
        self._least = least

    def detect(self, photo: Photo) -> list[Crop]:
        return super().detect(photo) if photo.height >= self._least else []


class Attacker(NoiseAttacker):
    """Noise; remembers what it was asked, and is killed at the call ``dies``."""

    def __init__(self, dies: int = -1) -> None:
        super().__init__()
        self._dies = dies
        self.asked: list[tuple[int, str, dict[str, int]]] = []

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.CAMPAIGN,
    ) -> list[Mask]:
        if len(self.asked) == self._dies:
            raise KeyboardInterrupt
        self.asked.append((len(crops), plan.target, {name: len(members) for name, members in gallery.items()}))
        return super().attack(crops, plan, report, gallery)


def house(attacker: Attacker | None = None, least: int = 0) -> House:
    networks = Networks("a", "b")
    return House(networks, networks.card, Detector(least), attacker or Attacker(), networks.weights, LocalAmplifier())
