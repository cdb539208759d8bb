"""The networks in their own runtimes, to compare our conversions with. Nothing else in the library uses these runtimes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from faceoff.networks.card import Card, Format
from faceoff.types import Bytes, Float

Original = Callable[[Bytes], Float]
"""One aligned view [h, w, 3] uint8 RGB of the card's input size to its raw embedding [D]."""

RUNTIMES: dict[Format, tuple[str, str]] = {
    Format.DLIB: ("dlib", "dlib-bin"),
    Format.ONNX: ("onnxruntime", "onnxruntime"),
    Format.TFLITE: ("tensorflow", "tensorflow"),
    Format.KERAS_WEIGHTS: ("keras", "keras"),
}
"""For each format the module of its own runtime and the package that brings it."""


def missing(card: Card) -> str:
    """Why the card's original cannot be run here; empty when it can."""
    if card.format not in RUNTIMES:
        return f"{card.format} files have no other runtime than ours"
    if card.format is Format.TFLITE and card.architecture:
        return "its own runtime computes in 8 bits, ours in float"
    module, package = RUNTIMES[card.format]
    return "" if find_spec(module) else f"its own runtime is not installed (pip install {package})"


def original(card: Card, path: Path) -> Original:
    """The network in ``path`` in its own runtime, which must be installed (``missing``)."""
    runners = {Format.DLIB: _dlib, Format.ONNX: _onnx, Format.TFLITE: _tflite, Format.KERAS_WEIGHTS: _keras}
    return runners[card.format](card, path)


def views_for(card: Card, view: Bytes) -> tf.Tensor:
    """The same view as our own body takes it, [1, h, w, 3]."""
    from faceoff.networks.align import normalised

    return normalised(tf.constant(view[None] / np.float32(255)), card)


def _dlib(card: Card, path: Path) -> Original:
    import dlib

    network = dlib.face_recognition_model_v1(str(path))
    return lambda view: np.array(network.compute_face_descriptor(view), np.float32)


def _onnx(card: Card, path: Path) -> Original:
    import onnx
    import onnxruntime

    session = onnxruntime.InferenceSession(_float_twin(onnx.load(path)).SerializeToString())
    name = session.get_inputs()[0].name
    return lambda view: np.asarray(session.run(None, {name: views_for(card, view).numpy().transpose(0, 3, 1, 2)})[0][0])


def _tflite(card: Card, path: Path) -> Original:
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(view: Bytes) -> Float:
        interpreter.set_tensor(entry["index"], np.repeat(views_for(card, view).numpy(), entry["shape"][0], 0))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(exit_["index"])[0])

    return run


def _keras(card: Card, path: Path) -> Original:
    from faceoff.networks.architectures import build
    from faceoff.networks.importers.keras import load_weights

    model = build(card.architecture, card.embedding_size)
    load_weights(model, path)
    return lambda view: np.asarray(model(views_for(card, view), training=False)[0])


def _float_twin(model: Any) -> Any:
    """The same ONNX network with block-quantised weights written out as floats: onnxruntime refuses the original."""
    from onnx import helper, numpy_helper

    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            settings = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            quantised, scale, zero = (constants[name].astype(np.float32) for name in node.input)
            block, axis = settings["block_size"], settings["axis"]
            constants[node.output[0]] = (quantised - np.repeat(zero, block, axis)) * np.repeat(scale, block, axis)
        elif node.op_type == "Reshape" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]].reshape(constants[node.input[1]])
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    # Older files also list their weights as inputs.
    inputs = [value for value in model.graph.input if value.name in used and value.name not in constants]
    graph = helper.make_graph(nodes, "twin", inputs, list(model.graph.output), weights)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=min(model.ir_version, 10))
