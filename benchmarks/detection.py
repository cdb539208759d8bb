"""Our detector against the mtcnn package used plainly, per megapixel of the same photos.

Ours adds a border, so that it finds faces at the edge, and shrinks what is longer than it searches."""

from __future__ import annotations

from collections.abc import Iterator

from mtcnn import MTCNN

from benchmarks import photos
from benchmarks.measure import Row, compared, in_turns
from faceoff.detect import MtcnnDetector

RUNS = 3
SIDES = (1, 2, 4)
"""Photos of 512, 1024 and 2048 pixels a side, with 1, 4 and 16 faces."""


def rows() -> Iterator[Row]:
    ours, plain = MtcnnDetector(), MTCNN()
    inputs = [photos.photo(side) for side in SIDES]
    arrays = [photos.pixels(side) for side in SIDES]
    megapixels = sum(photo.width * photo.height for photo in inputs) / 1e6
    times = in_turns(
        lambda: [ours.detect(photo) for photo in inputs],
        lambda: [plain.detect_faces(array) for array in arrays],
        runs=RUNS,
    )
    mine, theirs = ([time / megapixels for time in column] for column in times)
    sides = ", ".join(str(photo.width) for photo in inputs)
    yield compared(
        "detect_vs_mtcnn", mine, theirs, "s", f"the mtcnn package, square photos of {sides}; value is per megapixel"
    )
