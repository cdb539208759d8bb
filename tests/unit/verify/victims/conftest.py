from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faceoff.testing.lookalike import LookAlike, settings
from tests.unit.verify.victims import house as parts


@pytest.fixture
def house(tmp_path: Path) -> Iterator[parts.House]:
    with LookAlike(parts.find) as server:
        yield parts.House(server, settings(tmp_path, server.url, server.keys, parts.TERMS))
