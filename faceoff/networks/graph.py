"""A network as a list of operations with numpy weights, whatever file it was read from, and how it is run.

Images are [B, H, W, C]. The batch axis is always the first one and always free. An operation is a frozen dataclass that
is called on tensors; its weights are numpy arrays until ``GraphBody`` replaces them by variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.options import DEFAULT, BuildOptions

Weight = Any
"""A numpy array, or the variable that took its place."""

Padding = str | tuple[tuple[int, int], tuple[int, int]]
"""``SAME`` or ``VALID`` as TensorFlow means them, or ((top, bottom), (left, right))."""

Pair = tuple[int, int]

INPUT = "input"
"""The name of a graph's input."""


class Operation(Protocol):
    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor: ...


SMALL_MAP = 14 * 14
"""Pixels of the feature maps whose pointwise convolutions are written as matrix products."""


@dataclass(frozen=True)
class Conv:
    """Convolution with ``kernel`` [h, w, in / groups, out]."""

    kernel: Weight
    bias: Weight
    strides: Pair = (1, 1)
    padding: Padding = "VALID"
    dilations: Pair = (1, 1)
    groups: int = 1

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        (x,) = inputs
        padding = _resolve(self.padding, x, tuple(self.kernel.shape[:2]), self.strides, self.dilations)
        pointwise = tuple(self.kernel.shape[:2]) == self.strides == (1, 1) and padding == "VALID" and self.groups == 1
        if pointwise and x.shape[1] * x.shape[2] <= SMALL_MAP:
            # The convolution kernels add up many channels of a small map in another order for one example than for
            # several, and a face's mask must not depend on its batch-mates (docs/decisions/0007). This is no slower.
            y = tf.einsum("bhwi,io->bhwo", x, self.kernel[0, 0])
        elif self.groups == 1:
            y = tf.nn.conv2d(x, self.kernel, self.strides, padding, dilations=self.dilations)
        else:  # TensorFlow has no gradient for grouped convolutions on the CPU
            parts = zip(tf.split(x, self.groups, 3), tf.split(self.kernel, self.groups, 3), strict=True)
            y = tf.concat([tf.nn.conv2d(p, k, self.strides, padding, dilations=self.dilations) for p, k in parts], 3)
        return tf.nn.bias_add(y, self.bias)


@dataclass(frozen=True)
class Depthwise:
    """Convolution of every channel by itself with ``kernel`` [h, w, in, multiplier]."""

    kernel: Weight
    bias: Weight
    strides: Pair = (1, 1)
    padding: Padding = "VALID"
    dilations: Pair = (1, 1)

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        (x,) = inputs
        padding = _resolve(self.padding, x, tuple(self.kernel.shape[:2]), self.strides, self.dilations)
        if not isinstance(padding, str):  # TensorFlow's own explicit padding aborts the process in grappler (2.21)
            x, padding = tf.pad(x, padding), "VALID"
        y = tf.nn.depthwise_conv2d(x, self.kernel, (1, *self.strides, 1), padding, dilations=self.dilations)
        return tf.nn.bias_add(y, self.bias)


@dataclass(frozen=True)
class Dense:
    """``kernel`` [in, out]."""

    kernel: Weight
    bias: Weight

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        # One product an example: that of several rows is rounded in another way (docs/decisions/0007).
        (x,) = inputs
        return tf.nn.bias_add(tf.matmul(x[:, None], self.kernel)[:, 0], self.bias)


@dataclass(frozen=True)
class Affine:
    """``x * scale + offset``; both [C], along the last axis."""

    scale: Weight
    offset: Weight

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return inputs[0] * self.scale + self.offset


@dataclass(frozen=True)
class Constant:
    """A tensor that broadcasts over the batch."""

    value: Weight

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return tf.convert_to_tensor(self.value)


@dataclass(frozen=True)
class PRelu:
    """``slope`` [C] below zero, or any shape that broadcasts from the right."""

    slope: Weight

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        # Of the ways to write it, the one whose gradient is a single product with what is here already.
        return inputs[0] * tf.where(inputs[0] > 0, tf.ones([], inputs[0].dtype), self.slope)


@dataclass(frozen=True)
class Clip:
    low: float
    high: float

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        if (self.low, self.high) == (0.0, 6.0):
            return tf.nn.relu6(inputs[0])
        return tf.clip_by_value(inputs[0], self.low, self.high)


UNARY: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "relu": tf.nn.relu,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "elu": tf.nn.elu,
    "swish": lambda x: x * tf.sigmoid(x),
    "abs": tf.abs,
    "negative": tf.negative,
    "square": tf.square,
    "sqrt": tf.sqrt,
    "rsqrt": tf.math.rsqrt,
}
BINARY: Mapping[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "add": tf.add,
    "subtract": tf.subtract,
    "multiply": tf.multiply,
    "divide": tf.divide,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
}
REDUCE: Mapping[str, Callable[..., tf.Tensor]] = {
    "mean": tf.reduce_mean,
    "max": tf.reduce_max,
    "sum": tf.reduce_sum,
}


@dataclass(frozen=True)
class Unary:
    """One of ``UNARY``."""

    kind: str

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return UNARY[self.kind](inputs[0])


@dataclass(frozen=True)
class Binary:
    """One of ``BINARY``."""

    kind: str

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return BINARY[self.kind](inputs[0], inputs[1])


@dataclass(frozen=True)
class PaddedAdd:
    """Sum of two images, the smaller padded with zeros at the bottom, on the right and in channels (as dlib does)."""

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        shape = [max(sizes) for sizes in zip(*(x.shape[1:] for x in inputs), strict=True)]
        first, second = (
            tf.pad(x, [[0, 0], *([0, total - size] for total, size in zip(shape, x.shape[1:], strict=True))])
            for x in inputs
        )
        return first + second


@dataclass(frozen=True)
class Reduce:
    """One of ``REDUCE`` over ``axes``."""

    kind: str
    axes: tuple[int, ...]
    keepdims: bool = False

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return REDUCE[self.kind](inputs[0], self.axes, self.keepdims)


@dataclass(frozen=True)
class Pool:
    """``kind`` is ``max`` or ``mean``. A mean counts padding as zeros when ``count_padding``, else not at all. ``xla``: for a
    graph that XLA compiles."""

    kind: str
    size: Pair
    strides: Pair
    padding: Padding = "VALID"
    count_padding: bool = False
    xla: bool = False

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        (x,) = inputs
        padding = _resolve(self.padding, x, self.size, self.strides)
        if self.kind == "max":
            return _max_pool(x, self.size, self.strides, padding, self.xla)
        if padding == "VALID" or (padding == "SAME" and not self.count_padding):
            return tf.nn.avg_pool2d(x, self.size, self.strides, padding)
        pads = _explicit(self.padding, x, self.size, self.strides)

        def mean(y: tf.Tensor) -> tf.Tensor:
            return tf.nn.avg_pool2d(tf.pad(y, pads), self.size, self.strides, "VALID")

        return mean(x) if self.count_padding else mean(x) / mean(tf.ones([1, x.shape[1], x.shape[2], 1], x.dtype))


@dataclass(frozen=True)
class LocalResponse:
    """AlexNet's normalisation by the ``2 * radius + 1`` neighbouring channels."""

    radius: int
    bias: float
    alpha: float
    beta: float

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.local_response_normalization(inputs[0], self.radius, self.bias, self.alpha, self.beta)


@dataclass(frozen=True)
class Concat:
    axis: int

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return tf.concat(inputs, self.axis)


@dataclass(frozen=True)
class Pad:
    """Zeros around the image: ((top, bottom), (left, right))."""

    pads: tuple[Pair, Pair]

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return tf.pad(inputs[0], ((0, 0), *self.pads, (0, 0)))


@dataclass(frozen=True)
class Reshape:
    """``shape`` of one example, without the batch axis."""

    shape: tuple[int, ...]

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        if inputs[0].shape[1:].num_elements() != math.prod(self.shape):
            raise ValueError("examples cannot change size")  # else the batch would
        return tf.reshape(inputs[0], (-1, *self.shape))


@dataclass(frozen=True)
class Transpose:
    """``order`` names the batch axis too, first."""

    order: tuple[int, ...]

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        return tf.transpose(inputs[0], self.order)


@dataclass(frozen=True)
class Node:
    """``shape`` is that of one example of the node's output."""

    name: str
    op: Operation
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """``nodes`` in an order in which they can run; ``input_shape`` is (height, width, channels)."""

    input_shape: tuple[int, ...]
    nodes: tuple[Node, ...]
    output: str


class GraphBuilder:
    """Collects the nodes of a file and knows the shape of each as soon as it is added."""

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        self._input_shape = input_shape
        self._nodes: list[Node] = []
        self._scratch = tf.Graph()
        with self._scratch.as_default():
            self._tensors = {INPUT: tf.compat.v1.placeholder(tf.float32, (None, *input_shape))}

    def add(self, op: Operation, *inputs: str) -> str:
        """Append ``op`` and return its name. Raises WEIGHTS_MISMATCH when it does not fit its inputs' shapes."""
        name = f"{len(self._nodes)}_{type(op).__name__.lower()}"
        try:
            with self._scratch.as_default():
                tensor = op(*(self._tensors[i] for i in inputs))
        except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
            raise FaceOffError(
                Reason.WEIGHTS_MISMATCH,
                f"The weight file does not fit together at {name}.",
                "Is it complete, and is the card's input size right?",
            ) from error
        self._tensors[name] = tensor
        self._nodes.append(Node(name, op, inputs, tuple(tensor.shape[1:])))
        return name

    def binary(self, kind: str, left: str | NDArray[Any], right: str | NDArray[Any]) -> str:
        """Append one of ``BINARY``; one side may be an array that broadcasts: an ``Affine`` where that can say it."""
        if isinstance(left, str) and isinstance(right, str):
            return self.add(Binary(kind), left, right)
        array, name = (left, right) if isinstance(right, str) else (right, left)
        constant = np.asarray(array, np.float32)
        last = constant.shape[-1] if constant.ndim else 1
        if constant.size == last and kind in ("add", "subtract", "multiply", "divide"):
            vector, one = constant.reshape(last), np.ones(last, np.float32)
            match kind, isinstance(left, str):
                case "add", _:
                    return self.add(Affine(one, vector), str(name))
                case "subtract", True:
                    return self.add(Affine(one, -vector), str(name))
                case "subtract", False:
                    return self.add(Affine(-one, vector), str(name))
                case "multiply", _:
                    return self.add(Affine(vector, 0 * one), str(name))
                case "divide", True:
                    return self.add(Affine(1 / vector, 0 * one), str(name))
        value = self.add(Constant(constant))
        return self.add(Binary(kind), *((value, str(right)) if isinstance(right, str) else (str(left), value)))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self._tensors[name].shape[1:])

    def build(self, output: str) -> Graph:
        return Graph(self._input_shape, tuple(self._nodes), output)


class GraphBody(tf.Module):
    """Runs a graph: [B, *input_shape] float32 to the graph's output, differentiable, in inference mode.

    Weights are variables, not constants, so that a SavedModel with many signatures holds them once. They and everything
    between input and output are of the options' precision.
    """

    def __init__(self, graph: Graph, options: BuildOptions = DEFAULT) -> None:
        super().__init__()
        self._graph = graph
        self._dtype = tf.as_dtype(options.precision)
        self._xla = options.xla
        self._weights: list[tf.Variable] = []
        self._steps = [(node.name, self._with_variables(node.op), node.inputs) for node in graph.nodes]

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        values = {INPUT: tf.cast(tf.ensure_shape(images, (None, *self._graph.input_shape)), self._dtype)}
        for name, op, inputs in self._steps:
            values[name] = op(*(values[i] for i in inputs))
        return tf.cast(values[self._graph.output], tf.float32)

    def built(self, options: BuildOptions) -> GraphBody:
        """The same network with other options."""
        return GraphBody(self._graph, options)

    def _with_variables(self, op: Any) -> Operation:
        arrays = {f.name: getattr(op, f.name) for f in fields(op) if isinstance(getattr(op, f.name), np.ndarray)}
        variables = {name: tf.Variable(tf.cast(array, self._dtype), trainable=False) for name, array in arrays.items()}
        self._weights += variables.values()
        if isinstance(op, Pool):
            op = replace(op, xla=self._xla)
        ready: Operation = replace(op, **variables)
        return ready


def zeros(size: int) -> NDArray[np.float32]:
    """The bias of a layer that has none."""
    return np.zeros(size, np.float32)


def batch_norm(gamma: Weight, beta: Weight, mean: Weight, variance: Weight, epsilon: float) -> Affine:
    """Batch normalisation in inference mode."""
    scale = np.asarray(gamma, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    return Affine(scale.astype(np.float32), (beta - mean * scale).astype(np.float32))


def _max_pool(x: tf.Tensor, size: Pair, strides: Pair, padding: Any, xla: bool) -> tf.Tensor:
    """Max pooling whose gradient is added up image by image, which XLA does not know. That of TensorFlow's usual one adds up
    overlapping windows in an order that depends on the batch (docs/decisions/0007)."""
    if not isinstance(padding, str):
        x, padding = tf.pad(x, padding, constant_values=-math.inf), "VALID"
    if xla:
        return tf.nn.max_pool2d(x, size, strides, padding)
    return tf.nn.max_pool_with_argmax(x, size, strides, padding)[0]


def _same(length: int, size: int, stride: int, dilation: int) -> Pair:
    """The padding before and after that TensorFlow means by SAME."""
    total = max((-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length, 0)
    return total // 2, total - total // 2


def _explicit(padding: Padding, x: tf.Tensor, size: Pair, strides: Pair, dilations: Pair = (1, 1)) -> list[list[int]]:
    pads: Iterable[Pair]
    if padding == "VALID":
        pads = ((0, 0), (0, 0))
    elif padding == "SAME":
        pads = map(_same, x.shape[1:3], size, strides, dilations)
    else:
        pads = cast(tuple[Pair, Pair], padding)
    return [[0, 0], *(list(pair) for pair in pads), [0, 0]]


def _resolve(padding: Padding, x: tf.Tensor, size: Pair, strides: Pair, dilations: Pair = (1, 1)) -> Any:
    """``padding`` by its name where it has one (those kernels are faster), else as explicit numbers."""
    pads = _explicit(padding, x, size, strides, dilations)
    for name in ("VALID", "SAME"):
        if pads == _explicit(name, x, size, strides, dilations):
            return name
    return pads
