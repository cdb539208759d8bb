"""TensorFlow Serving's two gRPC services over the store: convert, call, convert."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_management_pb2, predict_pb2
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceServicer

from faceoff.rpc.serving import encode
from services.modelserver.savedmodel import DEFAULT_SIGNATURE, ServingError
from services.modelserver.store import Store

LONGEST_MESSAGE = 1024


class Prediction(PredictionServiceServicer):
    """Predict and GetModelMetadata; Classify, Regress and MultiInference stay UNIMPLEMENTED."""

    def __init__(self, store: Store, tensor_content: bool) -> None:
        self._store = store
        self._typed = not tensor_content

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        with _answering(context, request):
            name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            with self._store.use(request.model_spec) as (model, version):
                outputs = model.run(name, request.inputs, request.output_filter, context.time_remaining())
            response = predict_pb2.PredictResponse()
            _describe(response.model_spec, request.model_spec.name, version)
            response.model_spec.signature_name = name
            for alias, array in outputs.items():
                encode(array, response.outputs[alias], self._typed)
            return response

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        with _answering(context, request):
            if not request.metadata_field:
                raise _invalid("GetModelMetadataRequest must specify at least one metadata_field")
            for field in request.metadata_field:
                if field != "signature_def":
                    raise _invalid(f"Metadata field {field} is not supported")
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            signatures = get_model_metadata_pb2.SignatureDefMap()
            with self._store.use(request.model_spec) as (model, version):
                for name, definition in model.definitions.items():
                    signatures.signature_def[name].CopyFrom(definition)
            _describe(response.model_spec, request.model_spec.name, version)
            response.metadata["signature_def"].Pack(signatures)
            return response


class Models(ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        with _answering(context, request):
            response = get_model_status_pb2.GetModelStatusResponse()
            for version, state, failure in self._store.status(request.model_spec):
                status = response.model_version_status.add(version=version, state=state).status
                status.error_code = failure.code.value[0] if failure else 0
                status.error_message = failure.message if failure else ""
            return response

    def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        response = model_management_pb2.ReloadConfigResponse()
        try:
            if request.config.WhichOneof("config") != "model_config_list":
                raise _invalid(
                    "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                    "Only ModelConfigList is currently supported"
                )
            self._store.reload(request.config.model_config_list, context.is_active)
        except ServingError as error:  # stands in the response and in the RPC's status
            response.status.error_code = error.code.value[0]
            response.status.error_message = error.message
            context.set_code(error.code)
            context.set_details(_cut(error.message))
        return response


@contextmanager
def _answering(context: Any, request: Any) -> Iterator[None]:
    try:
        if not request.HasField("model_spec"):
            raise _invalid("Missing ModelSpec")
        yield
    except ServingError as error:
        context.abort(error.code, _cut(error.message))


def _describe(spec: Any, name: str, version: int) -> None:
    spec.name = name
    spec.version.value = version


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + "...TRUNCATED"


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
