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
    people: dict[str, list[Crop]] = {}
    for person in sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ():
        photos = sorted(path for path in person.iterdir() if path.is_file() and not path.name.startswith("."))
        found = [detector.detect(image.decode(path.read_bytes())) for path in photos]
        people[person.name] = [crops[0] for crops in found if crops]
        if not people[person.name]:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"No face was found in the photos of {person.name}.",
                "Give each person at least one photo with a visible face.",
            )
    if not people:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"{folder} has no sub-folder.",
            "Make one sub-folder a person, with photos of people who agreed to it.",
        )
    return people
