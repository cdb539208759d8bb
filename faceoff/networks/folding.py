"""The same network in fewer operations. An attack can be no faster than the network's forward and backward passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faceoff.networks.graph import (
    Affine,
    Binary,
    Conv,
    Dense,
    Depthwise,
    Graph,
    Node,
    Operation,
    Pad,
    PRelu,
    Reshape,
    Transpose,
    Unary,
)


def fold(graph: Graph) -> Graph:
    """The same function in fewer operations: everything affine goes into the neighbouring convolution or dense layer,
    spelt-out PReLUs become one node, and a 1x1 convolution takes in the convolution before it when that saves work.
    """
    while True:
        folded = _prune(_sweep(graph))
        if len(folded.nodes) == len(graph.nodes):
            return folded
        graph = folded


def _sweep(graph: Graph) -> Graph:
    """Every node takes in its producers as far as it can. A producer that was taken in stays behind, unused."""
    users = Counter(i for node in graph.nodes for i in node.inputs)
    users[graph.output] += 1
    done: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        node = replace(node, inputs=tuple(renamed.get(i, i) for i in node.inputs))
        node = _as_prelu(node, done)
        while (joined := _join(node, done, users)) is not None:
            node = joined
        if isinstance(node.op, Transpose) and node.op.order == tuple(range(len(node.op.order))):
            renamed[node.name] = node.inputs[0]
        else:
            done[node.name] = node
    return Graph(graph.input_shape, tuple(done.values()), renamed.get(graph.output, graph.output))


def _prune(graph: Graph) -> Graph:
    needed = {graph.output}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.name in needed))


def _join(node: Node, done: dict[str, Node], users: Mapping[str, int]) -> Node | None:
    """``node`` with its producer taken in, or None when no rule allows it."""
    producer = done.get(node.inputs[0]) if len(node.inputs) == 1 else None
    if producer is None or users[producer.name] != 1:
        return None
    op: Operation | None = None
    match producer.op, node.op:
        case (Conv() | Depthwise() | Dense() | Affine()) as first, Affine() as affine:
            op = _scaled(first, affine)
        case Affine() as affine, (Conv() | Dense()) as second:
            op = _prescaled(affine, second, producer.shape)
        case Pad(pads), (Conv() | Depthwise()) as second if second.padding == "VALID":
            op = replace(second, padding=pads)
        case Conv() as first, Conv() as second:
            op = _convolved(first, second)
        case Transpose(first), Transpose(second):
            op = Transpose(tuple(first[i] for i in second))
        case Reshape(), Dense() as dense:
            before = done.get(producer.inputs[0])
            if before is None or users[before.name] != 1:
                return None
            kernel = dense.kernel.reshape(*before.shape, -1)
            if isinstance(before.op, Transpose):
                order = [i - 1 for i in before.op.order[1:]]
                kernel = kernel.transpose(*np.argsort(order), len(order))
            elif isinstance(before.op, Affine):
                dense = replace(dense, bias=dense.bias + _flow(before.op.offset, kernel))
                kernel = kernel * np.broadcast_to(before.op.scale, before.shape)[..., None]
            else:
                return None
            done[producer.name] = replace(producer, inputs=before.inputs)
            return replace(node, op=replace(dense, kernel=kernel.reshape(dense.kernel.shape)))
    return None if op is None else replace(node, op=op, inputs=producer.inputs)


def _scaled(op: Conv | Depthwise | Dense | Affine, affine: Affine) -> Operation:
    """``affine`` after ``op``."""
    if isinstance(op, Affine):
        return Affine(op.scale * affine.scale, op.offset * affine.scale + affine.offset)
    scale = np.broadcast_to(affine.scale, op.bias.shape)
    shape = op.kernel.shape[-2:] if isinstance(op, Depthwise) else scale.shape
    return replace(op, kernel=op.kernel * scale.reshape(shape), bias=op.bias * scale + affine.offset)


def _prescaled(affine: Affine, op: Conv | Dense, shape: tuple[int, ...]) -> Operation | None:
    """``affine`` before ``op``. An offset cannot pass into a padded convolution: the padding has none."""
    if isinstance(op, Conv):
        unpadded = op.padding in ("VALID", ((0, 0), (0, 0))) or tuple(op.kernel.shape[:2]) == (1, 1)
        if op.groups != 1 or not (unpadded or not np.any(affine.offset)):
            return None
    kernel = op.kernel * np.broadcast_to(affine.scale, shape[-1:])[:, None]
    return replace(op, kernel=kernel, bias=op.bias + _flow(affine.offset, op.kernel))


def _flow(offset: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a constant ``offset`` of the input adds to the output of a kernel [..., in, out]."""
    summed = kernel.reshape(-1, *kernel.shape[-2:]).sum(0)
    return np.asarray(np.broadcast_to(offset, summed.shape[:1]) @ summed, np.float32)


def _convolved(first: Conv, second: Conv) -> Conv | None:
    """A 1x1 convolution and the one before it as one, when that does not cost more."""
    if second.kernel.shape[:2] != (1, 1) or second.strides != (1, 1) or second.groups != 1 or first.groups != 1:
        return None
    if second.padding not in ("VALID", "SAME", ((0, 0), (0, 0))):
        return None
    matrix = second.kernel[0, 0]
    kernel = first.kernel @ matrix
    if kernel.size > first.kernel.size + matrix.size:
        return None
    return replace(first, kernel=kernel, bias=first.bias @ matrix + second.bias)


def _as_prelu(node: Node, done: Mapping[str, Node]) -> Node:
    """relu(x) + a * (x - |x|) as a PReLU of slope 2a; any other node as it is."""
    if node.op != Binary("add") or not all(i in done for i in node.inputs):
        return node
    for positive, scaled in (node.inputs, node.inputs[::-1]):
        relu, affine = done[positive], done[scaled]
        if relu.op != Unary("relu") or not isinstance(affine.op, Affine) or np.any(affine.op.offset):
            continue
        (x,) = relu.inputs
        difference = done.get(affine.inputs[0])
        if difference is None or difference.op != Binary("subtract") or difference.inputs[0] != x:
            continue
        absolute = done.get(difference.inputs[1])
        if absolute is not None and absolute.op == Unary("abs") and absolute.inputs == (x,):
            return replace(node, op=PRelu(2 * affine.op.scale), inputs=(x,))
    return node
