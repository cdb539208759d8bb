"""The photo that the benchmarks share: the astronaut that scikit-image carries, public domain."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from skimage import data

from faceoff.types import Bytes, Photo


def pixels(rows: int = 1) -> Bytes:
    """The photo's pixels, ``rows`` x ``rows`` times."""
    astronaut = np.asarray(data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    return np.tile(astronaut, (rows, rows, 1))


def encoded() -> bytes:
    """As a PNG file."""
    out = io.BytesIO()
    Image.fromarray(pixels()).save(out, "PNG")
    return out.getvalue()


def photo(rows: int = 1) -> Photo:
    """As the rooms know it."""
    return Photo(pixels(rows).astype(np.float32) / np.float32(255), "PNG", b"")
