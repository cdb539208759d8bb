"""How visible a change is: norms, PSNR and the structural similarity of Wang et al. 2004."""

from __future__ import annotations

import math

import cv2
import numpy as np

from faceoff.errors import FaceOffError, Reason
from faceoff.types import Float, Visibility

_RADIUS = 5  # an 11 x 11 window
_SIGMA = 1.5
_C1 = 0.01**2
_C2 = 0.03**2
_BAND = 512  # rows at a time: the maps of a 50-megapixel photo would take gigabytes


def visibility(before: Float, after: Float) -> Visibility:
    """Compare two images [H, W, 3] in [0, 1] of the same size.

    SSIM is the mean over the channels (a mask of pure colour is visible too) of the mean over the windows that lie
    fully inside; images smaller than a window are mirrored at their borders instead. PSNR is infinite for equal images.
    Raises FaceOffError INVALID_ARGUMENT when the sizes differ or there are no pixels.
    """
    if before.shape != after.shape or before.size == 0:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"Images {before.shape} and {after.shape} cannot be compared.",
            "Compare images of the same size with at least one pixel.",
        )
    height, width = before.shape[:2]
    inset = _RADIUS if min(height, width) > 2 * _RADIUS else 0
    squares = largest = similarity = 0.0
    for top in range(0, height, _BAND):
        bottom = min(top + _BAND, height)
        difference = after[top:bottom] - before[top:bottom]
        squares += float(np.sum(np.square(difference), dtype=np.float64))
        largest = max(largest, float(np.abs(difference).max()))
        similarity += _ssim_sum(before, after, max(top, inset), min(bottom, height - inset), inset)
    mean_square = squares / before.size
    windows = (height - 2 * inset) * (width - 2 * inset) * before.shape[2]
    return Visibility(
        l2=math.sqrt(squares),
        linf=largest,
        rms=math.sqrt(mean_square) * 255,
        psnr=-10 * math.log10(mean_square) if mean_square else math.inf,
        ssim=similarity / windows,
    )


def _ssim_sum(before: Float, after: Float, top: int, bottom: int, inset: int) -> float:
    """Sum of the SSIM map over the rows [top, bottom) and the columns that are ``inset`` from the sides."""
    if top >= bottom:
        return 0.0
    first, last = max(top - _RADIUS, 0), min(bottom + _RADIUS, before.shape[0])
    total = 0.0
    for channel in range(before.shape[2]):
        x = np.ascontiguousarray(before[first:last, :, channel])
        y = np.ascontiguousarray(after[first:last, :, channel])
        mean_x, mean_y = _blur(x), _blur(y)
        cross = mean_x * mean_y
        power = mean_x * mean_x + mean_y * mean_y
        variances = _blur(x * x + y * y) - power
        covariance = _blur(x * y) - cross
        ssim = (2 * cross + _C1) * (2 * covariance + _C2) / ((power + _C1) * (variances + _C2))
        inner = ssim[top - first : bottom - first, inset : before.shape[1] - inset]
        total += float(np.sum(inner, dtype=np.float64))
    return total


def _blur(plane: Float) -> Float:
    size = 2 * _RADIUS + 1
    blurred = cv2.GaussianBlur(plane, (size, size), _SIGMA, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float32)
