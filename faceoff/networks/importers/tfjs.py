"""TensorFlow.js graph models: a zip of one ``.json`` (a GraphDef and the list of its weights) and its weight files.

The json alone is no network and names its weight files, so that the zip is the format's one file here.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from numpy.typing import NDArray

from faceoff.networks.card import Card
from faceoff.networks.folding import fold
from faceoff.networks.graph import (
    INPUT,
    Clip,
    Conv,
    Dense,
    Depthwise,
    Graph,
    GraphBody,
    GraphBuilder,
    Pad,
    Padding,
    Pair,
    Pool,
    PRelu,
    Reduce,
    Reshape,
    Unary,
    zeros,
)
from faceoff.networks.importers.refusal import Refusal

_refusal = Refusal(
    "This TensorFlow.js file cannot be used",
    "Bring a graph model's .json and its weight files, as the json names them, in one .zip file.",
)

_TYPES = {
    "float32": np.float32,
    "float16": np.float16,
    "int32": np.int32,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "bool": np.bool_,
}
_UNARY = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Elu": "elu",
    "Abs": "abs",
    "Neg": "negative",
    "Square": "square",
    "Sqrt": "sqrt",
    "Rsqrt": "rsqrt",
}
_BINARY = {
    "Add": "add",
    "AddV2": "add",
    "BiasAdd": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "RealDiv": "divide",
    "Maximum": "maximum",
    "Minimum": "minimum",
}
_REDUCE = {"Mean": "mean", "Max": "max", "Sum": "sum"}
_POOL = {"MaxPool": "max", "AvgPool": "mean"}
_FUSED = {
    "_FusedConv2D": "Conv2D",
    "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "_FusedMatMul": "MatMul",
}


def read(path: Path, card: Card) -> GraphBody:
    return GraphBody(fold(parse(path.read_bytes(), card.input_size, card.embedding_size)))


def parse(data: bytes, input_size: tuple[int, int], embedding_size: int) -> Graph:
    """The network in the zip ``data`` whose output has ``embedding_size`` values. Raises UNSUPPORTED_FORMAT."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {PurePosixPath(name).name: archive.read(name) for name in archive.namelist()}
        (topology,) = (json.loads(content) for name, content in files.items() if name.endswith(".json"))
        graph_def = tf.compat.v1.GraphDef()
        json_format.ParseDict(topology["modelTopology"], graph_def, ignore_unknown_fields=True)
        reader = _Reader(graph_def, _weights(topology["weightsManifest"], files), input_size)
        signature = topology.get("signature") or topology.get("userDefinedMetadata", {}).get("signature", {})
        outputs = [output["name"].split(":")[0] for output in signature.get("outputs", {}).values()]
        return reader.graph(outputs, embedding_size)
    except (zipfile.BadZipFile, json_format.ParseError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise _refusal.error("it is cut short or damaged") from error


def _weights(manifest: Sequence[Mapping[str, Any]], files: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    """Every weight by its node's name, in float where it is stored smaller."""
    weights: dict[str, NDArray[Any]] = {}
    for group in manifest:
        data, start = b"".join(files[PurePosixPath(path).name] for path in group["paths"]), 0
        for entry in group["weights"]:
            stored = entry.get("quantization", {})
            count = int(np.prod(entry["shape"], dtype=np.int64))
            array: NDArray[Any] = np.frombuffer(data, _TYPES[stored.get("dtype", entry["dtype"])], count, start)
            start += array.nbytes
            if "scale" in stored:
                array = array * np.float32(stored["scale"]) + np.float32(stored["min"])
            weights[entry["name"]] = array.reshape(entry["shape"]).astype(_TYPES[entry["dtype"]])
    return weights


class _Reader:
    def __init__(self, graph_def: Any, weights: dict[str, NDArray[Any]], input_size: tuple[int, int]) -> None:
        self._nodes = graph_def.node
        self._constants = weights
        self._builder = GraphBuilder((*input_size, 3))
        self._names: dict[str, str] = {}

    def graph(self, outputs: Sequence[str], embedding_size: int) -> Graph:
        """The way to the one of ``outputs`` (of all the graph's ends, if there are none) that is the embedding."""
        images = [node.name for node in self._nodes if node.op == "Placeholder"]
        if len(images) != 1:
            _refusal.refuse(f"it has {len(images)} inputs")
        self._names[images[0]] = INPUT
        unknown = set()
        for node in self._nodes:
            if any(name in self._names for name in _inputs(node)):
                try:
                    self._names[node.name] = self._node(node)
                except NotImplementedError:  # a head that tells ages may have it: that is not our way
                    unknown.add(node.op)
        used = {name for node in self._nodes for name in _inputs(node)}
        ends = outputs or [node.name for node in self._nodes if node.name not in used]
        vectors = {self._names[name] for name in ends if name in self._names}
        vectors = {name for name in vectors if self._builder.shape(name) == (embedding_size,)}
        if len(vectors) != 1:
            blame = f" and operations that we do not know: {', '.join(sorted(unknown))}" if unknown else ""
            _refusal.refuse(f"it has {len(vectors)} outputs of {embedding_size} values{blame}")
        return self._builder.build(vectors.pop())

    def _node(self, node: Any) -> str:
        inputs = _inputs(node)
        if node.op in _BINARY:
            left, right = (self._either(name) for name in inputs)
            return self._builder.binary(_BINARY[node.op], left, right)
        if inputs[0] not in self._names or any(name in self._names for name in inputs[1:]):
            raise NotImplementedError
        x, constants = self._names[inputs[0]], [self._constants[name] for name in inputs[1:]]
        if node.op not in _FUSED:
            return self._add(node.op, node.attr, x, constants)
        x = self._add(_FUSED[node.op], node.attr, x, constants[:1])
        rest = iter(constants[1:])
        for step in node.attr["fused_ops"].list.s:
            match step.decode():
                case "BiasAdd":
                    x = self._builder.binary("add", x, next(rest))
                case "Prelu":
                    x = self._builder.add(PRelu(next(rest)), x)
                case activation:
                    x = self._add(activation, node.attr, x, [])
        return x

    def _add(self, kind: str, attributes: Any, x: str, constants: Sequence[NDArray[Any]]) -> str:
        add, shape = self._builder.add, self._builder.shape(x)
        match kind:
            case "Identity":
                return x
            case "Relu6":
                return add(Clip(0.0, 6.0), x)
            case "Prelu":
                return add(PRelu(constants[0]), x)
            case "Conv2D":
                (kernel,) = constants
                geometry = _geometry(attributes)
                return add(Conv(kernel, zeros(kernel.shape[3]), *geometry, shape[-1] // kernel.shape[2]), x)
            case "DepthwiseConv2dNative":
                (kernel,) = constants
                return add(Depthwise(kernel, zeros(kernel.shape[2] * kernel.shape[3]), *_geometry(attributes)), x)
            case "MatMul":
                kernel = constants[0].T if attributes["transpose_b"].b else constants[0]
                return add(Dense(kernel, zeros(kernel.shape[1])), x)
            case "Pad":
                batch, rows, columns, channels = ((int(n), int(m)) for n, m in constants[0])
                if (batch, channels) != ((0, 0), (0, 0)):
                    _refusal.refuse("it pads the batch or the channels")
                return add(Pad((rows, columns)), x)
            case "Reshape":
                return add(Reshape(np.empty(shape).reshape(constants[0][1:]).shape), x)
            case "Squeeze":
                gone = {int(axis) % (len(shape) + 1) for axis in attributes["squeeze_dims"].list.i}
                return add(Reshape(tuple(size for axis, size in enumerate(shape, 1) if axis not in gone)), x)
            case _ if kind in _REDUCE:
                axes = tuple(int(axis) % (len(shape) + 1) for axis in constants[0].ravel())
                return add(Reduce(_REDUCE[kind], axes, attributes["keep_dims"].b), x)
            case _ if kind in _POOL:
                size, strides = _pair(attributes, "ksize"), _pair(attributes, "strides")
                return add(Pool(_POOL[kind], size, strides, _padding(attributes)), x)
            case _ if kind in _UNARY:
                return add(Unary(_UNARY[kind]), x)
            case _:
                raise NotImplementedError

    def _either(self, name: str) -> str | NDArray[Any]:
        return self._names[name] if name in self._names else self._constants[name]


def _inputs(node: Any) -> list[str]:
    return [name.split(":")[0] for name in node.input if not name.startswith("^")]


def _geometry(attributes: Any) -> tuple[Pair, Padding, Pair]:
    """Strides, padding and dilations of a convolution."""
    return _pair(attributes, "strides"), _padding(attributes), _pair(attributes, "dilations")


def _pair(attributes: Any, name: str) -> Pair:
    """The values for rows and columns of an attribute that has one for every axis, or none."""
    _, rows, columns, _ = attributes[name].list.i or (1, 1, 1, 1)
    return int(rows), int(columns)


def _padding(attributes: Any) -> Padding:
    if attributes["data_format"].s not in (b"", b"NHWC"):
        _refusal.refuse("its images have their channels first")
    name: str = attributes["padding"].s.decode()
    if name != "EXPLICIT":
        return name
    pads = tuple(attributes["explicit_paddings"].list.i)
    return (pads[2], pads[3]), (pads[4], pads[5])
