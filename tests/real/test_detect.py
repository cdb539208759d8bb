"""Finding faces where photos have them: at the border, tiny, turned by EXIF, several, none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data as pictures

from faceoff import image
from faceoff.detect import MtcnnDetector
from faceoff.types import CROP_SIZE, Crop
from tests.real.conftest import png, side_by_side


@pytest.fixture(scope="module")
def detector() -> MtcnnDetector:
    return MtcnnDetector()


def astronaut() -> Image.Image:
    return Image.fromarray(pictures.astronaut())  # type: ignore[no-untyped-call]


def found(detector: MtcnnDetector, picture: Image.Image) -> list[Crop]:
    return detector.detect(image.decode(png(picture)))


def test_one_face_where_it_is(detector: MtcnnDetector) -> None:
    (crop,) = found(detector, astronaut())
    left_eye, right_eye, nose, *mouth = crop.face.landmarks
    assert np.abs(nose - (224, 126)).max() < 6
    assert left_eye[0] < nose[0] < right_eye[0]
    assert all(corner[1] > nose[1] for corner in mouth)
    assert crop.face.score > 0.95
    assert crop.pixels.shape == (CROP_SIZE, CROP_SIZE, 3)


@pytest.mark.parametrize("box", [(182, 60, 300, 300), (120, 62, 268, 250), (100, 40, 300, 178)])
def test_a_face_at_the_border(detector: MtcnnDetector, box: tuple[int, int, int, int]) -> None:
    (crop,) = found(detector, astronaut().crop(box))
    assert np.abs(crop.face.landmarks[2] + box[:2] - (224, 126)).max() < 8


def test_a_tiny_face(detector: MtcnnDetector) -> None:
    small = astronaut().resize((154, 154), Image.Resampling.LANCZOS)  # a face of 25 pixels
    (crop,) = found(detector, small)
    assert np.abs(crop.face.landmarks[2] - np.array((224, 126)) * 154 / 512).max() < 4


def test_several_faces_the_largest_first(detector: MtcnnDetector) -> None:
    face = astronaut().crop((110, 0, 340, 230))
    crops = found(detector, side_by_side([face, face, face], (180, 420, 300)))
    widths = [crop.face.box.width for crop in crops]
    assert len(crops) == 3
    assert widths == sorted(widths, reverse=True)


def test_a_face_turned_by_exif(detector: MtcnnDetector) -> None:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # the viewer turns it a quarter clockwise
    astronaut().rotate(90, expand=True).save(out, "JPEG", quality=95, exif=exif)
    (crop,) = detector.detect(image.decode(out.getvalue()))
    assert np.abs(crop.face.landmarks[2] - (224, 126)).max() < 6


def test_no_face(detector: MtcnnDetector) -> None:
    assert found(detector, Image.fromarray(pictures.brick())) == []  # type: ignore[no-untyped-call]
    assert found(detector, Image.new("RGB", (16, 16))) == []
