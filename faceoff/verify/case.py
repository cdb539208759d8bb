"""What is judged: a result, its faces, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Detector
from faceoff.types import Against, Crop, Photo, Terms, View
from faceoff.verify.scores import face_at
from faceoff.verify.views import cut, resized, show


@dataclass(frozen=True)
class Case:
    """A ``protected`` photo. ``crops`` are its faces on the ``original``, or, where that is not at hand, on
    the photo itself; ``width`` is the width of the one they are on. ``references`` are photos of the person other than the
    original."""

    protected: Photo
    original: Photo | None
    crops: tuple[Crop, ...]
    width: int
    references: tuple[bytes, ...] = field(repr=False)
    against: Against
    views: tuple[View, ...]


def of_result(photo: Photo, protected: Photo, crops: Sequence[Crop], terms: Terms) -> Case:
    """The case of a result whose original and faces are known."""
    references = _others(terms.references, photo, protected)
    against = Against.REFERENCE if references else Against.ORIGINAL
    return Case(protected, photo, tuple(crops), photo.width, references, against, terms.views)


def of_photo(protected: Photo, original: Photo | None, terms: Terms, detector: Detector) -> Case:
    """The case of a photo that comes from anywhere, perhaps resized on its way. Raises NO_FACE_DETECTED, and INVALID_ARGUMENT
    where there is nothing to compare with or the photo is a cut-out: its faces would be looked for in the wrong places, and
    another person's found."""
    photo = original or protected
    if not _same_shape(protected, photo):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "The photo and its original have different proportions.",
            "Cut the original likewise, or compare with other photos of the person only.",
        )
    crops = detector.detect(photo)
    if not crops:
        raise FaceOffError(Reason.NO_FACE_DETECTED, "No face was found in this photo.", "Nothing can be compared.")
    references = _others(terms.references, protected)
    if not (references or original):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "There is nothing to compare this photo with.",
            "Give other photos of the person than this one, or the original.",
        )
    if original:
        return of_result(original, protected, crops, terms)
    return Case(protected, None, tuple(crops), photo.width, references, Against.REFERENCE, terms.views)


def _others(references: Sequence[bytes], *photos: Photo) -> tuple[bytes, ...]:
    """Each reference once, without the judged photos themselves: what matches itself tells nothing."""
    judged = [photo.source for photo in photos]
    return tuple(reference for reference in dict.fromkeys(references) if reference not in judged)


def _same_shape(photo: Photo, original: Photo) -> bool:
    """Whether both have the proportions of one picture, up to a pixel of rounding on each side."""
    scale = photo.width / original.width
    return abs(photo.height - original.height * scale) <= 1 + original.height / original.width


def faces_in(photo: Photo, case: Case, view: View, detector: Detector) -> list[Crop | None]:
    """Each face of the case found anew in a view of ``photo``, as a stranger would read it; None where it is not found."""
    shown = show(photo, view)
    scale = shown.width / case.width
    if view is View.CROPPED:
        cuts = [cut(shown, crop, scale) for crop in case.crops]
        # In this process, whoever the photo is from: the PNG is our own.
        return [face_at(box, detector.detect(image.decode(png, max_bytes=len(png)))) for png, box in cuts]
    found = detector.detect(shown)
    return [face_at(resized(crop.face.box, scale), found) for crop in case.crops]


def largest(photo: Photo, detector: Detector) -> Crop | None:
    """The largest face of a photo."""
    found = detector.detect(photo)
    return found[0] if found else None
