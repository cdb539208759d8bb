"""Warm-up records: calls that TensorFlow Serving makes of a version before it serves it, so that no caller waits for what a
first call costs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from faceoff.attacks.task import Call
from faceoff.rpc.serving import encode

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
"""Where they lie in a version's folder."""


def write(folder: Path, model: str, calls: Iterable[Call]) -> None:
    """Let the version in ``folder`` be warmed up by ``calls``, a face each."""
    (folder / FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(folder / FILE)) as records:
        for call in calls:
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = model, call.signature
            request.output_filter.extend(call.outputs)
            for name, value in call.inputs.items():
                encode(np.asarray(value)[None], request.inputs[name])
            records.write(log.SerializeToString())
