"""The networks behind TensorFlow Serving's gRPC API, be it our stand-in or the real server."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from faceoff.errors import FaceOffError, Reason
from faceoff.types import Float

INT32_MAX = 2**31 - 1

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    # A batch of crops is larger than gRPC's default limit of 4 MB.
    ("grpc.max_send_message_length", INT32_MAX),
    ("grpc.max_receive_message_length", INT32_MAX),
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    # A server that restarts is found again within a second or two, and an address that swallows packets is given up.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # DNS is asked when a connection ends. gRPC would not do so twice in half a minute, which is longer than a call waits for
    # a server that moved.
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    # TensorFlow Serving keeps gRPC's default and hangs up on clients that ping more often than every five minutes.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.enable_http_proxy", 0),
)
STATUS_TIMEOUT = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0

_FIELDS: dict[int, tuple[str, type[np.generic]]] = {
    types_pb2.DT_FLOAT: ("float_val", np.float32),
    types_pb2.DT_DOUBLE: ("double_val", np.float64),
    types_pb2.DT_INT32: ("int_val", np.int32),
    types_pb2.DT_UINT8: ("int_val", np.uint8),
    types_pb2.DT_INT64: ("int64_val", np.int64),
    types_pb2.DT_BOOL: ("bool_val", np.bool_),
}
_ENUMS = {np.dtype(dtype): enum for enum, (_, dtype) in _FIELDS.items()}


def encode(array: NDArray[Any], proto: TensorProto, typed: bool = False) -> None:
    """Fill an empty tensor, dtype kept, as ``tensor_content`` or (``typed``) as ``float_val`` and its kind.

    Raises ValueError for a dtype that no network of ours has (strings, half floats).
    """
    if array.dtype not in _ENUMS:
        raise ValueError(f"tensors of {array.dtype} are not supported")
    proto.dtype = _ENUMS[array.dtype]
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if typed:
        getattr(proto, _FIELDS[proto.dtype][0]).extend(array.ravel().tolist())
    else:
        proto.tensor_content = array.tobytes()


def decode(proto: TensorProto) -> NDArray[Any]:
    """The array of a tensor, read-only where it could be had without a copy; ValueError for a broken tensor.

    As TensorFlow has it, typed fields may hold fewer values than the shape: the last one fills the rest.
    """
    if proto.dtype not in _FIELDS:
        raise ValueError(f"tensors of type {proto.dtype} are not supported")
    field, dtype = _FIELDS[proto.dtype]
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("the tensor's shape is not known")
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    values: NDArray[Any] = np.array(getattr(proto, field), dtype)
    count = math.prod(shape)
    # Beyond INT32_MAX bytes the shape is a lie: no message could have carried such a tensor.
    if len(values) > count or (count and not len(values)) or count * values.itemsize > INT32_MAX:
        raise ValueError(f"{len(values)} values do not fill the shape {shape}")
    if len(values) == 1:
        return np.broadcast_to(values[0], shape)
    return np.concatenate([values, np.repeat(values[-1:], count - len(values))]).reshape(shape)


class ServingNetworks:
    """``faceoff.rooms.Networks`` over gRPC. Thread safe; ``close`` it, or use it in a ``with``.

    ``address`` is ``host:port``, or ``dns:///name:port`` of a headless service: calls go round its addresses. A server
    that refuses connections (TensorFlow Serving does until its models are loaded) is tried again for up to
    ``connect_timeout`` seconds, never beyond a call's own timeout.
    """

    def __init__(self, address: str, *, connect_timeout: float = 15.0) -> None:
        self._address = address
        self._connect_timeout = connect_timeout
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._predict = PredictionServiceStub(self._channel).Predict
        self._status = ModelServiceStub(self._channel).GetModelStatus
        self._closed = threading.Event()

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Float],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Float]:
        """Run one signature of a model's newest version; no ``outputs`` means all. The arrays are read-only.

        Raises NETWORK_MISSING, DEADLINE_TOO_SHORT (the work did not end within ``timeout`` seconds),
        SURROGATE_UNAVAILABLE, INVALID_ARGUMENT (a dtype that cannot be sent), CANCELLED or INTERNAL.
        """
        request = PredictRequest(output_filter=outputs)
        request.model_spec.name = model
        request.model_spec.signature_name = signature
        try:
            for name, value in inputs.items():
                encode(np.asarray(value), request.inputs[name])
        except ValueError as error:
            raise FaceOffError(Reason.INVALID_ARGUMENT, f"Input {name} of network {model}: {error}.") from None
        response = self._ask(self._predict, request, model, timeout)
        try:
            return {name: decode(tensor) for name, tensor in response.outputs.items()}
        except ValueError as error:
            raise FaceOffError(Reason.INTERNAL, f"Network {model} answered with a broken tensor: {error}.") from None

    def version(self, model: str) -> str:
        """The newest version that is loaded; SURROGATE_UNAVAILABLE when the server knows the model but serves none."""
        request = GetModelStatusRequest()
        request.model_spec.name = model
        response = self._ask(self._status, request, model, self._connect_timeout + STATUS_TIMEOUT)
        available = [one.version for one in response.model_version_status if one.state == ModelVersionStatus.AVAILABLE]
        if not available:
            raise FaceOffError(
                Reason.SURROGATE_UNAVAILABLE,
                f"The model server at {self._address} has no loaded version of network {model}.",
                "Check the network with `faceoff models check` and read the model server's log.",
            )
        return str(max(available))

    def close(self) -> None:
        """Calls that are under way end with CANCELLED."""
        self._closed.set()
        self._channel.close()

    def __enter__(self) -> ServingNetworks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: Callable[..., Any], request: Any, model: str, timeout: float) -> Any:
        """One RPC; an UNAVAILABLE server is asked again, which is safe because the networks keep no state."""
        deadline = time.monotonic() + timeout
        patience = min(deadline, time.monotonic() + self._connect_timeout)
        pause = FIRST_PAUSE
        while True:
            try:
                return method(request, timeout=max(deadline - time.monotonic(), 0.0))
            except grpc.RpcError as error:
                rest = patience - time.monotonic()
                code = error.code()
                if code is grpc.StatusCode.CANCELLED and not self._closed.is_set():
                    code = grpc.StatusCode.UNAVAILABLE  # by a server that stops
                if code is not grpc.StatusCode.UNAVAILABLE or rest <= 0:
                    raise self._failure(code, error.details(), model, timeout) from None
            except ValueError:  # gRPC's answer when the channel is closed
                if not self._closed.is_set():
                    raise
                raise self._failure(grpc.StatusCode.CANCELLED, "", model, timeout) from None
            # Jitter, so that many attackers do not come back to a restarted server at once.
            self._closed.wait(min(rest, pause * random.uniform(0.5, 1.0)))  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE)

    def _failure(self, code: grpc.StatusCode, details: str | None, model: str, timeout: float) -> FaceOffError:
        server = f"The model server at {self._address}"
        match code:
            case grpc.StatusCode.NOT_FOUND:
                return FaceOffError(
                    Reason.NETWORK_MISSING, f"{server} does not have network {model}.", "Run `faceoff models fetch`."
                )
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return FaceOffError(
                    Reason.DEADLINE_TOO_SHORT,
                    f"Network {model} did not answer within {timeout:.3g} s.",
                    "Allow more time, or give it fewer faces at once.",
                )
            case grpc.StatusCode.UNAVAILABLE:
                return FaceOffError(
                    Reason.SURROGATE_UNAVAILABLE,
                    f"{server} does not answer.",
                    "Start `faceoff serve`, or check the address.",
                )
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                return FaceOffError(
                    Reason.SURROGATE_UNAVAILABLE,
                    f"{server} ran out of memory.",
                    "Give it fewer faces at once, or a larger device.",
                )
            case grpc.StatusCode.CANCELLED:
                return FaceOffError(Reason.CANCELLED, f"The call to network {model} was cancelled.")
            case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.FAILED_PRECONDITION:
                # Written by the server for its callers: its first line names the input or signature that is wrong.
                said = (details or "").partition("\n")[0][:200]
                return FaceOffError(
                    Reason.INTERNAL,
                    f"{server} refused a call of network {model}: {said}",
                    "The server's networks may be older than this program: run `faceoff models fetch`.",
                )
        return FaceOffError(
            Reason.INTERNAL, f"{server} failed on network {model} ({code.name}).", "Read the model server's log."
        )
