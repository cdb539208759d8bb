from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.architectures import ARCHITECTURES, build
from faceoff.networks.folding import fold
from faceoff.networks.graph import GraphBody
from faceoff.networks.importers.keras import load_weights, parse


@pytest.mark.parametrize(
    ("name", "size", "dimension", "parameters"),
    [
        # The published Keras ports of the first two and the Caffe net of the third have as many.
        ("inception_resnet_v1", (160, 160), 128, 22_808_144),
        ("inception_resnet_v1", (160, 160), 512, 23_497_424),
        ("facenet_nn4_small", (96, 96), 128, 3_743_280),
        ("centerloss_resnet", (112, 96), 512, 27_543_072),
    ],
)
def test_shapes(name: str, size: tuple[int, int], dimension: int, parameters: int) -> None:
    model = build(name, dimension)
    assert model.input_shape == (None, *size, 3)
    assert model.output_shape == (None, dimension)
    assert model.count_params() == parameters


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_folded_network_agrees_with_keras(name: str) -> None:
    model = build(name, 128)
    rng = np.random.default_rng(3)
    for variable in model.variables:  # so that no fold is the identity
        values = np.asarray(variable)
        if values.ndim == 1:
            noise = (
                rng.uniform(0.8, 1.2, values.shape) if "variance" in variable.name else rng.normal(0, 0.1, values.shape)
            )
            variable.assign(noise)
    images = rng.uniform(-1, 1, (2, *model.input_shape[1:])).astype(np.float32)
    graph = parse(model)
    expected = model(images, training=False).numpy()
    np.testing.assert_allclose(GraphBody(fold(graph))(images), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
def test_weights_come_back(suffix: str, tmp_path: Path) -> None:
    model, other = build("facenet_nn4_small", 128), build("facenet_nn4_small", 128)
    path = tmp_path / f"tiny{suffix}"
    model.save(path) if suffix == ".h5" else model.save_weights(path)
    load_weights(other, path)
    for theirs, ours in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_a_missing_layer_is_a_mismatch(tmp_path: Path) -> None:
    model = build("facenet_nn4_small", 128)
    model.save(tmp_path / "tiny.h5")
    with h5py.File(tmp_path / "tiny.h5", "r+") as file:
        del file["model_weights"]["inception_4a_3x3_conv1"]
    with pytest.raises(FaceOffError, match="inception_4a_3x3_conv1") as raised:
        load_weights(model, tmp_path / "tiny.h5")
    assert raised.value.reason is Reason.WEIGHTS_MISMATCH


def test_another_embedding_size_is_a_mismatch(tmp_path: Path) -> None:
    build("facenet_nn4_small", 64).save(tmp_path / "tiny.h5")
    with pytest.raises(FaceOffError, match="dense_layer") as raised:
        load_weights(build("facenet_nn4_small", 128), tmp_path / "tiny.h5")
    assert raised.value.reason is Reason.WEIGHTS_MISMATCH


def test_a_model_of_ours_saves_and_loads_whole(tmp_path: Path) -> None:
    model = build("facenet_nn4_small", 128)
    model.save(tmp_path / "tiny.keras")
    images = np.random.default_rng(1).uniform(size=(1, 96, 96, 3)).astype(np.float32)
    again = keras.models.load_model(tmp_path / "tiny.keras")
    np.testing.assert_allclose(again(images), model(images), atol=1e-6)


def test_unknown_name() -> None:
    with pytest.raises(FaceOffError) as raised:
        build("resnet_1001", 128)
    assert raised.value.reason is Reason.UNSUPPORTED_FORMAT
    assert "centerloss_resnet" in raised.value.hint
