"""What may happen to a photo between its upload and a victim: pure functions."""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from faceoff import image
from faceoff.types import Box, Crop, Float, Photo, View

QUALITY = 75
"""What sites save photos at, with half the colours' resolution (4:2:0)."""

MEDIAN = 3
"""Side in pixels of the median filter, the denoising that feature squeezing uses against such masks (Xu et al., NDSS 2018)."""

SURVIVAL = (View.JPEG, View.HALF, View.DENOISED)
"""What a mask should survive beside the views of the photo itself."""


def show(photo: Photo, view: View) -> Photo:
    """A whole photo as ``view`` shows it, encoded and decoded anew; CROPPED is about a face (``cut``), so here the photo stays
    as it is."""
    if view in (View.PHOTO, View.CROPPED):
        return photo
    data = _saved(photo.pixels, view)
    return image.decode(data, max_bytes=len(data))  # in this process, whoever the photo is from: the file is our own


def _saved(pixels: Float, view: View) -> bytes:
    if view is View.JPEG:
        return _save(pixels, "JPEG", quality=QUALITY, subsampling="4:2:0")
    if view is View.HALF:
        size = (max(1, pixels.shape[1] // 2), max(1, pixels.shape[0] // 2))
        return _png(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32))
    return _png(np.asarray(cv2.medianBlur(pixels, MEDIAN), np.float32))


def cut(photo: Photo, crop: Crop, scale: float) -> tuple[bytes, Box]:
    """The square that ``crop`` shows, out of a ``photo`` that is ``scale`` times the crop's own, as a PNG of the photo's very
    pixels, and where the face's box is in it."""
    rows, columns = window(crop, scale)
    box = resized(crop.face.box, scale)
    return _png(photo.pixels[rows, columns]), replace(box, x=box.x - columns.start, y=box.y - rows.start)


def window(crop: Crop, scale: float = 1.0) -> tuple[slice, slice]:
    """The rows and columns that ``crop`` shows of a photo that is ``scale`` times the crop's own; they may end beyond it."""
    way = crop.transform
    top, left, side = (round(value * scale) for value in (way.top, way.left, way.side))
    return slice(max(top, 0), max(top + side, 1)), slice(max(left, 0), max(left + side, 1))


def resized(box: Box, scale: float) -> Box:
    return Box(box.x * scale, box.y * scale, box.width * scale, box.height * scale)


def _png(pixels: Float) -> bytes:
    return _save(pixels, "PNG", compress_level=1)


def _save(pixels: Float, format_name: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.to_bytes(pixels)).save(file, format_name, **options)
    return file.getvalue()
