"""TensorFlow's own files: frozen graphs (.pb) and SavedModel directories.

They are graphs of TensorFlow's operations, not Python; those that reach outside the graph are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError

from faceoff.networks.card import Card
from faceoff.networks.importers.refusal import Refusal

_refusal = Refusal(
    "This TensorFlow file cannot be used",
    "Bring a frozen inference graph with one image placeholder, or a SavedModel with one image and one embedding.",
)

_OUTSIDE = ("PyFunc", "EagerPyFunc", "File", "Save", "Restore", "Print", "Queue", "Dataset", "Iterator", "Debug")
_OUTPUT = "embeddings"  # FaceNet's own name; other graphs are searched


def read_frozen_graph(path: Path, card: Card) -> tf.Module:
    return _FrozenBody(path, card)


def read_saved_model(path: Path, card: Card) -> tf.Module:
    return _SavedBody(path, card)


class _FrozenBody(tf.Module):
    """A GraphDef whose one image placeholder is fed; switches for training are off."""

    def __init__(self, path: Path, card: Card) -> None:
        super().__init__()
        graph_def = tf.compat.v1.GraphDef()
        try:
            graph_def.ParseFromString(path.read_bytes())
        except DecodeError as error:
            raise _refusal.error("it is no GraphDef, or cut short") from error
        _refuse_outside(node.op for node in _nodes(graph_def))
        try:
            with tf.Graph().as_default() as graph:
                tf.graph_util.import_graph_def(graph_def, name="")
        except (ValueError, tf.errors.OpError) as error:
            raise _refusal.error("TensorFlow cannot import it") from error
        self._graph_def = graph_def
        self._image, self._switches = _placeholders(graph)
        self._embedding = _embedding(graph, card.embedding_size)
        self._size = card.input_size
        # One function, so that a SavedModel of many signatures holds the graph's constants once.
        self._run = tf.function(self._imported, [tf.TensorSpec((None, *card.input_size, 3), tf.float32)])

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        return self._run(images)

    def _imported(self, images: tf.Tensor) -> tf.Tensor:
        feeds = {self._image: images} | {name: tf.constant(False) for name in self._switches}
        (embeddings,) = tf.graph_util.import_graph_def(
            self._graph_def, input_map=feeds, return_elements=[self._embedding]
        )
        return embeddings


class _SavedBody(tf.Module):
    """A SavedModel's serving signature."""

    def __init__(self, path: Path, card: Card) -> None:
        super().__init__()
        try:
            self._loaded = tf.saved_model.load(path)
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise _refusal.error("TensorFlow cannot load it") from error
        if "serving_default" not in self._loaded.signatures:
            _refusal.refuse("it has no serving_default signature")
        self._signature = self._loaded.signatures["serving_default"]
        _refuse_outside(node.op for node in _nodes(self._signature.graph.as_graph_def()))
        inputs = self._signature.structured_input_signature[1]
        if len(inputs) != 1:
            _refusal.refuse(f"its serving signature has {len(inputs)} inputs")
        (self._input,) = inputs
        outputs = self._signature.structured_outputs
        vectors = [name for name, spec in outputs.items() if spec.shape.rank == 2]
        fitting = [name for name in vectors if outputs[name].shape[1] == card.embedding_size] or vectors
        if len(fitting) != 1:
            _refusal.refuse(f"its serving signature has {len(fitting)} vectors among its outputs")
        (self._output,) = fitting

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        return self._signature(**{self._input: images})[self._output]


def _nodes(graph_def: Any) -> Iterable[Any]:
    """The nodes of a graph and of the functions that it calls."""
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


def _refuse_outside(operations: Iterable[str]) -> None:
    for operation in operations:
        if any(word in operation for word in _OUTSIDE):
            _refusal.refuse(f"it has the operation {operation}, which reaches outside the graph")


def _placeholders(graph: tf.Graph) -> tuple[str, list[str]]:
    """The image's placeholder and the boolean ones, by tensor name."""
    placeholders = [op.outputs[0] for op in graph.get_operations() if op.type.startswith("Placeholder")]
    images = [t.name for t in placeholders if t.dtype == tf.float32 and t.shape.rank in (None, 4)]
    if len(images) != 1:
        _refusal.refuse(f"it has {len(images)} image placeholders")
    return images[0], [t.name for t in placeholders if t.dtype == tf.bool]


def _embedding(graph: tf.Graph, size: int) -> str:
    """FaceNet's output by its name, else the one end of the graph that is a vector of ``size``."""
    operations = graph.get_operations()
    named = [op.outputs[0].name for op in operations if op.name == _OUTPUT]
    if named:
        return str(named[0])
    ends = [op.outputs[0] for op in operations if op.outputs and not any(t.consumers() for t in op.outputs)]
    vectors = [t.name for t in ends if t.shape.rank == 2 and t.shape[1] in (None, size)]
    if len(vectors) != 1:
        _refusal.refuse(f"it has {len(vectors)} vectors of {size} at its ends")
    return str(vectors[0])
