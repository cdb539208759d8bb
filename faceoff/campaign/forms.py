"""The file that a victim is given, and the face found anew in it."""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from faceoff import image
from faceoff.rooms import Detector
from faceoff.types import Box, Bytes, Crop, Photo
from faceoff.verify.scores import same_place
from faceoff.verify.views import window


def write(levels: Bytes, container: str = "PNG", scale: float = 1.0, **options: object) -> bytes:
    """``levels`` [H, W, 3] as a PNG or JPEG file, at ``scale`` of its sides. ``options`` are Pillow's."""
    if scale != 1:
        size = (max(1, round(levels.shape[1] * scale)), max(1, round(levels.shape[0] * scale)))
        levels = np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_AREA), np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, container, **options)
    return file.getvalue()


def find(data: bytes, like: Crop, photo: Photo, detector: Detector, cropped: bool = False) -> Crop | None:
    """The face of ``photo`` that was cut out as ``like``, found anew in the file ``data`` at whatever size that has. The file
    shows the photo, or only the square about the face where it is ``cropped``."""
    seen = image.decode(data, max_bytes=len(data))
    rows, columns = window(like) if cropped else (slice(None), slice(None))
    top, bottom, _ = rows.indices(photo.height)
    left, right, _ = columns.indices(photo.width)
    x, y = seen.width / (right - left), seen.height / (bottom - top)
    box = like.face.box
    moved = Box((box.x - left) * x, (box.y - top) * y, box.width * x, box.height * y)
    there = replace(like, face=replace(like.face, box=moved))
    return same_place(there, detector.detect(seen))
