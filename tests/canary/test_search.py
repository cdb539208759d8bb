"""The search finds what it should: a canary that cannot sing says nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import urllib.parse

import numpy as np
import pytest

from tests.canary.marks import MARKS, jpeg_photo
from tests.canary.search import Search, blocks, digests, forms

SECRET = b"ZqName7d41d8cd"
AROUND = {"before": b"\0\1 what stands before ", "after": b" and after it \xff"}


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        SECRET.upper(),
        SECRET.decode().encode("utf-16"),
        SECRET.decode().encode("utf-16-be"),
        SECRET.hex().encode(),
        SECRET.hex().upper().encode(),
        "".join(f"%{byte:02X}" for byte in SECRET).encode(),
        urllib.parse.quote(b"/\xe9" + SECRET).encode(),
        json.dumps({"photo": SECRET.decode() + "\xe9"}).encode(),
        repr(b"\x80" + SECRET).encode(),
        *(base64.b64encode(b"x" * shift + SECRET + b"yy") for shift in range(6)),
        *(base64.urlsafe_b64encode(b"\xff" * shift + SECRET) for shift in range(3)),
    ],
)
def test_marks_are_found_in_every_form(written: bytes) -> None:
    search = Search(forms("name", SECRET))
    found = search.find(AROUND["before"] + written + AROUND["after"])
    assert found
    assert all(name.startswith("name as ") for name in found)


def test_what_is_not_there_is_not_found() -> None:
    search = Search(forms("name", SECRET) | digests("name", SECRET) | blocks("photo", os.urandom(20_000)))
    assert search.find(np.random.default_rng(1).bytes(3_000_000)) == set()
    assert search.find(SECRET[:-1]) == search.find(b"") == set()


def test_digests_are_found() -> None:
    search = Search(digests("photo", SECRET))
    for said in (hashlib.sha256(SECRET).hexdigest().upper().encode(), hashlib.md5(SECRET).digest()):
        assert search.find(b"etag: " + said)
    assert search.find(b"SHA-256=" + base64.urlsafe_b64encode(hashlib.sha256(SECRET).digest()))


def test_any_64_bytes_of_a_scan_are_found() -> None:
    scan = jpeg_photo(320).scan
    search = Search(blocks("photo", scan))
    random = np.random.default_rng(2)
    for start in random.integers(0, len(scan) - 64, 200).tolist():
        assert search.find(random.bytes(100) + scan[start : start + 64] + random.bytes(100)), start


def test_marks_are_told_apart_from_chance_and_each_other() -> None:
    texts = [mark.lower() for mark in MARKS.values()]
    assert len(set(texts)) == len(texts)
    assert all(len(text) >= 13 for text in texts)
    with pytest.raises(ValueError, match="too short"):
        Search({b"short": "x"})
