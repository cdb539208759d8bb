"""Keras files: weights for one of our architectures, or a whole model. A file's code (Lambda layers) is never run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.architectures import L2Pool, LocalResponse, build
from faceoff.networks.card import Card
from faceoff.networks.folding import fold
from faceoff.networks.graph import (
    INPUT,
    UNARY,
    Affine,
    Clip,
    Concat,
    Conv,
    Dense,
    Depthwise,
    Graph,
    GraphBody,
    GraphBuilder,
    Operation,
    Pad,
    Pool,
    PRelu,
    Reduce,
    Reshape,
    Unary,
    batch_norm,
    zeros,
)
from faceoff.networks.graph import LocalResponse as LocalResponseOperation
from faceoff.networks.importers.refusal import Refusal

_refusal = Refusal(
    "This Keras file cannot be used",
    "Bring a complete .h5 file of a functional model, or its weights for one of our architectures.",
)

_MERGES = {layers.Add: "add", layers.Subtract: "subtract", layers.Multiply: "multiply", layers.Maximum: "maximum"}


def read_weights(path: Path, card: Card) -> GraphBody:
    """The card's architecture with the weights in ``path``."""
    model = build(card.architecture, card.embedding_size)
    load_weights(model, path)
    return GraphBody(fold(parse(model)))


def read_model(path: Path, card: Card) -> tf.Module:
    """A whole model, folded where we know all of its layers."""
    _refuse_code(path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _refusal.error("Keras cannot rebuild it") from error
    try:
        return GraphBody(fold(parse(model)))
    except FaceOffError as error:
        if error.reason is not Reason.UNSUPPORTED_FORMAT:
            raise
        return _KerasBody(model)


def load_weights(model: keras.Model, path: Path) -> None:
    """Load an .h5 into ``model``: by layer name, or in Keras 3's own order where the file has no names.

    Every weight of the model must be there. Raises WEIGHTS_MISMATCH, UNSUPPORTED_FORMAT.
    """
    try:
        with h5py.File(path, "r") as file:
            saved = file.get("model_weights", file)
            if "layer_names" in saved.attrs:
                for layer in model.layers:
                    _load_layer(layer, saved)
                return
        model.load_weights(path)
    except OSError as error:
        raise _refusal.error("it is no HDF5 file, or cut short") from error
    except (ValueError, KeyError) as error:
        _mismatch(model.name, str(error).splitlines()[0], error)


def parse(model: keras.Model) -> Graph:
    """A functional model's layers as a graph. Raises UNSUPPORTED_FORMAT at a layer that we do not know."""
    if not getattr(model, "inputs", None):
        _refusal.refuse("it is not a functional model")
    if [len(images.shape) for images in model.inputs] != [4] or len(model.outputs) != 1:
        _refusal.refuse("it does not take one image to one output")
    builder = GraphBuilder(tuple(model.inputs[0].shape[1:]))
    names = {id(model.inputs[0]): INPUT}
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        try:
            sources = layer.input if isinstance(layer.input, list) else [layer.input]
            inputs = [names[id(source)] for source in sources]
        except (AttributeError, ValueError, KeyError) as error:
            raise _refusal.error(f"its layer {layer.name} is used more than once") from error
        names[id(layer.output)] = _add(builder, layer, inputs)
    return builder.build(names[id(model.outputs[0])])


class _KerasBody(tf.Module):
    """A Keras model as it is."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._model = model
        self._weights = [variable.value for variable in model.variables]

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        return self._model(images, training=False)


def _load_layer(layer: layers.Layer, saved: h5py.Group) -> None:
    if not layer.weights:
        return
    if layer.name not in saved:
        raise ValueError(f"there is no layer {layer.name}")
    arrays = dict(_datasets(saved[layer.name]))
    for variable in layer.weights:
        if variable.name not in arrays or arrays[variable.name].shape != tuple(variable.shape):
            raise ValueError(f"{layer.name} has no {variable.name} of shape {tuple(variable.shape)}")
        variable.assign(arrays[variable.name])


def _datasets(group: h5py.Group) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The arrays below a layer's group under the last part of their names: layer/layer/kernel:0 is kernel."""
    for key, value in group.items():
        if isinstance(value, h5py.Dataset):
            yield key.split(":")[0], np.asarray(value, np.float32)
        else:
            yield from _datasets(value)


def _refuse_code(path: Path) -> None:
    """Look at the description of a model before Keras does: a Lambda layer is marshalled Python."""
    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
    except OSError as error:
        raise _refusal.error("it is no HDF5 file, or cut short") from error
    if config is None:
        raise FaceOffError(
            Reason.UNSUPPORTED_FORMAT,
            "This Keras file holds weights alone.",
            "Set the card's format to keras_weights and name its architecture.",
        )
    for part in _dictionaries(json.loads(config)):
        name, module = part.get("class_name"), part.get("module")
        if name == "Lambda" or not (module is None or str(module).split(".")[0] in ("keras", "builtins")):
            raise FaceOffError(
                Reason.UNSUPPORTED_FORMAT,
                f"This Keras file holds code ({name}), which is never run.",
                "If it is one of our architectures, set the card's format to keras_weights: only its weights are read.",
            )


def _dictionaries(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _dictionaries(part)


def _add(builder: GraphBuilder, layer: layers.Layer, inputs: list[str]) -> str:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        _refusal.refuse(f"its layer {layer.name} has channels first")
    if type(layer) in _MERGES and len(inputs) == 2:
        return builder.binary(_MERGES[type(layer)], *inputs)
    if isinstance(layer, layers.Concatenate):
        return builder.add(Concat(layer.axis), *inputs)
    (x,) = inputs
    for operation in _operations(layer, builder.shape(x)):
        x = builder.add(operation, x)
    return x


def _operations(layer: layers.Layer, shape: tuple[int, ...]) -> list[Operation]:
    """What a layer of one input does to an example of ``shape``, in order."""
    match layer:
        case layers.DepthwiseConv2D():
            kernel = np.asarray(layer.kernel)
            bias = np.asarray(layer.bias) if layer.use_bias else zeros(kernel.shape[2] * kernel.shape[3])
            padding = layer.padding.upper()
            depthwise = Depthwise(kernel, bias, tuple(layer.strides), padding, tuple(layer.dilation_rate))
            return [depthwise, *_activation(layer)]
        case layers.Conv2D():
            kernel = np.asarray(layer.kernel)
            bias = np.asarray(layer.bias) if layer.use_bias else zeros(layer.filters)
            strides, dilations = tuple(layer.strides), tuple(layer.dilation_rate)
            return [Conv(kernel, bias, strides, layer.padding.upper(), dilations, layer.groups), *_activation(layer)]
        case layers.Dense() if len(shape) == 1:
            bias = np.asarray(layer.bias) if layer.use_bias else zeros(layer.units)
            return [Dense(np.asarray(layer.kernel), bias), *_activation(layer)]
        case layers.BatchNormalization() if layer.axis in (-1, len(shape)):
            mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
            gamma = np.asarray(layer.gamma) if layer.scale else np.ones_like(mean)
            beta = np.asarray(layer.beta) if layer.center else np.zeros_like(mean)
            return [batch_norm(gamma, beta, mean, variance, layer.epsilon)]
        case layers.Rescaling():
            scale, offset = np.broadcast_arrays(np.ravel(layer.scale), np.ravel(layer.offset))
            return [Affine(scale.astype(np.float32), offset.astype(np.float32))]
        case layers.Activation():
            return _activation(layer)
        case layers.ReLU() if layer.negative_slope == 0 and layer.threshold == 0:
            return [Unary("relu") if layer.max_value is None else Clip(0.0, float(layer.max_value))]
        case layers.PReLU():
            alpha = np.asarray(layer.alpha)
            return [PRelu(alpha.ravel() if alpha.size == alpha.shape[-1] else alpha)]
        case layers.LeakyReLU():
            return [PRelu(np.full(1, layer.negative_slope, np.float32))]
        case layers.MaxPooling2D() | layers.AveragePooling2D():
            kind = "max" if isinstance(layer, layers.MaxPooling2D) else "mean"
            return [Pool(kind, tuple(layer.pool_size), tuple(layer.strides), layer.padding.upper())]
        case layers.GlobalAveragePooling2D() | layers.GlobalMaxPooling2D():
            kind = "max" if isinstance(layer, layers.GlobalMaxPooling2D) else "mean"
            return [Reduce(kind, (1, 2), layer.keepdims)]
        case layers.ZeroPadding2D():
            rows, columns = layer.padding
            return [Pad((tuple(rows), tuple(columns)))]
        case layers.Flatten():
            return [Reshape((int(np.prod(shape)),))]
        case layers.Dropout():
            return []
        case LocalResponse():
            return [LocalResponseOperation(layer.radius, layer.bias, layer.alpha, layer.beta)]
        case L2Pool():
            size = (layer.size, layer.size)
            scale, floor = np.full(1, layer.size**2, np.float32), np.full(1, layer.floor, np.float32)
            return [Unary("square"), Pool("mean", size, size), Affine(scale, floor), Unary("sqrt")]
        case _:
            return _refusal.refuse(f"its layer {layer.name} is a {type(layer).__name__}")


def _activation(layer: layers.Layer) -> list[Operation]:
    name = layer.activation.__name__
    if name == "linear":
        return []
    if name == "relu6":
        return [Clip(0.0, 6.0)]
    return [Unary(name)] if name in UNARY else _refusal.refuse(f"its layer {layer.name} has the activation {name}")


def _mismatch(name: str, why: str, error: Exception) -> NoReturn:
    raise FaceOffError(
        Reason.WEIGHTS_MISMATCH,
        f"This file does not fit {name}: {why}.",
        "Check the card's architecture and embedding size.",
    ) from error
