from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faceoff.testing import BoxDetector
from faceoff.training.faces import Faces, gather
from tests.unit.training import people

PEOPLE, PHOTOS = 8, 9


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return people.folder(tmp_path_factory.mktemp("drawn"), PEOPLE, PHOTOS)


@pytest.fixture(scope="session")
def faces(folder: Path) -> Iterator[Faces]:
    with gather(folder, BoxDetector(), lambda progress: None, seed=0) as found:
        yield found
