"""Other people's faces from a folder: one sub-folder a person, for the target and hinge losses."""

from __future__ import annotations

from pathlib import Path

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Detector
from faceoff.types import Crop, Gallery


def read(folder: Path, detector: Detector) -> Gallery:
    """The largest face of every photo in ``folder``'s sub-folders, by the sub-folders' names.

    A photo without a face is left out. Raises INVALID_ARGUMENT when a person has none left, or when there is no person;
    a file that is not a photo raises what faceoff.image raises.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not folders:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"{folder} has no sub-folder.",
            "Make one sub-folder a person, with photos of people who agreed to it.",
        )
    return {path.name: person(path, detector) for path in folders}


def person(folder: Path, detector: Detector) -> list[Crop]:
    """The largest face of every photo in ``folder``; raises as ``read`` does."""
    photos = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    found = [detector.detect(image.decode(path.read_bytes())) for path in photos if not path.name.startswith(".")]
    faces = [crops[0] for crops in found if crops]
    if not faces:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"No face was found in the photos of {folder.name}.",
            "Give each person at least one photo with a visible face.",
        )
    return faces
