"""What happens to a protected photo before a victim sees it, and the noise that a mask must be better than."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from faceoff import image
from faceoff.geometry import window
from faceoff.rooms import Detector
from faceoff.types import Box, Bytes, Crop, Float, Photo
from faceoff.verify.scores import same_place


def _jpeg(levels: Bytes) -> bytes:
    return _file(levels, "JPEG", quality=75, subsampling="4:2:0")


def _half(levels: Bytes) -> bytes:
    size = (max(1, levels.shape[1] // 2), max(1, levels.shape[0] // 2))
    return _file(np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_AREA), np.uint8), "PNG")


FORMS: Mapping[str, Callable[[Bytes], bytes]] = {
    "png": lambda levels: _file(levels, "PNG"),
    "jpeg75": _jpeg,
    "half": _half,
}
"""The file that a victim is given, from the protected photo's pixels: as it is, as JPEG of quality 75 with halved colour
(4:2:0), and at half the resolution."""


def find(data: bytes, like: Crop, photo: Photo, detector: Detector) -> Crop | None:
    """The face of ``photo`` that was cut out as ``like``, found anew in the file ``data`` at whatever size that has."""
    seen = image.decode(data, max_bytes=len(data))
    x, y = seen.width / photo.width, seen.height / photo.height
    box = like.face.box
    there = replace(like, face=replace(like.face, box=Box(box.x * x, box.y * y, box.width * x, box.height * y)))
    return same_place(there, detector.detect(seen))


def white(delta: Float, crop: Crop, random: np.random.Generator) -> Float:
    """White noise in the mask's window, [S, S, 3], at least as strong as ``delta``: the amplifier brings it to size."""
    return _sized(random.standard_normal(delta.shape, np.float32), delta, crop)


def spectrum(delta: Float, crop: Crop, random: np.random.Generator) -> Float:
    """Noise with the very spectrum and colours of ``delta`` and random phases, in the mask's window, [S, S, 3]: as coarse as
    the mask, and without its meaning."""
    phases = np.fft.fft2(random.standard_normal((*delta.shape[:2], 1)), axes=(0, 1))
    phases /= np.maximum(np.abs(phases), 1e-12)
    noise = np.fft.ifft2(np.fft.fft2(delta, axes=(0, 1)) * phases, axes=(0, 1)).real
    return _sized(noise.astype(np.float32), delta, crop)


_SPARE = 4
"""How much stronger noise is made than the mask: it is spread over the window, while a mask gathers on the face."""


def _sized(noise: Float, delta: Float, crop: Crop) -> Float:
    noise = noise * window(crop.landmarks, crop.transform.size)
    strength = np.sqrt(np.mean(np.square(delta))) / max(float(np.sqrt(np.mean(np.square(noise)))), 1e-12)
    return np.asarray(_SPARE * strength * noise, np.float32)


def _file(levels: Bytes, container: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, container, **options)
    return file.getvalue()
