"""One loaded SavedModel, run the way TensorFlow Serving runs it: through Session.run, which a deadline can stop."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from faceoff.networks.session import ModelSession, Signature
from faceoff.rpc import warmup
from faceoff.rpc.serving import INT32_MAX, decode

MOST_WARM_UPS = 1000
DEFAULT_SIGNATURE = "serving_default"


class ServingError(Exception):
    """An answer that is not OK, with the code and the words of TensorFlow Serving."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SavedModel:
    """The signatures of one version folder. Raises whatever TensorFlow raises when the folder cannot be loaded."""

    def __init__(self, folder: Path, warm_up: bool = True) -> None:
        self._session = ModelSession(folder)
        self.definitions = self._session.definitions
        try:
            if warm_up and (folder / warmup.FILE).exists():
                self._warm_up(folder / warmup.FILE)
        except BaseException:
            self.close()
            raise

    def run(
        self, signature_name: str, tensors: Mapping[str, Any], filter_: Sequence[str], seconds: float | None
    ) -> dict[str, NDArray[Any]]:
        """The outputs for TensorProtos; raises ServingError.

        ``filter_`` names what is wanted; empty, it means all. ``seconds`` are left to the deadline.
        """
        signature = self._session.signatures.get(signature_name)
        if signature is None:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{signature_name}" not found.'
            )
        inputs = _inputs(signature, tensors)
        _check_filter(signature, filter_)
        if seconds is not None and seconds <= 0:
            raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        # gRPC tells a call without a deadline that it has centuries left.
        timeout = None if seconds is None else min(math.ceil(seconds * 1000), INT32_MAX)
        try:
            return self._session.run(signature_name, inputs, filter_, timeout)
        except tf.errors.OpError as error:
            raise explain(error) from error

    def close(self) -> None:
        """Free the variables. Nobody may be running it."""
        self._session.close()

    def _warm_up(self, file: Path) -> None:
        records = list(tf.data.TFRecordDataset(str(file)).take(MOST_WARM_UPS + 1).as_numpy_iterator())
        if len(records) > MOST_WARM_UPS:
            raise ValueError(f"Number of warmup records exceeds the maximum ({MOST_WARM_UPS}) at {file}")
        for record in records:
            log = PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                raise ValueError(f"Unsupported log_type for warmup: {log.WhichOneof('log_type')}")
            request = log.predict_log.request
            name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            self.run(name, request.inputs, request.output_filter, None)


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def explain(error: Exception) -> ServingError:
    """What TensorFlow's runtime said. Python puts the graph's building stack around it, which is nobody's business."""
    if not isinstance(error, tf.errors.OpError):
        return ServingError(grpc.StatusCode.UNKNOWN, str(error) or type(error).__name__)
    raw = error.__context__ if isinstance(error.__context__, tf.errors.OpError) else error
    return ServingError(_CODES[error.error_code], str(raw.message))


def _inputs(signature: Signature, tensors: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    sent, wanted = set(tensors), set(signature.inputs)
    if len(sent) != len(wanted):
        raise _invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} "
            f"len({_set(sent)}) != len({_set(wanted)}). "
            f"Sent extra: {_set(sent - wanted)}. Missing but required: {_set(wanted - sent)}."
        )
    arrays = {}
    for name, expected in signature.inputs.items():
        if name not in tensors:
            raise _invalid(
                f"Signature input alias: {name}(feed name: {expected.tensor.name}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {_set(sent)}, or default input alias set: "
            )
        try:
            array = decode(tensors[name])
        except ValueError as error:
            raise _invalid(f"tensor parsing error: {name}: {error}") from error
        if array.dtype != expected.dtype:
            raise _invalid(f"input {name} must be {expected.dtype}, not {array.dtype}")
        if not expected.shape.is_compatible_with(array.shape):
            raise _invalid(f"input {name} must have shape {expected.shape}, not {tf.TensorShape(array.shape)}")
        arrays[name] = array
    return arrays


def _check_filter(signature: Signature, filter_: Sequence[str]) -> None:
    for name in filter_:
        if name not in signature.outputs:
            raise _invalid(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {_set(signature.outputs)}."
            )
    repeated = [name for name, count in Counter(filter_).items() if count > 1]
    if repeated:
        raise _invalid(f"duplicate output tensor alias: {repeated[0]}")


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def _set(names: Any) -> str:
    return "{" + ",".join(sorted(names)) + "}"
