import io

import numpy as np
from PIL import Image

from experiments.forms import FORMS, spectrum, white
from faceoff import image
from faceoff.amplify import candidates
from faceoff.campaign.forms import find
from faceoff.geometry import window
from faceoff.testing import BoxDetector
from faceoff.types import Encoding, Float, Mask, MaskOutcome, Photo
from tests.unit import tiny

PIXELS = tiny.images(1)[0]


def photo() -> Photo:
    return image.decode(FORMS["png"](image.to_bytes(PIXELS)))


def test_forms_are_what_they_say() -> None:
    levels = image.to_bytes(PIXELS)
    assert np.array_equal(image.to_bytes(image.decode(FORMS["png"](levels)).pixels), levels)
    assert Image.open(io.BytesIO(FORMS["jpeg75"](levels))).format == "JPEG"
    half = image.decode(FORMS["half"](levels))
    assert (half.height, half.width) == (levels.shape[0] // 2, levels.shape[1] // 2)


def test_the_face_is_found_at_half_size() -> None:
    original = photo()
    crop = BoxDetector(2).detect(original)[1]
    found = find(FORMS["half"](image.to_bytes(PIXELS)), crop, original, BoxDetector(2))
    assert found is not None
    np.testing.assert_allclose(found.face.landmarks, crop.face.landmarks / 2, atol=0.5)
    assert find(FORMS["half"](image.to_bytes(PIXELS)), crop, original, BoxDetector(0)) is None


def test_noise_has_the_masks_size_and_window() -> None:
    original = photo()
    crop = BoxDetector().detect(original)[0]
    frame = window(crop.landmarks)
    mask = np.asarray(0.02 * np.sin(np.arange(crop.pixels.shape[1]) / 3)[None, :, None] * frame, np.float32)
    mask = np.repeat(mask, 3, axis=2)
    for noise in (white, spectrum):
        made = noise(mask, crop, np.random.default_rng(3))
        assert not made[frame[..., 0] == 0].any()
        random = Mask(made, MaskOutcome.REACHED, 0)
        candidate = candidates(original, [crop], [random], (1.0,), Encoding(), rms=2.0)[0]
        assert 1.9 < candidate.faces[0].rms <= 2.0


def test_spectrum_noise_is_as_coarse_as_the_mask() -> None:
    crop = BoxDetector().detect(photo())[0]
    rows, columns = np.indices(crop.pixels.shape[:2])
    wave = np.repeat(np.sin((rows + columns) / 8)[..., None], 3, axis=2).astype(np.float32)

    def roughness(image: Float) -> float:
        return float(np.abs(np.diff(image, axis=0)).mean() / np.abs(image).mean())

    random = np.random.default_rng(0)
    assert roughness(spectrum(wave, crop, random)) < 2 * roughness(wave) < roughness(white(wave, crop, random))
