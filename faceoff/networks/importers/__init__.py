"""Weight files to differentiable TensorFlow functions. Nothing of a file is ever run: files are data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import Card, Format

Body = Callable[[tf.Tensor], tf.Tensor]
"""Images [B, height, width, 3] float32, already aligned, resized, in the card's channel order and normalised, to raw
embeddings [B, D]. A ``tf.Module``, so that a SavedModel finds its variables; differentiable; in inference mode;
any batch size."""


def load(path: Path, card: Card) -> Body:
    """The network in ``path``, read as the card says.

    Raises NETWORK_MISSING when there is no such file, UNSUPPORTED_FORMAT when it cannot be read or holds what we cannot
    run, WEIGHTS_MISMATCH when it is not the network of the card.
    """
    if not path.exists():
        raise FaceOffError(
            Reason.NETWORK_MISSING,
            f"There is no weight file for {card.name}.",
            f"Fetch it with `faceoff models fetch {card.name}`, or put your own file there.",
        )
    body: Body = _reader(card.format)(path, card)
    images = tf.TensorSpec((None, *card.input_size, 3), tf.float32)
    shape = tf.function(body).get_concrete_function(images).output_shapes
    if tuple(shape) != (None, card.embedding_size):
        raise FaceOffError(
            Reason.WEIGHTS_MISMATCH,
            f"The weight file of {card.name} gives {shape}, its card says (None, {card.embedding_size}).",
            "Correct the card, or bring the file that it describes.",
        )
    return body


def _reader(name: Format) -> Callable[[Path, Card], Any]:
    """The reader of a format. Imported when asked for: each brings its own dependencies."""
    match name:
        case Format.DLIB:
            from faceoff.networks.importers import dlib

            return dlib.read
        case Format.ONNX:
            from faceoff.networks.importers import onnx

            return onnx.read
        case Format.TFLITE:
            from faceoff.networks.importers import tflite

            return tflite.read
        case Format.KERAS_H5:
            from faceoff.networks.importers import keras

            return keras.read_model
        case Format.KERAS_WEIGHTS:
            from faceoff.networks.importers import keras

            return keras.read_weights
        case Format.FROZEN_GRAPH:
            from faceoff.networks.importers import tensorflow

            return tensorflow.read_frozen_graph
        case Format.SAVED_MODEL:
            from faceoff.networks.importers import tensorflow

            return tensorflow.read_saved_model
        case Format.TFJS:
            from faceoff.networks.importers import tfjs

            return tfjs.read
