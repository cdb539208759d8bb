"""What happens to a protected photo before a victim sees it, and the noise that a mask must be better than."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from faceoff.campaign.forms import write
from faceoff.geometry import window
from faceoff.types import Bytes, Crop, Float

FORMS: Mapping[str, Callable[[Bytes], bytes]] = {
    "png": write,
    "jpeg75": lambda levels: write(levels, "JPEG", quality=75, subsampling="4:2:0"),
    "half": lambda levels: write(levels, scale=0.5),
}
"""The file that a victim is given, from the protected photo's pixels: as it is, as JPEG of quality 75 with halved colour
(4:2:0), and at half the resolution."""


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
