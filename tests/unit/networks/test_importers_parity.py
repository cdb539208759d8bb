"""The four networks of the catalogue against their own runtimes, on a real face. Needs their weight files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlib
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from skimage import data, transform

from faceoff.networks import catalogue
from faceoff.networks.architectures import build
from faceoff.networks.card import Card
from faceoff.networks.home import default_home
from faceoff.networks.importers import Body, load
from faceoff.networks.importers.keras import load_weights

Images = NDArray[np.float32]


def fetched(name: str) -> tuple[Card, Path]:
    card = catalogue.card(name)
    path = default_home().weights(card)
    if not path.exists():
        pytest.skip(f"the weights of {name} are not here: make models")
    return card, path


def face(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A face, loosely cut out."""
    photo = data.astronaut()[60:220, 150:300]  # type: ignore[no-untyped-call]
    resized = transform.resize(photo, size, anti_aliasing=True)  # type: ignore[no-untyped-call]
    return np.asarray(np.round(resized * 255), np.uint8)


def check(body: Body, image: Images, expected: Images, tolerance: float) -> None:
    batch = np.stack([image, image[:, ::-1]])
    embeddings = body(tf.constant(batch)).numpy()
    np.testing.assert_allclose(embeddings[0], expected, atol=tolerance)

    with tf.GradientTape() as tape:
        x = tf.constant(batch[:1])
        tape.watch(x)
        loss = tf.reduce_sum(tf.square(body(x)))
    gradient = tape.gradient(loss, x).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0

    # A face is like its mirror image, and not like noise of its own brightness and contrast.
    noise = np.random.default_rng(5).normal(image.mean(), image.std(), image.shape).astype(np.float32)
    vectors = np.concatenate([embeddings, body(tf.constant(noise[None])).numpy()])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.05


def test_dlib() -> None:
    card, path = fetched("dlib")
    crop = face(card.input_size)
    expected = np.array(dlib.face_recognition_model_v1(str(path)).compute_face_descriptor(crop), np.float32)
    mean = np.array([122.782, 117.001, 104.298], np.float32)
    check(load(path, card), np.asarray((crop - mean) / 256, np.float32), expected, 1e-5)


def test_sface() -> None:
    card, path = fetched("sface")
    image = face(card.input_size).astype(np.float32)
    session = onnxruntime.InferenceSession(float_twin(onnx.load(path)).SerializeToString())
    expected = session.run(None, {"data": image.transpose(2, 0, 1)[None]})[0][0]
    check(load(path, card), image, expected, 1e-4)


def test_mobilefacenet() -> None:
    card, path = fetched("mobilefacenet")
    image = (face(card.input_size) - np.float32(127.5)) / np.float32(128)
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.stack([image, image]))
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    check(load(path, card), image, expected, 2e-4)  # of values up to 15


def test_facenet() -> None:
    card, path = fetched("facenet")
    crop = face(card.input_size).astype(np.float32)
    image = (crop - crop.mean()) / crop.std()
    model = build(card.architecture, card.embedding_size)
    load_weights(model, path)
    check(load(path, card), image, model(image[None], training=False).numpy()[0], 1e-4)


def float_twin(model: Any) -> Any:
    """The same ONNX network with its block-quantised weights written out as floats, by hand."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            block, axis = (
                helper.get_attribute_value(a) for a in sorted(node.attribute, key=lambda a: a.name != "block_size")
            )
            quantised, scale, zero = (constants[name].astype(np.float32) for name in node.input)
            steps = quantised - np.repeat(zero, block, axis)
            constants[node.output[0]] = steps * np.repeat(scale, block, axis)
        elif node.op_type == "Reshape" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]].reshape(constants[node.input[1]])
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    inputs = [value for value in model.graph.input if value.name == "data"]
    graph = helper.make_graph(nodes, "twin", inputs, list(model.graph.output), weights)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=10)
