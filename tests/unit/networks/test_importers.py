"""Small files of every format, written here: the importers against each format's own runtime or its definition."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import h5py
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from google.protobuf import json_format
from keras import layers
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from tensorflow.lite.python import schema_py_generated as schema

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import Alignment, Card, Format, Normalisation
from faceoff.networks.importers import Body, load

SIZE = (12, 10)
DIMENSION = 5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def images(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.normal(size=(3, *SIZE, 3)).astype(np.float32)


def card(kind: Format, **changes: Any) -> Card:
    plain = Card(
        name="tiny",
        title="",
        licence="",
        source="",
        training_data="",
        loss="",
        input_size=SIZE,
        embedding_size=DIMENSION,
        alignment=Alignment.ARCFACE,
        normalisation=Normalisation.UNIT,
        format=kind,
        filename="tiny",
    )
    return dataclasses.replace(plain, **changes)


def check_body(body: Body, images: NDArray[np.float32], expected: NDArray[np.float32], tmp_path: Path) -> None:
    """Values, any batch size, a gradient at every image, and the way through a SavedModel."""
    np.testing.assert_allclose(body(tf.constant(images)), expected, atol=2e-5)
    np.testing.assert_allclose(tf.function(body)(tf.constant(images[:1])), expected[:1], atol=2e-5)

    def differentiate(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(body(x)))
        return tape.gradient(loss, x)

    gradient = tf.function(differentiate, input_signature=[tf.TensorSpec((None, *images.shape[1:]), tf.float32)])
    slopes = gradient(images).numpy()
    assert np.isfinite(slopes).all()
    assert (np.abs(slopes).max(axis=(1, 2, 3)) > 0).all()

    module = tf.Module()
    module.body = body
    tf.saved_model.save(module, tmp_path / "saved", signatures={"gradient": gradient})
    loaded = tf.saved_model.load(tmp_path / "saved").signatures["gradient"]
    np.testing.assert_allclose(next(iter(loaded(tf.constant(images)).values())), slopes, atol=1e-4, rtol=1e-3)


# --- ONNX ------------------------------------------------------------------------------------------------------------


def onnx_bytes(nodes: list[Any], constants: dict[str, NDArray[Any]], batch: int | str = "n", opset: int = 21) -> bytes:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [batch, 3, *SIZE])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [batch, DIMENSION])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return bytes(model.SerializeToString())


def onnx_network(rng: np.random.Generator) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """The parts of the usual face networks: preprocessing inside, depthwise and grouped convolutions, a residual."""
    node = helper.make_node

    def random(*shape: int) -> NDArray[np.float32]:
        return rng.normal(scale=0.5, size=shape).astype(np.float32)

    constants = {
        "mean": np.array([0.3], np.float32),
        "k1": random(8, 3, 3, 3),
        "g": random(8) + 1,
        "b": random(8),
        "m": random(8),
        "v": random(8) ** 2 + 0.5,
        "slope": random(8, 1, 1),
        "k2": random(8, 1, 3, 3),
        "k3": random(8, 4, 1, 1),
        "b3": random(8),
        "g2": random(8) + 1,
        "w": random(DIMENSION, 8 * 3 * 3),
        "c": random(DIMENSION),
    }
    nodes = [
        node("Sub", ["x", "mean"], ["x0"]),
        node("Conv", ["x0", "k1"], ["x1"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["x1", "g", "b", "m", "v"], ["x2"]),
        node("PRelu", ["x2", "slope"], ["x3"]),
        node("Conv", ["x3", "k2"], ["x4"], group=8, strides=[2, 2], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["x4", "g2", "b", "m", "v"], ["x5"]),
        node("Conv", ["x5", "k3", "b3"], ["x6"], group=2),
        node("Add", ["x6", "x5"], ["x7"]),
        node("AveragePool", ["x7"], ["x8"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 1, 0, 0]),
        node("BatchNormalization", ["x8", "g", "b", "m", "v"], ["x9"]),
        node("Dropout", ["x9"], ["x10"]),
        node("Shape", ["x10"], ["s0"]),
        node("Gather", ["s0", "zero"], ["s1"]),
        node("Unsqueeze", ["s1", "axis"], ["s2"]),
        node("Concat", ["s2", "rest"], ["s3"], axis=0),
        node("Reshape", ["x10", "s3"], ["x11"]),
        node("Gemm", ["x11", "w", "c"], ["y"], transB=1),
    ]
    constants |= {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])}
    return nodes, constants


def run_onnx(data: bytes, images: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(data)
    return np.asarray(session.run(None, {"x": images.transpose(0, 3, 1, 2)})[0])


def test_onnx(rng: np.random.Generator, images: NDArray[np.float32], tmp_path: Path) -> None:
    data = onnx_bytes(*onnx_network(rng))
    path = tmp_path / "tiny.onnx"
    path.write_bytes(data)
    check_body(load(path, card(Format.ONNX)), images, run_onnx(data, images), tmp_path)


def test_onnx_weights_quantised_by_block(rng: np.random.Generator, images: NDArray[np.float32], tmp_path: Path) -> None:
    quantised = rng.integers(-128, 128, (DIMENSION, 360)).astype(np.int8)
    zero_points = rng.integers(-9, 9, (DIMENSION, 3)).astype(np.int8)
    scales = rng.uniform(0.001, 0.01, (DIMENSION, 3)).astype(np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1, block_size=120),
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"], transB=1),
    ]
    path = tmp_path / "tiny.onnx"
    path.write_bytes(onnx_bytes(nodes, {"q": quantised, "s": scales, "z": zero_points}, batch=1))
    weights = (quantised - np.repeat(zero_points, 120, 1).astype(np.float32)) * np.repeat(scales, 120, 1)
    expected = images.transpose(0, 3, 1, 2).reshape(3, -1) @ weights.T
    check_body(load(path, card(Format.ONNX)), images, expected, tmp_path)


FLAT: list[tuple[str, dict[str, Any]]] = [("GlobalAveragePool", {}), ("Flatten", {})]
PAST_BORDER = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
TURN = ("Transpose", {"perm": [0, 2, 1, 3]})


@pytest.mark.parametrize(
    "tail",
    [
        FLAT,
        [("MaxPool", PAST_BORDER | {"strides": [2, 2]}), ("GlobalMaxPool", {}), ("Flatten", {})],
        [("AveragePool", PAST_BORDER), ("AveragePool", PAST_BORDER | {"count_include_pad": 1}), *FLAT],
        [("LeakyRelu", {"alpha": 0.3}), TURN, TURN, *FLAT],
        [("Sigmoid", {}), ("GlobalAveragePool", {}), ("Squeeze", {})],
        [("Tanh", {}), ("Identity", {}), *FLAT],
    ],
)
def test_onnx_operations(
    tail: list[tuple[str, dict[str, Any]]], rng: np.random.Generator, images: NDArray[np.float32], tmp_path: Path
) -> None:
    nodes = [helper.make_node("Conv", ["x", "k"], ["t0"])]
    constants: dict[str, NDArray[Any]] = {"k": rng.normal(size=(DIMENSION, 3, 3, 2)).astype(np.float32)}
    for i, (kind, attributes) in enumerate(tail):
        inputs = [f"t{i}"]
        if kind == "Squeeze":
            constants["axes"] = np.array([2, 3])
            inputs.append("axes")
        nodes.append(helper.make_node(kind, inputs, [f"t{i + 1}" if i + 1 < len(tail) else "y"], **attributes))
    data = onnx_bytes(nodes, constants)
    path = tmp_path / "tiny.onnx"
    path.write_bytes(data)
    check_body(load(path, card(Format.ONNX)), images, run_onnx(data, images), tmp_path)


# --- Keras -----------------------------------------------------------------------------------------------------------


def randomise(model: keras.Model, rng: np.random.Generator) -> keras.Model:
    for variable in model.variables:
        values = rng.normal(size=variable.shape).astype(np.float32) / 3
        variable.assign(values**2 + 0.5 if "variance" in variable.name else values)
    return model


@pytest.fixture
def keras_model(rng: np.random.Generator) -> keras.Model:
    images = x = keras.Input((*SIZE, 3))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = y = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = layers.Conv2D(6, 1)(x)
    x = layers.Add()([y, layers.Rescaling(0.2)(x)])
    x = layers.ZeroPadding2D(((1, 0), (0, 1)))(x)
    x = layers.Conv2D(6, 3, strides=2, groups=2, activation="tanh")(x)
    x = layers.Concatenate()([layers.AveragePooling2D(2)(x), layers.MaxPooling2D(2)(x)])
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    x = layers.Dense(DIMENSION, use_bias=False)(x)
    x = layers.BatchNormalization(scale=False)(x)
    return randomise(keras.Model(images, x), rng)


def test_keras_model(keras_model: keras.Model, images: NDArray[np.float32], tmp_path: Path) -> None:
    path = tmp_path / "tiny.h5"
    keras_model.save(path)
    expected = keras_model(images, training=False).numpy()
    check_body(load(path, card(Format.KERAS_H5)), images, expected, tmp_path)


def test_keras_model_with_layers_that_are_not_folded(
    rng: np.random.Generator, images: NDArray[np.float32], tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input((*SIZE, 3)), layers.SeparableConv2D(4, 3), layers.Flatten()])
    model.add(layers.Dense(DIMENSION))
    randomise(model, rng).save(tmp_path / "tiny.h5")
    expected = model(images, training=False).numpy()
    check_body(load(tmp_path / "tiny.h5", card(Format.KERAS_H5)), images, expected, tmp_path)


def test_keras_code_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((*SIZE, 3)), layers.Lambda(lambda x: x * 2)])
    model.save(tmp_path / "tiny.h5")
    with pytest.raises(FaceOffError, match="holds code") as raised:
        load(tmp_path / "tiny.h5", card(Format.KERAS_H5))
    assert raised.value.reason is Reason.UNSUPPORTED_FORMAT
    assert raised.value.hint


def test_keras_custom_classes_are_refused(keras_model: keras.Model, tmp_path: Path) -> None:
    keras_model.save(tmp_path / "tiny.h5")
    with h5py.File(tmp_path / "tiny.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["module"] = "os"
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(FaceOffError, match="holds code"):
        load(tmp_path / "tiny.h5", card(Format.KERAS_H5))


# --- TensorFlow Lite -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("small", [False, True])
def test_tflite(keras_model: keras.Model, images: NDArray[np.float32], small: bool, tmp_path: Path) -> None:
    converter = tf.lite.TFLiteConverter.from_keras_model(keras_model)
    if small:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    data = converter.convert()
    (tmp_path / "tiny.tflite").write_bytes(data)
    interpreter = tf.lite.Interpreter(model_content=data)
    interpreter.allocate_tensors()
    expected = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        expected.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].copy())
    check_body(load(tmp_path / "tiny.tflite", card(Format.TFLITE)), images, np.array(expected), tmp_path)


def residual_network(rng: np.random.Generator) -> keras.Model:
    """A stem, two residual blocks with a linear end and the last sum linear, as in an Inception-ResNet."""
    image = keras.Input((*SIZE, 3))
    x = layers.Conv2D(6, 3, strides=2, activation="relu")(image)
    for activation in ("relu", "linear"):
        branches = [layers.Conv2D(4, size, padding="same", activation="relu")(x) for size in (1, 3)]
        x = layers.Add()([x, layers.Conv2D(6, 1)(layers.Concatenate()(branches))])
        x = layers.Activation(activation)(x)
    return randomise(keras.Model(image, layers.Dense(DIMENSION)(layers.GlobalAveragePooling2D()(x))), rng)


def test_tflite_of_8_bits(rng: np.random.Generator, images: NDArray[np.float32], tmp_path: Path) -> None:
    model = residual_network(rng)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.inference_input_type = converter.inference_output_type = tf.int8
    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(converter.convert(), 0))
    for operator in file.subgraphs[0].operators:
        if hasattr(operator.builtinOptions, "fusedActivationFunction"):
            operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE
    builder = flatbuffers.Builder(0)
    builder.Finish(file.Pack(builder), b"TFL3")
    (tmp_path / "tiny.tflite").write_bytes(bytes(builder.Output()))

    with pytest.raises(FaceOffError, match="computes in integers"):
        load(tmp_path / "tiny.tflite", card(Format.TFLITE))
    body = load(tmp_path / "tiny.tflite", card(Format.TFLITE, architecture="inception_resnet_v1"))
    expected = model(images, training=False).numpy()
    np.testing.assert_allclose(body(tf.constant(images)), expected, atol=0.02 * np.abs(expected).max())


# --- TensorFlow.js ---------------------------------------------------------------------------------------------------


def tfjs_bytes(graph_def: Any, signature: Any = None, quantised: str = "") -> bytes:
    """A graph with its constants as weights in two shards, the large ones stored as ``quantised``."""
    entries, data = [], b""
    for node in graph_def.node:
        if node.op == "Const":
            value = tf.make_ndarray(node.attr["value"].tensor)
            entry: dict[str, Any] = {"name": node.name, "shape": list(value.shape), "dtype": value.dtype.name}
            if quantised == "float16" and value.dtype == np.float32:
                entry["quantization"], value = {"dtype": "float16"}, value.astype(np.float16)
            elif quantised and value.dtype == np.float32 and value.size > 9:
                low, scale = float(value.min()), float(np.ptp(value)) / 255
                entry["quantization"] = {"dtype": quantised, "min": low, "scale": scale}
                value = np.round((value - low) / scale).astype(quantised)
            entries.append(entry)
            data += value.tobytes()
            node.attr["value"].tensor.Clear()
    topology = {
        "format": "graph-model",
        "modelTopology": json_format.MessageToDict(graph_def),
        "weightsManifest": [{"paths": ["./tiny-1.bin", "tiny-2.bin"], "weights": entries}],
        "userDefinedMetadata": {"signature": signature or {}},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tiny.json", json.dumps(topology))
        archive.writestr("tiny-1.bin", data[:101])
        archive.writestr("tiny-2.bin", data[101:])
    return buffer.getvalue()


def tfjs_network(rng: np.random.Generator) -> tf.Graph:
    """What converted face networks are made of, and a head beside the embedding."""

    def random(*shape: int) -> NDArray[np.float32]:
        return rng.normal(scale=0.4, size=shape).astype(np.float32)

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, *SIZE, 3), "image")
        x = tf.pad((x - 0.2) * 1.5, [[0, 0], [1, 0], [1, 1], [0, 0]])
        x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, random(3, 3, 3, 8), 1, "VALID"), random(8)))
        x = tf.maximum(tf.constant(0.0), tf.minimum(x - random(8), 6.0))
        x = tf.nn.depthwise_conv2d(x, random(3, 3, 8, 2), [1, 2, 2, 1], "SAME", dilations=None)
        x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.bias_add(x, random(16))), 2, 1, "SAME")
        x = tf.reduce_mean(x, (1,), keepdims=True)
        x = tf.matmul(tf.reshape(tf.squeeze(x, 1), [-1, 80]), random(DIMENSION, 80), transpose_b=True)
        x = tf.multiply(x, tf.math.rsqrt(1 + tf.reduce_sum(tf.square(x), 1, keepdims=True)), "embedding")
        tf.nn.softmax(tf.matmul(x, random(DIMENSION, 9)), name="ages")
    return graph


def fused(graph_def: Any) -> Any:
    """The same graph with operation, bias and ReLU as one node, as TensorFlow.js' converter has it."""
    kinds = {"Conv2D": "_FusedConv2D", "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative"}
    nodes, gone = {node.name: node for node in graph_def.node}, set()
    for relu in graph_def.node:
        if relu.op == "Relu":
            bias = nodes[relu.input[0]]
            product = nodes[bias.input[0]]
            relu.op, relu.input[:] = kinds[product.op], [*product.input, bias.input[1]]
            for name, value in product.attr.items():
                relu.attr[name].CopyFrom(value)
            relu.attr["fused_ops"].list.s.extend([b"BiasAdd", b"Relu"])
            gone |= {bias.name, product.name}
    kept = tf.compat.v1.GraphDef()
    kept.node.extend(node for node in graph_def.node if node.name not in gone)
    return kept


@pytest.mark.parametrize(("quantised", "tolerance"), [("", 0.0), ("float16", 3e-3), ("uint8", 6e-2)])
def test_tfjs(
    quantised: str, tolerance: float, rng: np.random.Generator, images: NDArray[np.float32], tmp_path: Path
) -> None:
    graph = tfjs_network(rng)
    with tf.compat.v1.Session(graph=graph) as session:
        expected = session.run("embedding:0", {"image:0": images})
    outputs = {"outputs": {"e": {"name": "embedding:0"}, "a": {"name": "ages:0"}}}
    (tmp_path / "tiny.zip").write_bytes(tfjs_bytes(fused(graph.as_graph_def()), outputs, quantised))
    body = load(tmp_path / "tiny.zip", card(Format.TFJS))
    if tolerance:
        np.testing.assert_allclose(body(tf.constant(images)), expected, atol=tolerance)
    else:
        check_body(body, images, expected, tmp_path)


def test_tfjs_whose_embedding_is_not_found(rng: np.random.Generator, tmp_path: Path) -> None:
    (tmp_path / "tiny.zip").write_bytes(tfjs_bytes(tfjs_network(rng).as_graph_def()))
    with pytest.raises(FaceOffError, match="0 outputs of 5 values and operations that we do not know: Softmax"):
        load(tmp_path / "tiny.zip", card(Format.TFJS))


@pytest.mark.parametrize("kept", [("tiny.json",), ("tiny.json", "tiny-1.bin"), ("tiny-1.bin", "tiny-2.bin")])
def test_tfjs_that_is_not_whole(kept: tuple[str, ...], rng: np.random.Generator, tmp_path: Path) -> None:
    data = io.BytesIO(tfjs_bytes(tfjs_network(rng).as_graph_def()))
    with zipfile.ZipFile(data) as whole, zipfile.ZipFile(tmp_path / "tiny.zip", "w") as part:
        for name in kept:
            part.writestr(name, whole.read(name))
    with pytest.raises(FaceOffError, match="cut short or damaged"):
        load(tmp_path / "tiny.zip", card(Format.TFJS))


# --- TensorFlow ------------------------------------------------------------------------------------------------------


def test_saved_model(keras_model: keras.Model, images: NDArray[np.float32], tmp_path: Path) -> None:
    keras_model.export(tmp_path / "theirs", verbose=False)
    expected = keras_model(images, training=False).numpy()
    check_body(load(tmp_path / "theirs", card(Format.SAVED_MODEL)), images, expected, tmp_path)


def test_frozen_graph(rng: np.random.Generator, images: NDArray[np.float32], tmp_path: Path) -> None:
    kernel = rng.normal(size=(3, 3, 3, DIMENSION)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, *SIZE, 3), "input")
        training = tf.compat.v1.placeholder(tf.bool, (), "phase_train")
        y = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), (1, 2))
        tf.compat.v1.where(training, tf.zeros_like(y), y, name="embeddings")
    (tmp_path / "tiny.pb").write_bytes(graph.as_graph_def().SerializeToString())
    expected = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME")), (1, 2)).numpy()
    check_body(load(tmp_path / "tiny.pb", card(Format.FROZEN_GRAPH)), images, expected, tmp_path)


def test_frozen_graph_that_touches_files_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.float32, (None, *SIZE, 3), "input")
        tf.io.read_file("secret")
    (tmp_path / "tiny.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(FaceOffError, match="reaches outside"):
        load(tmp_path / "tiny.pb", card(Format.FROZEN_GRAPH))


# --- Every format ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Format))
@pytest.mark.parametrize("data", [b"", b"\x01\x01\x0dloss_metric_2" + bytes(64), bytes(range(256)) * 9])
def test_nonsense_is_an_error_with_a_hint(kind: Format, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "nonsense"
    path.write_bytes(data)
    with pytest.raises(FaceOffError) as raised:
        load(path, card(kind, architecture="inception_resnet_v1"))
    assert raised.value.reason in (Reason.UNSUPPORTED_FORMAT, Reason.WEIGHTS_MISMATCH)
    assert raised.value.hint


@pytest.mark.parametrize("kind", list(Format))
def test_missing_file(kind: Format, tmp_path: Path) -> None:
    with pytest.raises(FaceOffError) as raised:
        load(tmp_path / "nothing", card(kind))
    assert raised.value.reason is Reason.NETWORK_MISSING


@pytest.mark.parametrize("cut", [lambda n: n // 2, lambda n: n - 1])
def test_cut_short(cut: Callable[[int], int], rng: np.random.Generator, tmp_path: Path) -> None:
    data = onnx_bytes(*onnx_network(rng))
    (tmp_path / "cut.onnx").write_bytes(data[: cut(len(data))])
    with pytest.raises(FaceOffError):
        load(tmp_path / "cut.onnx", card(Format.ONNX))


def test_embedding_size_is_checked(rng: np.random.Generator, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(onnx_bytes(*onnx_network(rng)))
    with pytest.raises(FaceOffError) as raised:
        load(tmp_path / "tiny.onnx", card(Format.ONNX, embedding_size=128))
    assert raised.value.reason is Reason.WEIGHTS_MISMATCH


def test_input_size_is_checked(rng: np.random.Generator, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(onnx_bytes(*onnx_network(rng)))
    with pytest.raises(FaceOffError) as raised:
        load(tmp_path / "tiny.onnx", card(Format.ONNX, input_size=(30, 30)))
    assert raised.value.reason is Reason.WEIGHTS_MISMATCH
