"""People of noise, a network of averages, and the four look-alikes with victims that ask them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faceoff import image
from faceoff.testing.lookalike import LookAlike, settings
from faceoff.types import Box, Float
from faceoff.verify.victims.asking import consented
from faceoff.verify.victims.budget import Spending
from faceoff.verify.victims.settings import spent, victims_from
from faceoff.verify.victims.victim import Picture, Victim

WIRES = ("azure", "rekognition", "facepp", "compreface")
CALLS = {"azure": 3, "rekognition": 1, "facepp": 1, "compreface": 1}
"""Billed calls of one answer."""

TERMS = (
    "price: {amount: 0.001, currency: USD, as_of: 2026-01-01}, limits: {daily: 1, monthly: 10}, rate: 1000, timeout: 8"
)


def person(seed: int, side: int = 128, like: float = 0.0) -> Float:
    """A face [side, side, 3]: 4 x 4 patches of colour; ``like`` of person 0's is mixed in."""
    patches = [np.random.default_rng(number).uniform(0.2, 1.0, (4, 4, 3)).astype(np.float32) for number in (seed, 0)]
    mixed = patches[0] * (1 - like) + patches[1] * like
    return np.asarray(np.kron(mixed, np.ones((side // 4, side // 4, 1))), np.float32)


def picture(*faces: Float, side: int = 200, **options: Any) -> Picture:
    """The faces side by side on black, as PNG unless ``options`` (of Pillow's save) have another format."""
    canvas = np.zeros((side, max(side, 40 + sum(face.shape[1] + 40 for face in faces)), 3), np.uint8)
    left = 40
    for face in faces:
        canvas[20 : 20 + face.shape[0], left : left + face.shape[1]] = np.rint(face * 255)
        left += face.shape[1] + 40
    canvas[::7, ::5] += np.random.default_rng(1).integers(0, 9, canvas[::7, ::5].shape, np.uint8) % 9 // 2  # over 1 KB
    out = io.BytesIO()
    Image.fromarray(canvas).save(out, **({"format": "PNG"} | options))
    return Picture(out.getvalue())


def find(data: bytes) -> list[tuple[Box, Float]]:
    """Everything that black columns set apart is a face; its embedding are the means of its patches."""
    pixels = image.decode(data).pixels
    lit = np.concatenate([[False], pixels.max((0, 2)) > 0.15, [False]]).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(lit) == 1), np.flatnonzero(np.diff(lit) == -1)
    found = []
    for start, end in zip(starts, ends, strict=True):
        rows = np.flatnonzero(pixels[:, start:end].max((1, 2)) > 0.15)
        face = pixels[rows[0] : rows[-1] + 1, start:end]
        small = np.asarray(
            Image.fromarray(image.to_bytes(face)).resize((4, 4), Image.Resampling.BOX), np.float32
        ).ravel()
        small -= small.mean()
        box = Box(float(start), float(rows[0]), float(end - start), float(len(rows)))
        found.append((box, small / np.linalg.norm(small)))
    return found


@dataclass
class House:
    server: LookAlike
    file: Path

    def victims(self, *, consent: bool = True, tenant: str = "tenant") -> dict[str, Victim]:
        victims = victims_from(self.file)
        return consented(victims, tuple(victims) if consent else (), tenant)

    def terms(self, terms: str) -> None:
        settings(self.file.parent, self.server.url, self.server.keys, terms)

    def spent(self, victim: str) -> Spending:
        entries = spent(self.file).get(victim)
        return entries[0] if entries else Spending("USD", *([0] * 4))  # type: ignore[arg-type]

    def billed(self, wire: str) -> int:
        return sum(call.wire == wire for call in self.server.billed)


REFERENCE = picture(person(0))
SAME = picture(person(5, like=0.9))
OTHER = picture(person(3))
NOBODY = Picture(picture().data)
