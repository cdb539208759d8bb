"""Real networks on real photos. They need the networks: make models."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data as pictures

from faceoff.local import rooms as local_rooms
from faceoff.networks import catalogue
from faceoff.networks.home import Home, default_home
from faceoff.pipeline import Rooms

SHARED = Path(__file__).parents[3] / "shared" / "data" / "photos"
"""More photos of more people, where a developer has them beside the checkout."""


@pytest.fixture(scope="session")
def home() -> Home:
    found = default_home()
    missing = [name for name in catalogue.DEFAULT if not found.weights(catalogue.card(name, found)).exists()]
    if missing:
        pytest.skip(f"the weights of {', '.join(missing)} are not here: make models")
    return found


@pytest.fixture(scope="session")
def rooms(home: Home) -> Rooms:
    return local_rooms(home)


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    return png(Image.fromarray(pictures.astronaut()))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def group() -> bytes:
    """Several faces in one photo: different people where there are photos of them, else one person at three sizes."""
    if SHARED.is_dir():
        names = ("bill_01", "jenn_01", "matt_01", "taylor_01")
        people = [Image.open(SHARED / name.partition("_")[0] / f"{name}.jpg").convert("RGB") for name in names]
        return png(side_by_side(people, (400, 460, 430, 380)))
    face = Image.fromarray(pictures.astronaut()).crop((110, 0, 340, 230))  # type: ignore[no-untyped-call]
    return png(side_by_side([face, face.transpose(Image.Transpose.FLIP_LEFT_RIGHT), face], (230, 420, 320)))


def side_by_side(people: Sequence[Image.Image], heights: Sequence[int]) -> Image.Image:
    scaled = [
        person.resize((round(person.width * height / person.height), height), Image.Resampling.LANCZOS)
        for person, height in zip(people, heights, strict=True)
    ]
    canvas = Image.new("RGB", (sum(person.width for person in scaled), max(heights)), (96, 104, 112))
    left = 0
    for person in scaled:
        canvas.paste(person, (left, (canvas.height - person.height) // 2))
        left += person.width
    return canvas


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def array(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
