"""Results as callers fetch them tell nothing but the picture: every kind of file that tells, in every format, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from faceoff.amplify import LocalAmplifier
from faceoff.pipeline import Rooms
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from tests.services.house import ByName, house
from tests.unit.decoding.exiftool import assert_nothing_but_the_picture, exiftool
from tests.unit.decoding.files import SECRET, telling_files, thumbnail
from tests.unit.decoding.traces import traces


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with (
        house(lambda _: rooms, ByName()) as there,
        httpx2.Client(base_url=there.http, headers={"Authorization": "Bearer alice"}, timeout=60) as http,
    ):
        yield http


def protected(http: httpx2.Client, data: bytes, format_name: str) -> bytes:
    files, options = {"photo": (SECRET.decode(), data)}, {"format": format_name, "strength": "subtle"}
    done = http.post("/v1/protections?wait=30s", files=files, data=options).json()
    return http.get(done["result"]["href"]).content


@pytest.mark.parametrize("format_name", ["png", "jpeg", "webp"])
def test_exiftool_finds_nothing_in_what_is_fetched(http: httpx2.Client, format_name: str, tmp_path: Path) -> None:
    made = [protected(http, data, format_name) for data in telling_files()]
    for number, data in enumerate(made):
        assert traces(data) == []
        assert SECRET not in data
        assert thumbnail()[-200:] not in data
        (tmp_path / f"{number}.{format_name}").write_bytes(data)
    told = exiftool(tmp_path)
    assert len(told) == len(made) == 8
    for tags in told:
        assert_nothing_but_the_picture(tags)
