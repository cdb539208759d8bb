from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.campaign.fakes import folder


@pytest.fixture(scope="package")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("people"))
