"""What the parent believes of a child."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faceoff.decoding import wire
from faceoff.decoding.formats import MAX_PIXELS, MAX_SIDE
from faceoff.decoding.upright import CHANNELS, Sheet
from faceoff.errors import FaceOffError, Reason
from faceoff.image import decode
from tests.unit.decoding.files import save, smooth, srgb_profile

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
FIELD = st.sampled_from(["width", "height", "mode", "format", "warnings", "profile", "reason", "message", "hint"])
HONEST = {"width": 4, "height": 3, "mode": "RGB", "format": "PNG", "warnings": ["reduced"], "profile": 0}


def profile() -> bytes:
    kept = decode(save(Image.fromarray(smooth()), "PNG", icc_profile=srgb_profile())).icc
    assert kept
    return kept


def unpacked(message: bytes) -> tuple[dict[str, object], bytes]:
    length = wire.HEAD_LENGTH.unpack_from(message)[0]
    rest = message[wire.HEAD_LENGTH.size :]
    return wire.to_head(rest[:length]), rest[length:]


def test_there_and_back() -> None:
    sheet = Sheet(32, 24, "RGBA", "WEBP", profile(), ("one", "two"))
    head, rest = unpacked(wire.from_sheet(sheet))
    assert wire.to_error(head) is None
    assert wire.profile_length(head) == len(rest)
    assert wire.to_sheet(head, rest, "WEBP") == sheet
    head, rest = unpacked(wire.from_error(FaceOffError(Reason.ANIMATED_IMAGE, "It moves.", "Hold it.")))
    error = wire.to_error(head)
    assert error is not None
    assert (error.reason, error.message, error.hint, rest) == (Reason.ANIMATED_IMAGE, "It moves.", "Hold it.", b"")


def test_a_profile_is_rebuilt_once_more() -> None:
    assert wire.to_sheet(HONEST, b"anything that a child may say", "PNG").icc is None
    assert wire.to_sheet(HONEST, profile() + b"and more", "PNG").icc == profile()


@pytest.mark.parametrize(
    "lie",
    [
        {"width": 0},
        {"width": True},
        {"width": MAX_SIDE + 1},
        {"width": 16000, "height": 16000},
        {"mode": "CMYK"},
        {"mode": ["RGB"]},
        {"format": "JPEG"},
        {"warnings": "text"},
        {"warnings": ["x"] * 9},
        {"warnings": ["x" * 301]},
        {"warnings": ["\x1b[2J"]},
        {"profile": 2**30},
    ],
)
def test_lies(lie: dict[str, object]) -> None:
    head = HONEST | lie
    with pytest.raises(wire.Nonsense):
        wire.to_sheet(head, bytes(wire.profile_length(head)), "PNG")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.dictionaries(FIELD, JSON, max_size=4), st.binary(max_size=40), st.binary(max_size=40))
def test_whatever_a_child_says_is_nonsense_or_fits(changes: dict[str, object], noise: bytes, profile: bytes) -> None:
    for text in (noise, json.dumps(HONEST | changes).encode()):
        try:
            head = wire.to_head(text)
            error = wire.to_error(head)
            wire.profile_length(head)
            sheet = wire.to_sheet(head, profile, "PNG")
        except wire.Nonsense:
            continue
        assert error is None or error.reason != Reason.INTERNAL
        assert sheet.width * sheet.height <= MAX_PIXELS
        assert sheet.mode in CHANNELS
        assert sum(rows for _, rows in sheet.strips) == sheet.height
