"""Visibility against its formulas and against scikit-image."""

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from faceoff.errors import FaceOffError, Reason
from faceoff.types import Float
from faceoff.visibility import visibility


def noisy(height: int, width: int, size: float = 0.05) -> tuple[Float, Float]:
    rng = np.random.default_rng(height * 1000 + width)
    before = rng.random((height, width, 3), dtype=np.float32)
    noise = rng.normal(0, size, before.shape).astype(np.float32)
    return before, np.clip(before + noise, 0, 1)


def peer(before: Float, after: Float) -> float:
    result = structural_similarity(  # type: ignore[no-untyped-call]
        before, after, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=2
    )
    return float(result)


@pytest.mark.parametrize(
    ("height", "width"), [(11, 11), (12, 40), (64, 48), (511, 20), (512, 20), (519, 24), (1030, 30)]
)
def test_ssim_equals_scikit_image_across_the_bands(height: int, width: int) -> None:
    before, after = noisy(height, width)
    expected = peer(before, after)
    assert visibility(before, after).ssim == pytest.approx(expected, abs=1e-5)


def test_ssim_on_flat_and_dark_pictures_equals_scikit_image() -> None:
    before = np.full((40, 40, 3), 0.9, np.float32)
    after = before.copy()
    after[10:20, 10:20, 1] -= 2 / 255
    expected = peer(before, after)
    assert visibility(before, after).ssim == pytest.approx(expected, abs=1e-4)


def test_norms() -> None:
    before = np.zeros((4, 5, 3), np.float32)
    after = before.copy()
    after[0, 0] = (0.3, 0, 0)
    after[3, 4] = (0, 0.4, 0)
    result = visibility(before, after)
    assert result.l2 == pytest.approx(0.5)
    assert result.linf == pytest.approx(0.4)
    assert result.rms == pytest.approx(255 * math.sqrt(0.25 / 60))
    assert result.psnr == pytest.approx(10 * math.log10(60 / 0.25), rel=1e-6)


def test_equal_pictures() -> None:
    before, _ = noisy(30, 30)
    result = visibility(before, before.copy())
    assert (result.l2, result.linf, result.rms, result.psnr) == (0, 0, 0, math.inf)
    assert result.ssim == pytest.approx(1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (10, 10), (5, 600)])
def test_faces_smaller_than_a_window(height: int, width: int) -> None:
    before, after = noisy(height, width)
    assert visibility(before, before).ssim == pytest.approx(1)
    assert -1 <= visibility(before, after).ssim < 1


def test_a_mask_of_pure_colour_is_visible() -> None:
    before = np.full((32, 32, 3), 0.5, np.float32)
    after = before.copy()
    after[::2, :, 0] += 0.05 / 0.299  # luma 601 stays the same
    after[::2, :, 2] -= 0.05 / 0.114
    assert visibility(before, after).ssim < 0.7


@pytest.mark.parametrize("shape", [(4, 5, 3), (0, 4, 3)])
def test_what_cannot_be_compared(shape: tuple[int, ...]) -> None:
    with pytest.raises(FaceOffError) as caught:
        visibility(np.zeros((0, 4, 3), np.float32), np.zeros(shape, np.float32))
    assert caught.value.reason is Reason.INVALID_ARGUMENT
