from __future__ import annotations

from pathlib import Path

import pytest

from faceoff import gallery, image
from faceoff.errors import FaceOffError, Reason
from faceoff.testing import BoxDetector, picture
from faceoff.types import Encoding, Photo


def people(folder: Path, *names: str) -> Path:
    pixels = picture()
    photo = image.encode(pixels, Photo(pixels, "PNG", b""), Encoding())
    for name in names:
        (folder / name).mkdir()
        for number in range(2):
            (folder / name / f"{number}.png").write_bytes(photo)
    return folder


def test_one_label_a_person_one_face_a_photo(tmp_path: Path) -> None:
    found = gallery.read(people(tmp_path, "ann", "bob"), BoxDetector(count=2))
    assert {label: len(crops) for label, crops in found.items()} == {"ann": 2, "bob": 2}


@pytest.mark.parametrize("faces", [0, 1])
def test_folders_that_cannot_be_used(tmp_path: Path, faces: int) -> None:
    folder = tmp_path if faces else people(tmp_path, "ann")
    with pytest.raises(FaceOffError) as error:
        gallery.read(folder, BoxDetector(count=faces))
    assert error.value.reason is Reason.INVALID_ARGUMENT
    assert error.value.hint


def test_a_file_that_is_no_photo_is_named_by_its_reason(tmp_path: Path) -> None:
    folder = people(tmp_path, "ann")
    (folder / "ann" / "notes.txt").write_text("hello")
    with pytest.raises(FaceOffError) as error:
        gallery.read(folder, BoxDetector())
    assert error.value.reason is Reason.UNSUPPORTED_FORMAT
