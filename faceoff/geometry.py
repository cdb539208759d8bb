"""Cutting faces out, aligning them, and the exact way back.

A crop is an axis-aligned square of whole photo pixels, so the mask returns by one resize and the photo's own pixels are
never resampled. Rotation is left to each network's alignment, which happens inside its graph (faceoff.networks.align).
"""

from __future__ import annotations

import cv2
import numpy as np

from faceoff.networks.card import Alignment
from faceoff.types import CROP_SIZE, Box, Crop, Face, Float, Photo, Transform

FIELD_OF_VIEW = 1.25
"""Side of a face's square over that of the FaceNet view of it: room for the other networks' views and for jitter."""

TEMPLATES: dict[Alignment, tuple[tuple[int, int], Float]] = {
    # The mean MTCNN landmarks of VGGFace2-style crops with a margin of 32 of 160, made symmetric.
    Alignment.FACENET: (
        (160, 160),
        np.array([(52.0, 64.0), (109.0, 64.0), (80.5, 92.5), (53.5, 115.5), (107.5, 115.5)], np.float32),
    ),
    # The five points of SphereFace and ArcFace.
    Alignment.ARCFACE: (
        (112, 112),
        np.array(
            [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)],
            np.float32,
        ),
    ),
    Alignment.CENTERLOSS: (
        (112, 96),
        np.array(
            [(30.2946, 51.6963), (65.5318, 51.5014), (48.0252, 71.7366), (33.5493, 92.3655), (62.7299, 92.2041)],
            np.float32,
        ),
    ),
    # dlib's mean face (eye contours averaged, nose tip, mouth corners) in its chip of 150 with padding .25.
    Alignment.DLIB: (
        (150, 150),
        np.array([(47.55, 46.60), (100.47, 46.60), (74.01, 76.56), (50.42, 103.02), (97.61, 103.02)], np.float32),
    ),
}
"""For each alignment the (height, width) of its reference input and where the five landmarks lie in it, [5, 2] pixels."""


def similarity(points: Float, template: Float) -> Float:
    """The least-squares similarity [2, 3] that takes ``points`` [5, 2] to ``template`` [5, 2] (Umeyama without reflection)."""
    mean_p, mean_t = points.mean(axis=0), template.mean(axis=0)
    p, t = points - mean_p, template - mean_t
    spread = max(float((p * p).sum()), 1e-9)
    a = float((p * t).sum()) / spread
    b = float((p[:, 0] * t[:, 1] - p[:, 1] * t[:, 0]).sum()) / spread
    linear = np.array([[a, -b], [b, a]], np.float32)
    shift = mean_t - linear @ mean_p
    return np.concatenate([linear, shift[:, None]], axis=1).astype(np.float32)


def face_square(landmarks: Float) -> tuple[float, float, float]:
    """The square (centre x, centre y, side) around a face that holds what every network looks at, in the landmarks' own
    pixels. It turns and grows with the landmarks, not with the detector's box, which is far less steady."""
    (height, width), template = TEMPLATES[Alignment.FACENET]
    matrix = similarity(landmarks, template)
    linear, shift = matrix[:, :2], matrix[:, 2]
    scale = max(float(np.hypot(linear[0, 0], linear[1, 0])), 1e-6)
    centre = np.linalg.solve(linear, np.array([width / 2, height / 2], np.float32) - shift)
    return float(centre[0]), float(centre[1]), FIELD_OF_VIEW * width / scale


def crop(photo: Photo, face: Face, size: int = CROP_SIZE) -> Crop:
    """Cut ``face`` out of ``photo``.

    A face whose square is smaller than ``size`` is cut with more of its surroundings, at the photo's own scale, so that
    its mask is optimised on the very pixels that are published. Beyond the photo's border its edge pixels repeat.
    """
    x, y, wanted = face_square(face.landmarks)
    side = max(round(wanted), size)
    left, top = round(x - (side - 1) / 2), round(y - (side - 1) / 2)
    transform = Transform(left, top, side, size)
    rows = np.clip(np.arange(top, top + side), 0, photo.height - 1)
    cols = np.clip(np.arange(left, left + side), 0, photo.width - 1)
    square = photo.pixels[rows[:, None], cols[None, :]]
    if side != size:
        square = np.asarray(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA), np.float32)
    return Crop(np.ascontiguousarray(square, np.float32), to_crop(face.landmarks, transform), transform, face)


def to_crop(points: Float, transform: Transform) -> Float:
    """Photo pixels [N, 2] to crop pixels."""
    scale = transform.size / transform.side
    origin = np.array([transform.left, transform.top], np.float32)
    return np.asarray((points - origin + 0.5) * scale - 0.5, np.float32)


def crop_box(crop: Crop) -> tuple[int, int, int, int]:
    """The crop's rows and columns that the face's box covers: top, left, bottom, right, the last two one beyond."""
    box, size = crop.face.box, crop.transform.size
    corners = np.array([(box.x, box.y), (box.x + box.width, box.y + box.height)], np.float32)
    (left, top), (right, bottom) = to_crop(corners - 0.5, crop.transform) + 0.5
    first = np.clip(np.floor([top, left]), 0, size - 1).astype(int)
    last = np.clip(np.ceil([bottom, right]), first + 1, size).astype(int)
    return int(first[0]), int(first[1]), int(last[0]), int(last[1])


def window(landmarks: Float, size: int = CROP_SIZE) -> Float:
    """Where the mask may be, [S, S, 1] in [0, 1]: the face's square with a raised-cosine edge, so that it has no visible
    border and a small face's surroundings stay untouched. ``landmarks`` [5, 2] in crop pixels."""
    x, y, side = face_square(landmarks)
    half, edge = side / 2, 0.15 * side

    def ramp(centre: float) -> Float:
        inside = (half - np.abs(np.arange(size, dtype=np.float32) - centre)) / edge
        border = np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32) / (0.04 * size)
        return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(np.minimum(inside, border), 0, 1)), np.float32)

    return np.asarray(ramp(y)[:, None, None] * ramp(x)[None, :, None], np.float32)


def paste_delta(delta: Float, transform: Transform, height: int, width: int) -> tuple[slice, slice, Float]:
    """The mask ``delta`` [S, S, 3] on the photo's own pixels: rows, columns and the values [h, w, 3] to add there.

    It is resized to the transform's square (bilinear, paper section 5.2) and cut at the photo's border; the slices are
    empty when the square lies wholly outside.
    """
    side = transform.side
    if side != transform.size:
        delta = np.asarray(cv2.resize(delta, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
    top, left = min(max(transform.top, 0), height), min(max(transform.left, 0), width)
    bottom = max(min(transform.top + side, height), top)
    right = max(min(transform.left + side, width), left)
    part = delta[top - transform.top : bottom - transform.top, left - transform.left : right - transform.left]
    return slice(top, bottom), slice(left, right), np.asarray(part, np.float32)


def box_slices(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of the photo that ``box`` covers, at least one pixel of each."""
    top = min(max(int(np.floor(box.y)), 0), height - 1)
    left = min(max(int(np.floor(box.x)), 0), width - 1)
    bottom = min(max(int(np.ceil(box.y + box.height)), top + 1), height)
    right = min(max(int(np.ceil(box.x + box.width)), left + 1), width)
    return slice(top, bottom), slice(left, right)
