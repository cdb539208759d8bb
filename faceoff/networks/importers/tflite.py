"""TensorFlow Lite files (float weights, or weights stored as float16 or int8 with float arithmetic).

A file that computes in 8 bits is read only where the card names an architecture that we know to bring back to float.
"""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as schema

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
    Pool,
    PRelu,
    Reduce,
    Reshape,
    Transpose,
    Unary,
    zeros,
)
from faceoff.networks.importers.refusal import Refusal

_refusal = Refusal(
    "This TensorFlow Lite file cannot be used", "Bring a complete .tflite file of a network that computes in float."
)

_TYPES = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32}
_UNARY = {
    "RELU": "relu",
    "LOGISTIC": "sigmoid",
    "TANH": "tanh",
    "ELU": "elu",
    "ABS": "abs",
    "NEG": "negative",
    "SQUARE": "square",
    "SQRT": "sqrt",
    "RSQRT": "rsqrt",
}
_BINARY = {
    "ADD": "add",
    "SUB": "subtract",
    "MUL": "multiply",
    "DIV": "divide",
    "MAXIMUM": "maximum",
    "MINIMUM": "minimum",
}
_REDUCE = {"MEAN": "mean", "SUM": "sum", "REDUCE_MAX": "max"}


def read(path: Path, card: Card) -> GraphBody:
    return GraphBody(fold(parse(path.read_bytes(), card.input_size, card.architecture)))


def parse(data: bytes, input_size: tuple[int, int], architecture: str = "") -> Graph:
    """The network in ``data``, with its batch size set free. Raises UNSUPPORTED_FORMAT."""
    if data[4:8] != b"TFL3":
        _refusal.refuse("it does not have TensorFlow Lite's mark")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        return _Reader(model, architecture).graph(input_size)
    except (struct.error, LookupError, AttributeError, TypeError, ValueError, OverflowError) as error:
        # What flatbuffers raise on offsets that lead nowhere.
        raise _refusal.error("it is cut short or damaged") from error


class _Reader:
    def __init__(self, model: Any, architecture: str) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self._architecture = architecture
        self._names: dict[int, str] = {}
        self._constants: dict[int, NDArray[Any]] = {}

    def graph(self, input_size: tuple[int, int]) -> Graph:
        if len(self._model.subgraphs) != 1 or len(self._graph.inputs) != 1:
            _refusal.refuse("it has several graphs or inputs")
        self._builder = GraphBuilder((*input_size, 3))
        image = int(self._graph.inputs[0])
        self._names[image] = INPUT
        self._lost_relus = set() if self._is_float(image) else self._relus_of_8_bits()
        for operator in self._graph.operators:
            self._operator(operator)
        outputs = [self._names[int(i)] for i in self._graph.outputs if int(i) in self._names]
        vectors = [name for name in outputs if len(self._builder.shape(name)) == 1]
        if len(vectors) != 1:
            _refusal.refuse(f"it has {len(vectors)} vectors among its outputs")
        return self._builder.build(vectors[0])

    def _operator(self, operator: Any) -> None:
        kind = self._kind(operator)
        inputs, output = [int(i) for i in operator.inputs], int(operator.outputs[0])
        if self._graph.tensors[output].type == schema.TensorType.INT32:
            return  # arithmetic on shapes, for the sake of a batch size that we set free anyway
        if kind == "DEQUANTIZE" and inputs[0] not in self._names:
            self._constants[output] = self._constant(inputs[0]).astype(np.float32)
            return
        name = self._add(kind, operator.builtinOptions, inputs, output)
        fused = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
        if fused:
            name = self._activation(_name_of(schema.ActivationFunctionType, fused), name)
        elif output in self._lost_relus:
            name = self._activation("RELU", name)
        self._names[output] = name

    def _add(self, kind: str, options: Any, inputs: list[int], output: int) -> str:
        add = self._builder.add
        if kind in _BINARY:
            return self._builder.binary(_BINARY[kind], self._either(inputs[0]), self._either(inputs[1]))
        if kind == "CONCATENATION":
            return add(Concat(options.axis), *(self._names[i] for i in inputs))
        if not inputs or inputs[0] not in self._names:
            _refusal.refuse(f"its operation {kind} does not work on the image")
        x = self._names[inputs[0]]
        shape = self._builder.shape(x)
        match kind:
            case "CONV_2D":
                kernel = self._constant(inputs[1]).transpose(1, 2, 3, 0)
                bias = self._bias(inputs, kernel.shape[3])
                return add(Conv(kernel, bias, *_geometry(options), shape[-1] // kernel.shape[2]), x)
            case "DEPTHWISE_CONV_2D":
                kernel = self._constant(inputs[1])[0]
                bias = self._bias(inputs, kernel.shape[2])
                kernel = kernel.reshape(*kernel.shape[:2], shape[-1], -1)
                return add(Depthwise(kernel, bias, *_geometry(options)), x)
            case "FULLY_CONNECTED":
                kernel = self._constant(inputs[1]).T
                if len(shape) != 1:
                    x = add(Reshape(kernel.shape[:1]), x)
                return add(Dense(kernel, self._bias(inputs, kernel.shape[1])), x)
            case "PRELU":
                return add(PRelu(self._constant(inputs[1])), x)
            case "LEAKY_RELU":
                return add(PRelu(np.full(1, options.alpha, np.float32)), x)
            case "MAX_POOL_2D" | "AVERAGE_POOL_2D":
                size, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
                padding = _name_of(schema.Padding, options.padding)
                return add(Pool("max" if kind == "MAX_POOL_2D" else "mean", size, strides, padding), x)
            case "MEAN" | "SUM" | "REDUCE_MAX":
                axes = tuple(int(axis) % (len(shape) + 1) for axis in self._constant(inputs[1]).ravel())
                return add(Reduce(_REDUCE[kind], axes, bool(options.keepDims)), x)
            case "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS":
                return add(Reshape(tuple(int(n) for n in self._graph.tensors[output].shape[1:])), x)
            case "PAD":
                batch, rows, columns, channels = ((int(n), int(m)) for n, m in self._constant(inputs[1]))
                if (batch, channels) != ((0, 0), (0, 0)):
                    _refusal.refuse("it pads the batch or the channels")
                return add(Pad((rows, columns)), x)
            case "TRANSPOSE":
                return add(Transpose(tuple(int(i) for i in self._constant(inputs[1]))), x)
            case "L2_NORMALIZATION":
                length = add(Unary("sqrt"), add(Reduce("sum", (-1,), True), add(Unary("square"), x)))
                return self._builder.binary("divide", x, length)
            case _:
                return self._activation(kind, x)

    def _activation(self, kind: str, x: str) -> str:
        match kind:
            case "RELU6":
                return self._builder.add(Clip(0.0, 6.0), x)
            case "RELU_N1_TO_1":
                return self._builder.add(Clip(-1.0, 1.0), x)
            case _ if kind in _UNARY:
                return self._builder.add(Unary(_UNARY[kind]), x)
            case _:
                return _refusal.refuse(f"it has an operation that we do not know, {kind}")

    def _relus_of_8_bits(self) -> set[int]:
        """The outputs that are rectified although the file does not say so.

        Where an 8-bit range begins at zero the converter leaves the ReLU out. Files converted without measured ranges
        have one such range for everything, so that only the architecture tells what is rectified: in an
        Inception-ResNet, every convolution but those that only a residual sum takes, and every sum but the last.
        """
        if self._architecture != "inception_resnet_v1":
            _refusal.refuse("it computes in integers")
        users = Counter(int(i) for operator in self._graph.operators for i in operator.inputs)
        outputs: dict[str, list[int]] = {"CONV_2D": [], "ADD": []}
        summed = set()
        for operator in self._graph.operators:
            kind = self._kind(operator)
            if kind in outputs:
                outputs[kind].append(int(operator.outputs[0]))
            if kind == "ADD":
                summed |= {int(i) for i in operator.inputs if users[int(i)] == 1}
        return set(outputs["CONV_2D"]) - summed | set(outputs["ADD"][:-1])

    def _kind(self, operator: Any) -> str:
        codes = self._model.operatorCodes[operator.opcodeIndex]
        return _name_of(schema.BuiltinOperator, max(codes.builtinCode, codes.deprecatedBuiltinCode))

    def _is_float(self, index: int) -> bool:
        return bool(self._graph.tensors[index].type == schema.TensorType.FLOAT32)

    def _either(self, index: int) -> str | NDArray[Any]:
        return self._names[index] if index in self._names else self._constant(index)

    def _bias(self, inputs: list[int], size: int) -> NDArray[Any]:
        return self._constant(inputs[2]) if len(inputs) > 2 and inputs[2] >= 0 else zeros(size)

    def _constant(self, index: int) -> NDArray[Any]:
        """A tensor whose value is in the file, in float where it is stored smaller."""
        if index in self._constants:
            return self._constants[index]
        tensor = self._graph.tensors[index]
        kind = _name_of(schema.TensorType, tensor.type)
        data = self._model.buffers[tensor.buffer].data
        if data is None or kind not in _TYPES:
            _refusal.refuse("one of its weights is not in the file or is of an unknown type")
        array = np.frombuffer(np.asarray(data, np.uint8).tobytes(), _TYPES[kind]).reshape(tensor.shape)
        scale = tensor.quantization.scale if tensor.quantization is not None else None
        if scale is None or len(scale) == 0:
            return array.astype(np.float32) if array.dtype == np.float16 else array
        along = [1] * array.ndim
        along[tensor.quantization.quantizedDimension] = -1
        zero_point = np.reshape(tensor.quantization.zeroPoint, along if len(scale) > 1 else -1)
        scale = np.reshape(scale, along if len(scale) > 1 else -1)
        return np.asarray((array - zero_point) * scale, np.float32)


def _geometry(options: Any) -> tuple[tuple[int, int], str, tuple[int, int]]:
    """Strides, padding and dilations of a convolution."""
    strides, dilations = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
    return strides, _name_of(schema.Padding, options.padding), dilations


def _name_of(enumeration: type, value: int) -> str:
    return next((name for name, number in vars(enumeration).items() if number == value), f"number {value}")
