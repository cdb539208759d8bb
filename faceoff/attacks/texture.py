"""Where eyes do not look: a change hides in hair, brows and edges, and shows on smooth skin."""

from __future__ import annotations

import cv2
import numpy as np

from faceoff.types import Float

SIGMA = 2.0
"""Of the neighbourhood, in crop pixels."""

CONTRAST = 0.03
"""The local deviation of luminance, in [0, 1], that counts as half hidden."""


def weights(pixels: Float, texture: float) -> Float:
    """How much of a change each pixel of the crop [S, S, 3] may have, [S, S, 1] in [1 - texture, 1]."""
    luminance = np.asarray(pixels @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)
    mean = cv2.GaussianBlur(luminance, (0, 0), SIGMA)
    variance = cv2.GaussianBlur(luminance * luminance, (0, 0), SIGMA) - mean * mean
    deviation = np.sqrt(np.maximum(variance, 0))
    return np.asarray(1 - texture * (CONTRAST / (deviation + CONTRAST)), np.float32)[..., None]
