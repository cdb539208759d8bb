"""The examples of docs/api.md, to be run as they stand there."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text()
BASH = ("bash", "-eu", "-o", "pipefail")

_PATH = f"{ROOT / '.venv' / 'tools'}{os.pathsep}{os.environ['PATH']}"
GRPCURL = shutil.which("grpcurl", path=_PATH)


def python() -> list[str]:
    return _blocks("python")


def curl() -> list[str]:
    return [block for block in _blocks("sh") if "grpcurl" not in block]


def grpcurl() -> dict[str, str]:
    """By the call, or the last of them."""
    return {block.split("/")[-1]: block for block in map(str.strip, _blocks("sh")) if "grpcurl" in block}


def job(create: str) -> str:
    """What sets the others' JOB from grpcurl's CreateProtection."""
    return f"JOB=$({create} | sed -n 's/.*operations.\\([0-9a-f]*\\).*/\\1/p')"


def photo(said: str) -> bytes:
    """The photo in what grpcurl says."""
    return b"".join(map(base64.b64decode, re.findall(r'"chunk": "([^"]+)"', said)))


def run(command: tuple[str, ...], code: str, http: str, grpc: str, folder: Path, seconds: int = 120) -> str:
    settings = {"HTTP": http, "GRPC": grpc, "KEY": "none", "PYTHONPATH": str(ROOT), "PATH": _PATH}
    done = subprocess.run(
        command, input=code, env={**os.environ, **settings}, cwd=folder, capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
