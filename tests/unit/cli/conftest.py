from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli.fakes import Fakes

ROOT = Path(__file__).parents[3]


@pytest.fixture
def environment() -> dict[str, str]:
    """Of a process that finds the project."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "FACEOFF_DEBUG": "0"}


@pytest.fixture
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Fakes:
    return Fakes(tmp_path_factory.mktemp("home"))


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
