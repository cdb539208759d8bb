"""Real SavedModels, small enough to be made and served in a test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from faceoff.rpc.serving import encode


class Network(tf.Module):
    """``scale`` tells versions apart."""

    def __init__(self, scale: float) -> None:
        self.scale = tf.Variable(scale)

    def embed(self, x: Any) -> dict[str, Any]:
        # ``picked`` fails when x is not 0 or 1: that shows whether it was computed.
        return {"scaled": x * self.scale, "picked": tf.gather([0.0, 1.0], tf.cast(x, tf.int32)) * self.scale}

    def slow(self, x: Any, k: Any) -> dict[str, Any]:
        return {"y": tf.while_loop(lambda i, y: i < k, lambda i, y: [i + 1, tf.tanh(y @ y)], [tf.constant(0), x])[1]}

    def types(self, a: Any, b: Any, c: Any) -> dict[str, Any]:
        return {"a": a + 1, "b": b + 1, "c": tf.logical_not(c)}

    def large(self, images: Any) -> dict[str, Any]:
        return {"images": images * 2.0}


@cache
def _template(scale: float) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="faceoff-tiny-"))
    network = Network(scale)
    spec = tf.TensorSpec
    signatures = {
        "serving_default": tf.function(network.embed).get_concrete_function(x=spec([None, 3])),
        "slow": tf.function(network.slow).get_concrete_function(x=spec([None, None]), k=spec([], tf.int32)),
        "types": tf.function(network.types).get_concrete_function(
            a=spec([None], tf.int32), b=spec([None], tf.int64), c=spec([None], tf.bool)
        ),
        "large": tf.function(network.large).get_concrete_function(images=spec([None, None, None, 3])),
    }
    tf.saved_model.save(network, str(folder), signatures=signatures)
    return folder


def put(store: Path, name: str, version: int) -> Path:
    """Export a network that multiplies by its version, renamed into place as the exporter does."""
    writing = store / name / ".writing"
    shutil.copytree(_template(float(version)), writing)
    return writing.rename(store / name / str(version))


def request(
    model: str, inputs: Mapping[str, NDArray[Any]], signature: str = "", outputs: Sequence[str] = ()
) -> PredictRequest:
    message = PredictRequest(output_filter=outputs)
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    for name, array in inputs.items():
        encode(array, message.inputs[name])
    return message


ONES = {"x": np.ones((2, 3), np.float32)}
