"""The picture of before and after."""

import io

import numpy as np
import pytest
from PIL import Image

from faceoff.errors import FaceOffError
from faceoff.image import decode
from faceoff.plot import before_after
from faceoff.types import Box, Crop, Face, Outcome, Photo, Transform, Verdict


def photo(height: int, width: int, level: int) -> Photo:
    file = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(file, "PNG")
    return decode(file.getvalue())


def crop(x: float, y: float) -> Crop:
    face = Face(Box(x, y, 40, 40), np.zeros((5, 2), np.float32), 0.9)
    return Crop(np.zeros((8, 8, 3), np.float32), np.zeros((5, 2), np.float32), Transform(0, 0, 8, 8), face)


def verdicts(face: int) -> list[Verdict]:
    return [
        Verdict(face, f"victim {outcome}", "1", "2024-05-17", 0.9, None if "face" in outcome else 0.2, 0.5, outcome)
        for outcome in Outcome
    ]


def draw(original: Photo, protected: Photo, faces: int) -> Image.Image:
    crops = [crop(-10 + 30 * index, 20) for index in range(faces)]
    data = before_after(original, protected, crops, [verdict for face in range(faces) for verdict in verdicts(face)])
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("height", "width"), [(60, 200), (200, 150), (3000, 50)])
def test_a_png_as_wide_as_a_page(height: int, width: int) -> None:
    picture = draw(photo(height, width, 100), photo(height, width, 101), 1)
    assert (picture.format, picture.width) == ("PNG", 1200)
    assert picture.height < 3000


def test_the_difference_is_magnified_ten_times_around_grey() -> None:
    picture = draw(photo(100, 100, 100), photo(100, 100, 104), 0)
    middle = picture.height // 2 + 12
    assert [picture.getpixel((x, middle)) for x in (200, 600, 1000)] == [(100,) * 3, (104,) * 3, (168,) * 3]


def test_a_row_for_each_of_the_first_four_faces() -> None:
    source = photo(100, 300, 90)
    heights = [draw(source, source, faces).height for faces in range(7)]
    rows = np.diff(heights)
    assert (rows[:4] > 400).all()
    assert 0 < rows[4] < 100  # "and 1 more"
    assert rows[5] == 0


def test_photos_of_different_size() -> None:
    with pytest.raises(FaceOffError):
        before_after(photo(10, 10, 0), photo(10, 11, 0), [], [])
