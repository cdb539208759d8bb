"""People who are drawn: each a texture of their own that photos light, move and half cover with another."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from faceoff.types import Bytes, Float

SIDE = 192


def folder(root: Path, people: int, photos: int) -> Path:
    """A sub-folder of photos for each person; the largest face that faceoff.testing.BoxDetector finds is the whole photo."""
    for person in range(people):
        home = root / f"person{person}"
        home.mkdir(parents=True)
        for photo in range(photos):
            Image.fromarray(drawn(person, photo)).save(home / f"{photo}.png")
    return root


def drawn(person: int, photo: int) -> Bytes:
    random = np.random.default_rng([1, person, photo])
    own = np.roll(_texture([2, person]), random.integers(-10, 11, 2), (0, 1))
    light = random.uniform(0.6, 1.2)
    mixed = light * (0.55 * own + 0.45 * _texture([3, person, photo])) + random.normal(0, 0.03, own.shape)
    return np.asarray(np.clip(mixed, 0, 1) * 255, np.uint8)


def _texture(seed: list[int]) -> Float:
    coarse = np.random.default_rng(seed).random((6, 6, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)
