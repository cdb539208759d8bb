"""dlib's face recognition network (a ResNet of 29 convolutions) from its own serialisation.

The file is a recursion from the loss inwards: first the version of each wrapper, the outermost first, then the input
layer, then each wrapper's own data on the way back out. A wrapper of version 1 is a tag or a skip and has no data.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceoff.networks.card import Card
from faceoff.networks.folding import fold
from faceoff.networks.graph import (
    INPUT,
    Affine,
    Conv,
    Dense,
    Graph,
    GraphBody,
    GraphBuilder,
    PaddedAdd,
    Pool,
    Reduce,
    Unary,
    zeros,
)
from faceoff.networks.importers.refusal import Refusal

_refusal = Refusal("This is not dlib's face recognition network", "Bring dlib_face_recognition_resnet_model_v1.dat.")

_TAG, _LAYER, _FIRST_LAYER = 1, 2, 3


def read(path: Path, card: Card) -> GraphBody:
    return GraphBody(fold(parse(path.read_bytes(), card.input_size)))


def parse(data: bytes, input_size: tuple[int, int]) -> Graph:
    """The network in ``data``. Raises UNSUPPORTED_FORMAT when it is not of this family, or cut short."""
    try:
        return _parse(_Stream(data), input_size)
    except (ValueError, OverflowError) as error:  # sizes that do not fit together
        raise _refusal.error("it is damaged") from error


def _parse(stream: _Stream, input_size: tuple[int, int]) -> Graph:
    wrappers = _header(stream)
    builder = GraphBuilder((*input_size, 3))
    current = saved = earlier = INPUT
    previous = _FIRST_LAYER
    for wrapper in reversed(wrappers):
        if wrapper == _TAG:
            # A tag keeps a value for a later sum. One right after another is the skip back to the tag before that.
            if previous == _TAG:
                current = earlier
            else:
                earlier, saved = saved, current
        else:
            current = _layer(stream, builder, current, saved)
            _training_state(stream, first=wrapper == _FIRST_LAYER)
        previous = wrapper
    if stream.rest:
        _refusal.refuse("there is something after the last layer")
    return builder.build(current)


class _Stream:
    """dlib's primitive types."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def rest(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if not 0 <= count <= self.rest:
            _refusal.refuse("it is cut short")
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self) -> int:
        """A control byte (sign and count), then so many bytes, the lowest first."""
        (control,) = self.take(1)
        value = int.from_bytes(self.take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def number(self) -> float:
        mantissa, exponent = self.integers(2)
        return float(np.ldexp(mantissa, exponent))

    def text(self) -> str:
        return self.take(self.integer()).decode("latin-1")

    def dimensions(self, version: int) -> tuple[int, ...]:
        if self.integer() != version:
            _refusal.refuse("it was written by another version of dlib")
        return self.integers(4)

    def tensor(self) -> NDArray[np.float32]:
        shape = self.dimensions(version=2)
        return np.frombuffer(self.take(4 * math.prod(shape)), "<f4").reshape(shape)

    def alias(self) -> tuple[int, ...]:
        """The shape of one part of a parameter tensor."""
        return self.dimensions(version=1)


def _header(stream: _Stream) -> list[int]:
    """The wrappers, the outermost first, up to and with the layer on the input."""
    if stream.integer() != 1 or stream.text() != "loss_metric_2":
        _refusal.refuse("it does not start with a metric loss")
    stream.number()  # margin
    stream.number()  # distance threshold
    wrappers = [stream.integer()]
    while wrappers[-1] != _FIRST_LAYER:
        if wrappers[-1] not in (_TAG, _LAYER):
            _refusal.refuse("its layers are nested in an unknown way")
        wrappers.append(stream.integer())
    if stream.text() != "input_rgb_image_sized":
        _refusal.refuse("its input is not an RGB image")
    for _ in range(3):
        stream.number()  # the mean colour: subtracting it is the card's normalisation
    stream.integers(2)  # rows, columns
    return wrappers


def _layer(stream: _Stream, builder: GraphBuilder, current: str, saved: str) -> str:
    kind = stream.text()
    match kind:
        case "con_4":
            parameters = stream.tensor().ravel()
            _, _, _, stride_y, stride_x, pad_y, pad_x = stream.integers(7)
            filters, biases = stream.alias(), stream.alias()
            _learning_rates(stream)
            kernel = parameters[: math.prod(filters)].reshape(filters).transpose(2, 3, 1, 0)
            bias = parameters[math.prod(filters) :]
            if bias.size != math.prod(biases):
                _refusal.refuse("a convolution has the wrong number of weights")
            pads = ((pad_y, pad_y), (pad_x, pad_x))
            return builder.add(Conv(kernel, bias, (stride_y, stride_x), pads), current)
        case "affine_":
            parameters = stream.tensor().ravel()
            stream.alias()
            stream.alias()
            stream.integer()  # mode
            scale, offset = np.split(parameters, 2)
            return builder.add(Affine(scale, offset), current)
        case "relu_":
            return builder.add(Unary("relu"), current)
        case "max_pool_2" | "avg_pool_2":
            height, width, stride_y, stride_x, pad_y, pad_x = stream.integers(6)
            pooling = "max" if kind == "max_pool_2" else "mean"
            if (height, width) == (0, 0):
                return builder.add(Reduce(pooling, (1, 2)), current)
            pads = ((pad_y, pad_y), (pad_x, pad_x))
            return builder.add(Pool(pooling, (height, width), (stride_y, stride_x), pads), current)
        case "add_prev_":
            return builder.add(PaddedAdd(), current, saved)
        case "fc_2":
            outputs, _ = stream.integers(2)
            kernel = stream.tensor()[:, :, 0, 0]
            stream.alias()
            stream.alias()
            stream.integer()  # whether it has a bias
            _learning_rates(stream)
            if kernel.shape[1] != outputs:
                _refusal.refuse("its last layer has a bias")
            return builder.add(Dense(kernel, zeros(outputs)), current)
        case _:
            return _refusal.refuse(f"it has a layer of an unknown kind, {kind[:20]!r}")


def _learning_rates(stream: _Stream) -> None:
    for _ in range(4):
        stream.number()


def _training_state(stream: _Stream, first: bool) -> None:
    """What every layer drags along: three flags, three gradients (empty), and the first one a factor."""
    stream.take(3)
    for _ in range(3):
        stream.tensor()
    if first:
        stream.integer()
