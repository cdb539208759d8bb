import numpy as np

from faceoff.attacks.texture import weights
from tests.unit import tiny


def test_smooth_skin_may_change_less_than_an_edge() -> None:
    pixels = np.full((64, 64, 3), 0.5, np.float32)
    pixels[:, 32:] = 0.9
    found = weights(pixels, 0.7)
    assert found.shape == (64, 64, 1)
    np.testing.assert_allclose(found[32, 5], 0.3, atol=0.02)
    assert found[32, 31] > 0.8


def test_no_texture_weighs_nothing() -> None:
    np.testing.assert_array_equal(weights(tiny.images(1)[0], 0.0), 1)
