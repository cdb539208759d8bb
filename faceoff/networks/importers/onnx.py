"""ONNX files of float networks; weights may be stored as int8, by block too, and are brought back to float.

ONNX counts axes as [N, C, H, W]. Here every value of rank 4 is kept as [N, H, W, C], and goes through ONNX's order only
where that is visible: flattening, reshaping, reductions over channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from faceoff.networks.card import Card
from faceoff.networks.folding import fold
from faceoff.networks.graph import (
    INPUT,
    Clip,
    Concat,
    Conv,
    Dense,
    Depthwise,
    Graph,
    GraphBody,
    GraphBuilder,
    Pad,
    Padding,
    Pool,
    PRelu,
    Reduce,
    Reshape,
    Transpose,
    Unary,
    batch_norm,
    zeros,
)
from faceoff.networks.importers.refusal import Refusal

_refusal = Refusal(
    "This ONNX file cannot be used",
    "Bring the float network as one complete .onnx file, with the embedding as an output.",
)

_TO_CHANNELS_LAST, _TO_CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
_SAME_VALUE = {"Identity", "Dropout", "Cast", "Expand"}  # arithmetic broadcasts by itself: Expand has nothing to do
_UNARY = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Elu": "elu",
    "Abs": "abs",
    "Neg": "negative",
    "Sqrt": "sqrt",
}
_BINARY = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide", "Max": "maximum", "Min": "minimum"}
_REDUCE = {"ReduceMean": "mean", "ReduceMax": "max", "ReduceSum": "sum"}


def read(path: Path, card: Card) -> GraphBody:
    return GraphBody(fold(parse(path.read_bytes(), card.input_size)))


def parse(data: bytes, input_size: tuple[int, int]) -> Graph:
    """The network in ``data``, with its batch size set free. Raises UNSUPPORTED_FORMAT."""
    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise _refusal.error("it is cut short or damaged") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        _refusal.refuse("its weights are in another file")
    return _Reader(model, input_size).graph()


class _Reader:
    def __init__(self, model: Any, input_size: tuple[int, int]) -> None:
        self._model = model
        self._builder = GraphBuilder((*input_size, 3))
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._names: dict[str, str] = {}

    def graph(self) -> Graph:
        used = {name for node in self._model.graph.node for name in node.input} - self._constants.keys()
        inputs = [value for value in self._model.graph.input if value.name in used]
        if len(inputs) != 1:
            _refusal.refuse(f"it has {len(inputs)} inputs")
        sizes = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim]
        channels_last = len(sizes) == 4 and sizes[3] == 3 and sizes[1] != 3
        self._names[inputs[0].name] = self._builder.add(Transpose(_TO_CHANNELS_LAST), INPUT) if channels_last else INPUT
        for node in self._model.graph.node:
            self._node(node)
        outputs = [self._names[value.name] for value in self._model.graph.output if value.name in self._names]
        vectors = [name for name in outputs if len(self._builder.shape(name)) == 1]
        if len(vectors) != 1:
            _refusal.refuse(f"it has {len(vectors)} vectors among its outputs")
        return self._builder.build(vectors[0])

    def _node(self, node: Any) -> None:
        if node.domain not in ("", "ai.onnx") or any(attribute.HasField("g") for attribute in node.attribute):
            _refusal.refuse(f"it has an operation that we do not know, {node.op_type}")
        inputs = [name for name in node.input if name]
        if node.op_type == "Shape" and inputs[0] in self._names:
            self._constants[node.output[0]] = np.array([1, *self._logical_shape(self._names[inputs[0]])])
        elif all(name in self._constants for name in inputs):
            self._constants.update(self._evaluated(node, inputs))
        elif node.op_type in _SAME_VALUE:
            self._names[node.output[0]] = self._names[inputs[0]]
        else:
            attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            try:
                self._names[node.output[0]] = self._add(node.op_type, list(node.input), attributes)
            except (LookupError, ValueError, TypeError) as error:
                raise _refusal.error(f"its operation {node.op_type} is used in a way that we do not know") from error

    def _evaluated(self, node: Any, inputs: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """What a node computes from the file's constants alone, such as weights from their quantised form."""
        values = [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in inputs]
        results = [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in node.output]
        graph = helper.make_graph([node], "constant", values, results)
        model = helper.make_model(graph, opset_imports=self._model.opset_import)
        outputs = ReferenceEvaluator(model).run(None, {name: self._constants[name] for name in inputs})
        return dict(zip(node.output, outputs, strict=True))

    def _add(self, kind: str, inputs: list[str], attributes: Mapping[str, Any]) -> str:
        add = self._builder.add
        if kind in _BINARY:
            return self._binary(_BINARY[kind], *inputs)
        if kind == "Concat":
            names = [self._names[name] for name in inputs]
            rank = len(self._builder.shape(names[0])) + 1
            axis = attributes["axis"] % rank
            return add(Concat(_TO_CHANNELS_LAST.index(axis) if rank == 4 else axis), *names)
        x = self._names[inputs[0]]
        match kind:
            case "Conv":
                return self._convolution(x, inputs, attributes)
            case "BatchNormalization":
                scale, offset, mean, variance = (self._constants[name] for name in inputs[1:])
                return add(batch_norm(scale, offset, mean, variance, attributes.get("epsilon", 1e-5)), x)
            case "PRelu":
                return add(PRelu(self._channels_last(self._constants[inputs[1]], x)), x)
            case "LeakyRelu":
                return add(PRelu(np.full(1, attributes.get("alpha", 0.01), np.float32)), x)
            case "Clip":
                low = self._argument("min", 1, inputs, attributes, -np.inf)
                high = self._argument("max", 2, inputs, attributes, np.inf)
                return add(Clip(float(low), float(high)), x)
            case "Gemm":
                kernel = self._constants[inputs[1]] * attributes.get("alpha", 1.0)
                kernel = kernel.T if attributes.get("transB", 0) else kernel
                bias = self._constants[inputs[2]] * attributes.get("beta", 1.0) if len(inputs) > 2 else 0.0
                return add(Dense(kernel, np.broadcast_to(np.float32(bias), kernel.shape[1:])), x)
            case "MatMul":
                kernel = self._constants[inputs[1]]
                return add(Dense(kernel, zeros(kernel.shape[1])), x)
            case "GlobalAveragePool" | "GlobalMaxPool":
                return add(Reduce("mean" if kind == "GlobalAveragePool" else "max", (1, 2), True), x)
            case "AveragePool" | "MaxPool":
                return self._pool("mean" if kind == "AveragePool" else "max", x, attributes)
            case "Pad":
                return self._pad(x, inputs, attributes)
            case "Transpose":
                return self._transpose(x, tuple(attributes["perm"]))
            case "Flatten":
                return self._reshape(x, lambda shape: (1, -1))
            case "Reshape":
                return self._reshape(x, lambda shape: tuple(int(n) for n in self._constants[inputs[1]]))
            case "Squeeze" | "Unsqueeze":
                axes = self._argument("axes", 1, inputs, attributes, ())
                change = np.squeeze if kind == "Squeeze" else np.expand_dims
                return self._reshape(x, lambda shape: change(np.empty(shape), tuple(int(i) for i in axes)).shape)
            case "ReduceMean" | "ReduceMax" | "ReduceSum" | "ReduceL2":
                axes = [int(i) for i in self._argument("axes", 1, inputs, attributes, ())]
                return self._reduce(kind, x, axes, bool(attributes.get("keepdims", 1)))
            case _ if kind in _UNARY:
                return add(Unary(_UNARY[kind]), x)
            case _:
                return _refusal.refuse(f"it has an operation that we do not know, {kind}")

    def _binary(self, kind: str, left: str, right: str) -> str:
        if left in self._names and right in self._names:
            return self._builder.binary(kind, self._names[left], self._names[right])
        if left in self._names:
            x = self._names[left]
            return self._builder.binary(kind, x, self._channels_last(self._constants[right], x))
        x = self._names[right]
        return self._builder.binary(kind, self._channels_last(self._constants[left], x), x)

    def _convolution(self, x: str, inputs: Sequence[str], attributes: Mapping[str, Any]) -> str:
        weights = self._constants[inputs[1]]
        bias = self._constants[inputs[2]] if len(inputs) > 2 else zeros(weights.shape[0])
        strides = tuple(attributes.get("strides", (1, 1)))
        dilations = tuple(attributes.get("dilations", (1, 1)))
        groups = attributes.get("group", 1)
        kernel = weights.transpose(2, 3, 1, 0)
        if groups > 1 and groups == self._builder.shape(x)[-1]:
            depthwise = kernel.reshape(*kernel.shape[:2], groups, -1)
            return self._builder.add(Depthwise(depthwise, bias, strides, _padding(attributes), dilations), x)
        return self._builder.add(Conv(kernel, bias, strides, _padding(attributes), dilations, groups), x)

    def _pool(self, kind: str, x: str, attributes: Mapping[str, Any]) -> str:
        if attributes.get("ceil_mode", 0) or any(n != 1 for n in attributes.get("dilations", ())):
            _refusal.refuse("it has a pooling with holes or that rounds up")
        size, strides = tuple(attributes["kernel_shape"]), tuple(attributes.get("strides", (1, 1)))
        count_padding = bool(attributes.get("count_include_pad", 0))
        return self._builder.add(Pool(kind, size, strides, _padding(attributes), count_padding), x)

    def _pad(self, x: str, inputs: Sequence[str], attributes: Mapping[str, Any]) -> str:
        pads = [int(n) for n in self._argument("pads", 1, inputs, attributes, ())]
        value = float(self._argument("value", 2, inputs, attributes, 0.0))
        outer = [pads[i] for i in (0, 1, 4, 5)] if len(pads) == 8 else [1]
        if attributes.get("mode", b"constant") != b"constant" or value or any(outer) or len(inputs) > 3:
            _refusal.refuse("it pads with something other than zeros around the image")
        return self._builder.add(Pad(((pads[2], pads[6]), (pads[3], pads[7]))), x)

    def _transpose(self, x: str, order: tuple[int, ...]) -> str:
        if order[0] != 0:
            _refusal.refuse("it moves the batch axis")
        if len(order) == 4:
            order = tuple(_TO_CHANNELS_LAST.index(order[axis]) for axis in _TO_CHANNELS_LAST)
        return self._builder.add(Transpose(order), x)

    def _reshape(self, x: str, target: Callable[[tuple[int, ...]], tuple[int, ...]]) -> str:
        """``target`` takes the shape in ONNX's order with a batch of one; the batch stays whatever it is."""
        shape = (1, *self._logical_shape(x))
        wanted = [shape[i] if n == 0 else n for i, n in enumerate(target(shape))][1:]
        try:
            example = np.empty(shape[1:]).reshape(wanted).shape
        except ValueError as error:
            raise _refusal.error("it mixes the images of a batch") from error
        return self._stored(self._builder.add(Reshape(example), self._logical(x)))

    def _reduce(self, kind: str, x: str, axes: Sequence[int], keepdims: bool) -> str:
        rank = len(self._builder.shape(x)) + 1
        wanted = tuple(sorted(axis % rank for axis in axes))
        if not wanted or wanted[0] == 0:
            _refusal.refuse("it mixes the images of a batch")
        if kind == "ReduceL2":
            squares = self._stored_reduce("sum", self._builder.add(Unary("square"), x), wanted, keepdims)
            return self._builder.add(Unary("sqrt"), squares)
        return self._stored_reduce(_REDUCE[kind], x, wanted, keepdims)

    def _stored_reduce(self, kind: str, x: str, axes: tuple[int, ...], keepdims: bool) -> str:
        if axes == (2, 3):
            return self._builder.add(Reduce(kind, (1, 2), keepdims), x)
        return self._stored(self._builder.add(Reduce(kind, axes, keepdims), self._logical(x)))

    def _logical(self, x: str) -> str:
        return self._builder.add(Transpose(_TO_CHANNELS_FIRST), x) if len(self._builder.shape(x)) == 3 else x

    def _stored(self, x: str) -> str:
        return self._builder.add(Transpose(_TO_CHANNELS_LAST), x) if len(self._builder.shape(x)) == 3 else x

    def _logical_shape(self, x: str) -> tuple[int, ...]:
        shape = self._builder.shape(x)
        return (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape

    def _channels_last(self, constant: NDArray[Any], x: str) -> NDArray[Any]:
        """A constant that ONNX broadcasts against ``x``, in our order of axes; a vector where it is one per channel."""
        if len(self._builder.shape(x)) == 3:
            constant = constant.reshape((1,) * (4 - constant.ndim) + constant.shape).transpose(_TO_CHANNELS_LAST)
        return constant.ravel() if constant.ndim == 0 or constant.size == constant.shape[-1] else constant

    def _argument(
        self, name: str, index: int, inputs: Sequence[str], attributes: Mapping[str, Any], default: Any
    ) -> Any:
        """An argument that was an attribute in old versions of ONNX and is an input in new ones."""
        if len(inputs) > index and inputs[index]:
            return self._constants[inputs[index]]
        return attributes.get(name, default)


def _padding(attributes: Mapping[str, Any]) -> Padding:
    automatic = attributes.get("auto_pad", b"NOTSET")
    if automatic == b"SAME_UPPER":
        return "SAME"
    if automatic == b"SAME_LOWER":
        _refusal.refuse("it pads with SAME_LOWER")
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    return (top, bottom), (left, right)
