from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.testing import BoxDetector
from faceoff.training.faces import FEWEST_HELD_OUT, Faces, gather
from faceoff.types import Bytes, Photo, Progress
from tests.unit.training import people
from tests.unit.training.conftest import PEOPLE, PHOTOS


def crop(person: int, photo: int) -> Bytes:
    pixels = np.asarray(people.drawn(person, photo) / 255, np.float32)
    return image.to_bytes(BoxDetector().detect(Photo(pixels, "PNG", b""))[0].pixels)


def test_everybody_has_photos_on_both_sides(faces: Faces) -> None:
    assert faces.people == PEOPLE
    assert np.bincount(faces.labels).tolist() == [PHOTOS] * PEOPLE
    assert np.bincount(faces.labels[faces.held_out]).tolist() == [FEWEST_HELD_OUT] * PEOPLE
    np.testing.assert_array_equal(faces.pixels[0], crop(0, 0))
    assert faces.landmarks.shape == (PEOPLE * PHOTOS, 5, 2)


def test_the_seed_chooses_who_is_held_out(folder: Path) -> None:
    def held_out(seed: int) -> list[bool]:
        with gather(folder, BoxDetector(), lambda progress: None, seed) as found:
            return [bool(each) for each in found.held_out]

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)


def test_what_cannot_be_used_is_left_out_and_counted(tmp_path: Path) -> None:
    people.folder(tmp_path, people=3, photos=5)
    (tmp_path / "person0" / "notes.txt").write_text("no photo")
    (tmp_path / "person2" / "0.png").unlink()
    (tmp_path / ".hidden").touch()
    (tmp_path / "person1" / ".DS_Store").touch()
    heard: list[Progress] = []
    with gather(tmp_path, BoxDetector(), heard.append, seed=0) as found:
        assert found.people == 2
        assert (found.photos_left_out, found.people_left_out) == (1, 1)
        np.testing.assert_array_equal(found.pixels[5], crop(1, 0))
    assert heard[-1] == Progress("detect", 15, 15)


def test_nothing_is_left_of_the_crops(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with gather(folder, BoxDetector(), lambda progress: None, 0):
        assert list(tmp_path.iterdir()) == []  # a kill now leaves nothing either


def test_folders_that_cannot_be_trained_on(tmp_path: Path) -> None:
    def refused(folder: Path, faces: int = 1) -> tuple[Reason, str]:
        with pytest.raises(FaceOffError) as raised, gather(folder, BoxDetector(faces), lambda progress: None, 0):
            pass
        return raised.value.reason, str(raised.value)

    assert "0 sub-folders" in refused(tmp_path / "nowhere")[1]
    people.folder(tmp_path / "one", 1, 6)
    assert "1 sub-folders" in refused(tmp_path / "one")[1]
    people.folder(tmp_path / "few", 2, 4)
    assert refused(tmp_path / "few")[0] is Reason.INVALID_ARGUMENT
    assert "2 people with 5 photos each" in refused(tmp_path / "few")[1]
    assert refused(tmp_path / "few", faces=0)[0] is Reason.NO_FACE_DETECTED
    for name in ("a", "b"):
        (tmp_path / "empty" / name).mkdir(parents=True)
    assert refused(tmp_path / "empty")[0] is Reason.NO_FACE_DETECTED


def test_large_photos_are_cut_to_the_networks_size(tmp_path: Path) -> None:
    people.folder(tmp_path, people=2, photos=5)
    with Image.open(tmp_path / "person0" / "0.png") as photo:
        photo.resize((400, 300)).save(tmp_path / "person0" / "0.png")
    with gather(tmp_path, BoxDetector(), lambda progress: None, 0) as found:
        assert found.pixels.shape == (10, 192, 192, 3)
