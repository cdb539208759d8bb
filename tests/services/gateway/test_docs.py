"""docs/api.md is what its sources say, and its examples work as they stand there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.pipeline import Rooms
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker, picture
from faceoff.types import Encoding, Photo
from tests import examples
from tests.services.house import House, house


@pytest.fixture(scope="module")
def there() -> Iterator[House]:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(0.005), LocalAmplifier(), FixedVerifier())
    with house(lambda _: rooms) as there:
        yield there


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pixels = picture()
    (tmp_path / "photo.jpg").write_bytes(image.encode(pixels, Photo(pixels, "JPEG", b""), Encoding("JPEG")))
    return tmp_path


def test_the_page_is_up_to_date() -> None:
    script = examples.ROOT / "scripts" / "api.py"
    assert subprocess.run([sys.executable, script, "--check"], timeout=120).returncode == 0


def test_python(there: House, folder: Path) -> None:
    said = examples.run((sys.executable, "-"), "\n".join(examples.python()), there.http, there.grpc, folder)
    assert (folder / "protected-at-once.png").read_bytes() == (folder / "protected-later.png").read_bytes()
    assert "fixed transferred 0.2" in said


def test_curl(there: House, folder: Path) -> None:
    said = examples.run(examples.BASH, "\n".join(examples.curl()), there.http, there.grpc, folder)
    assert (folder / "protected.png").read_bytes().startswith(b"\x89PNG")
    assert "event: done" in said
    assert '"keys":' in said


@pytest.mark.skipif(not examples.GRPCURL, reason="needs grpcurl: make grpcurl, or on the PATH")
def test_grpcurl(there: House, folder: Path) -> None:
    of = examples.grpcurl()
    operations = of["DeleteOperation"].rpartition("\n")[0]  # DeleteProtection deletes what it would
    calls = [of["WatchProtection"], of["GetResult"], operations, of["DeleteProtection"]]
    code = "\n".join([examples.job(of["CreateProtection"]), *calls])
    later = examples.photo(examples.run(examples.BASH, code, there.http, there.grpc, folder))
    at_once = examples.photo(examples.run(examples.BASH, of["Protect"], there.http, there.grpc, folder))
    assert later.startswith(b"\x89PNG")
    assert at_once == later
