"""Photos bent out of shape, through the room where strangers' photos are decoded. Nothing may come of one but a photo within
the limits or a FaceOffError; no process may die of it, and what is written of a photo holds nothing but a picture.

    FUZZ_SECONDS=600 python -m pytest tests/fuzz        # ten minutes more, of other photos each time
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faceoff.decoding import pool
from faceoff.decoding.pool import Decoder
from faceoff.errors import FaceOffError, Reason
from faceoff.image import decode, encode, to_bytes
from faceoff.types import Encoding, Photo
from tests.fuzz.photos import seeds
from tests.unit.decoding.files import SECRET, save
from tests.unit.decoding.traces import traces

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
SEEDS = seeds()
REASONS = {Reason.IMAGE_CORRUPT, Reason.IMAGE_TOO_LARGE, Reason.ANIMATED_IMAGE, Reason.UNSUPPORTED_FORMAT}
NUMBERS = [
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x80\0\0\0",
    b"\0\x10\0\0",
    b"\x40\0",
]
SMALL = save(Image.new("L", (1, 1)), "PNG")

Edit = tuple[float, bytes, str]
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(NUMBERS) | st.binary(min_size=1, max_size=8),
        st.sampled_from(["over", "into", "out"]),
    ),
    max_size=6,
)


class Room:
    """A decoder of one process that must live through everything."""

    def __init__(self, decoder: Decoder) -> None:
        self._decode = decoder.decode
        self._decode(SMALL)
        (self._child,) = psutil.Process().children()

    def photo(self, data: bytes) -> Photo | None:
        """None when it is refused."""
        photo, refusal = None, None
        try:
            photo = self._decode(data)
        except FaceOffError as error:
            refusal = error
        assert self._child.is_running()
        assert self._child.status() != psutil.STATUS_ZOMBIE
        assert refusal is None or (refusal.reason in REASONS and refusal.hint)
        return photo

    def peak(self) -> int:
        """Bytes of address space that the process has ever had."""
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(status.partition("VmPeak:")[2].split()[0]) * 1024


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    with Decoder(processes=1, photos=10**9) as decoder:
        room = Room(decoder)
        yield room
        if sys.platform == "linux":
            assert room.peak() <= pool.MEMORY


def bent(seed: bytes, edits: list[Edit], share: float) -> bytes:
    data = bytearray(seed)
    for place, patch, how in edits:
        at = int(place * place * len(data))  # most of what breaks a parser is near the front
        if how == "into":
            data[at:at] = patch
        elif how == "out":
            del data[at : at + len(patch)]
        else:
            data[at : at + len(patch)] = patch
    return bytes(data[: int(len(data) * share) + 1])


def holds(room: Room, data: bytes) -> None:
    photo = room.photo(data)
    if photo is None or photo.height * photo.width > 10**6:
        return
    assert photo.pixels.min() >= 0
    assert photo.pixels.max() <= 1
    for encoding in (Encoding("PNG"), Encoding("JPEG"), Encoding("WEBP")):
        result = encode(photo.pixels, photo, encoding)
        assert traces(result) == []
        assert SECRET not in result
        again = decode(result, max_bytes=len(result))
        assert again.pixels.shape == photo.pixels.shape
        assert again.icc in (photo.icc, None)
        if encoding.format != "JPEG":
            np.testing.assert_array_equal(to_bytes(again.pixels), to_bytes(photo.pixels))
            np.testing.assert_array_equal(again.alpha, photo.alpha)


def test_the_seeds_themselves_are_read(room: Room) -> None:
    for data in SEEDS:
        heif = data[4:8] == b"ftyp"
        assert room.photo(data) is not None or heif


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(SEEDS), EDITS, st.just(1.0) | st.floats(0.05, 1))
def test_bent_photos(room: Room, seed: bytes, edits: list[Edit], share: float) -> None:
    holds(room, bent(seed, edits, share))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(SEEDS), st.sampled_from(SEEDS), st.floats(0, 1), st.floats(0, 1))
def test_one_photo_grafted_on_another(room: Room, front: bytes, back: bytes, cut: float, graft: float) -> None:
    holds(room, front[: int(cut * len(front))] + back[int(graft * len(back)) :])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(SEEDS).map(lambda seed: seed[:16]), st.integers(0, 16), st.binary(max_size=300))
def test_noise_behind_a_photos_first_bytes(room: Room, magic: bytes, kept: int, noise: bytes) -> None:
    holds(room, magic[:kept] + noise)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["L", "LA", "RGB", "RGBA"]), st.integers(0, 2**32 - 1))
def test_there_and_back(room: Room, width: int, height: int, mode: str, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, len(mode)), np.uint8)
    image = Image.fromarray(levels.squeeze(2) if mode == "L" else levels)
    photo = room.photo(save(image, "PNG"))
    assert photo is not None
    assert photo.grayscale == (mode in ("L", "LA"))
    for encoding in (Encoding("PNG"), Encoding("WEBP")):
        again = room.photo(encode(photo.pixels, photo, encoding))
        assert again is not None
        np.testing.assert_array_equal(again.pixels, photo.pixels)
        np.testing.assert_array_equal(again.alpha, photo.alpha)


@pytest.mark.skipif(not SECONDS, reason="FUZZ_SECONDS says for how long")
@pytest.mark.timeout(SECONDS + 300)
def test_longer(room: Room, record_testsuite_property: Callable[[str, object], None], tmp_path: Path) -> None:
    chance = random.Random()
    start, tried = time.monotonic(), 0
    while time.monotonic() - start < SECONDS:
        edits = [
            (chance.random(), chance.choice([*NUMBERS, chance.randbytes(chance.randint(1, 8))]), how)
            for how in chance.choices(["over", "into", "out"], k=chance.randint(0, 8))
        ]
        data = bent(chance.choice(SEEDS), edits, chance.choice([1.0, chance.random()]))
        if chance.random() < 0.2:
            data = data[: chance.randint(0, len(data))] + chance.choice(SEEDS)[chance.randint(0, 200) :]
        (tmp_path / "last").write_bytes(data)  # pytest keeps it, and says where, when this fails
        holds(room, data)
        tried += 1
    record_testsuite_property("tried", tried)
