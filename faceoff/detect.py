"""Finding faces with MTCNN (paper section 3.2), through the mtcnn package."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from faceoff.geometry import crop
from faceoff.image import to_bytes
from faceoff.types import Box, Crop, Face, Float, Photo

LONGEST_SIDE = 1600
"""Photos are searched at this size: MTCNN's cost grows with the area, and it finds faces from 20 pixels wide."""

BORDER = 0.08
"""The photo is surrounded by this share of its sides, its edge pixels repeated: MTCNN misses faces that touch the edge."""

CONFIDENCE = 0.9
"""Fainter finds are mostly not faces; a mask on something else only costs quality."""

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


class MtcnnDetector:
    """faceoff.rooms.Detector in this process. Safe to share between threads: the network is used by one at a time."""

    def __init__(self) -> None:
        from mtcnn import MTCNN

        self._network = MTCNN()
        self._lock = threading.Lock()

    def detect(self, photo: Photo) -> list[Crop]:
        """Every face of the photo, cut out, the largest first; an empty list when there is none."""
        return [crop(photo, face) for face in self.faces(photo)]

    def faces(self, photo: Photo) -> list[Face]:
        """Every face of the photo, the largest first."""
        scale = min(1.0, LONGEST_SIDE / max(photo.height, photo.width))
        pixels = to_bytes(photo.pixels)
        if scale < 1:
            size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = pixels.shape[:2]
        border = max(16, round(BORDER * max(height, width)))
        padded = cv2.copyMakeBorder(pixels, border, border, border, border, cv2.BORDER_REPLICATE)
        with self._lock:
            found = self._network.detect_faces(padded)
        ratio = np.array([photo.width / width, photo.height / height], np.float32)

        def to_photo(points: Float) -> Float:
            return np.asarray((points - border + 0.5) * ratio - 0.5, np.float32)

        faces = []
        for item in found:
            x, y, box_width, box_height = (float(value) for value in item["box"])
            landmarks = to_photo(np.array([item["keypoints"][name] for name in LANDMARKS], np.float32))
            inside = (landmarks >= -0.5).all() and (landmarks < (photo.width, photo.height)).all()
            if item["confidence"] < CONFIDENCE or box_width < 1 or box_height < 1 or not inside:
                continue
            corner = (np.array([x, y], np.float32) - border) * ratio
            box = Box(float(corner[0]), float(corner[1]), box_width * float(ratio[0]), box_height * float(ratio[1]))
            faces.append(Face(box, landmarks, float(item["confidence"])))
        return sorted(faces, key=lambda face: -face.box.width * face.box.height)
