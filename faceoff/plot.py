"""One picture that shows what was done to a photo: original, protected, difference, and what the victims say."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import box_slices
from faceoff.image import to_bytes
from faceoff.types import Crop, Float, Outcome, Photo, Verdict
from faceoff.visibility import visibility

_WIDTH = 1200
_GAP = 12
_PANEL = (_WIDTH - 4 * _GAP) // 3
_MAX_FACES = 4
_MAX_PANEL_HEIGHT = 2 * _PANEL
_MAGNIFIED = 10
_CONTEXT = 0.35
"""Share of the face's box shown around it."""

_TITLE = ImageFont.load_default(18)
_TEXT = ImageFont.load_default(16)
_LINE = 24
_PAPER = (255, 255, 255)
_INK = (32, 36, 42)
_COLOURS = {Outcome.TRANSFERRED: (10, 112, 58), Outcome.NOT_TRANSFERRED: (176, 32, 32)}
_WORDS = {
    Outcome.TRANSFERRED: "not recognised",
    Outcome.NOT_TRANSFERRED: "still recognised",
    Outcome.NO_FACE_PROTECTED: "no face found any more",
    Outcome.CLEAN_MISMATCH: "did not recognise the original either",
    Outcome.NO_CLEAN_PAIR: "no evidence: the original was not asked about",
}
_QUIET = (96, 102, 110)


def before_after(original: Photo, protected: Photo, crops: Sequence[Crop], verdicts: Sequence[Verdict]) -> bytes:
    """A PNG 1200 pixels wide: a row for the photo and one for each face (the first four), each with original, protected
    and the difference ten times magnified around grey, and below a face its visibility and verdicts.

    Faces are numbered as in ``crops``, and so is a verdict's ``face``. Raises FaceOffError INVALID_ARGUMENT when the
    photos' sizes differ.
    """
    if original.pixels.shape != protected.pixels.shape:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, "The two photos differ in size.", "Compare a photo with its own protected version."
        )
    rows = [_heading(), _panels(original.pixels, protected.pixels)]
    for index, crop in enumerate(crops[:_MAX_FACES]):
        box = box_slices(crop.face.box, original.height, original.width)
        change = visibility(original.pixels[box], protected.pixels[box])
        around = _around(box, original)
        rows.append(_panels(original.pixels[around], protected.pixels[around]))
        summary = f"face {index}: RMS {change.rms:.2f} of 255 levels, SSIM {change.ssim:.3f}"
        rows.append(_caption(summary, [verdict for verdict in verdicts if verdict.face == index]))
    if len(crops) > _MAX_FACES:
        rows.append(_caption(f"and {len(crops) - _MAX_FACES} more", []))
    return _stack(rows)


def _around(box: tuple[slice, slice], photo: Photo) -> tuple[slice, slice]:
    """A square around the box, as far as the photo goes."""
    rows, columns = box
    side = max(rows.stop - rows.start, columns.stop - columns.start) * (1 + 2 * _CONTEXT)

    def span(place: slice, limit: int) -> slice:
        middle = (place.start + place.stop) / 2
        return slice(max(round(middle - side / 2), 0), min(round(middle + side / 2), limit))

    return span(rows, photo.height), span(columns, photo.width)


def _heading() -> Image.Image:
    row = Image.new("RGB", (_WIDTH, _LINE), _PAPER)
    draw = ImageDraw.Draw(row)
    for index, word in enumerate(("original", "protected", f"difference x{_MAGNIFIED}")):
        draw.text((_GAP + index * (_PANEL + _GAP), 0), word, _INK, _TITLE)
    return row


def _panels(before: Float, after: Float) -> Image.Image:
    difference = 0.5 + _MAGNIFIED * (after - before)
    height, width = before.shape[:2]
    scale = min(_PANEL / width, _MAX_PANEL_HEIGHT / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    row = Image.new("RGB", (_WIDTH, size[1]), _PAPER)
    for index, pixels in enumerate((before, after, difference)):
        panel = Image.fromarray(to_bytes(pixels)).resize(size, Image.Resampling.LANCZOS)
        row.paste(panel, (_GAP + index * (_PANEL + _GAP) + (_PANEL - size[0]) // 2, 0))
    return row


def _caption(summary: str, verdicts: Sequence[Verdict]) -> Image.Image:
    row = Image.new("RGB", (_WIDTH, _LINE * (1 + len(verdicts))), _PAPER)
    draw = ImageDraw.Draw(row)
    draw.text((_GAP, 0), summary, _INK, _TEXT)
    for line, verdict in enumerate(verdicts, start=1):
        scores = f"{_score(verdict.clean_score)} -> {_score(verdict.protected_score)}"
        word = _WORDS.get(verdict.outcome, verdict.outcome.value.replace("_", " "))
        text = f"{verdict.victim}: {scores} (same person from {verdict.threshold:.2f}): {word}"
        draw.text((_GAP, line * _LINE), text, _COLOURS.get(verdict.outcome, _QUIET), _TEXT)
    return row


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


def _stack(rows: Sequence[Image.Image]) -> bytes:
    height = sum(row.height for row in rows) + _GAP * (len(rows) + 1)
    picture = Image.new("RGB", (_WIDTH, height), _PAPER)
    top = _GAP
    for row in rows:
        picture.paste(row, (0, top))
        top += row.height + _GAP
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
