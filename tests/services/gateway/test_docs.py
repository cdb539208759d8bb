"""docs/api.md is what its sources say, and its examples work as they stand there."""

from __future__ import annotations

import os
import re
import shutil
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
from tests.services.house import House, house

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "api.md").read_text()


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


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def run(command: list[str], code: str, there: House, folder: Path) -> str:
    settings = {"HTTP": there.http, "GRPC": there.grpc, "KEY": "none", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, input=code, env={**os.environ, **settings}, cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_is_up_to_date() -> None:
    assert subprocess.run([sys.executable, ROOT / "scripts" / "api.py", "--check"], timeout=120).returncode == 0


def test_python(there: House, folder: Path) -> None:
    said = run([sys.executable, "-"], "\n".join(blocks("python")), there, folder)
    assert (folder / "protected-at-once.png").read_bytes() == (folder / "protected-later.png").read_bytes()
    assert "fixed transferred 0.2" in said


def test_curl(there: House, folder: Path) -> None:
    code = "\n".join(block for block in blocks("sh") if "grpcurl" not in block)
    said = run(["bash", "-eu", "-o", "pipefail"], code, there, folder)
    assert (folder / "protected.png").read_bytes().startswith(b"\x89PNG")
    assert "event: done" in said
    assert '"keys":' in said


@pytest.mark.skipif(not shutil.which("grpcurl"), reason="needs grpcurl")
def test_grpcurl(there: House, folder: Path) -> None:
    create, *others = [block for block in blocks("sh") if "grpcurl" in block and "/Protect\n" not in block]
    code = f"JOB=$({create.strip()} | sed -n 's/.*operations.\\([0-9a-f]*\\).*/\\1/p')\n"
    *others, operations = others
    last = [block for block in others if "DeleteProtection" in block]
    code += "\n".join([*(block for block in others if block not in last), operations.rsplit("\n", 2)[0], *last])
    assert "chunk" in run(["bash", "-eu", "-o", "pipefail"], code, there, folder)
