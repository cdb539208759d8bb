from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.fakes import Fakes


@pytest.fixture
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Fakes:
    return Fakes(tmp_path_factory.mktemp("home"))


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
