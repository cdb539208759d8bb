"""What Face-Off relies on of TensorFlow Serving, asked of a real one: FACEOFF_MODEL_SERVER=host:port, started as in the chart,
with FACEOFF_MODEL (sface) among its models and no users. Without that, of our stand-in, so that the questions stay right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from faceoff.rpc.serving import decode
from tests.services.test_modelserver import Client, entry, refused, serve
from tests.services.tiny_networks import put, request

MODEL = os.environ.get("FACEOFF_MODEL", "sface")
MB = 2**20


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    if address := os.environ.get("FACEOFF_MODEL_SERVER"):
        yield Client(address)
        return
    store = tmp_path_factory.mktemp("store")
    put(store, MODEL, 1)
    server, _ = serve(store=store, enable_grpc_healthcheck_service=True)
    with server:
        yield Client(server.address)


@pytest.fixture(scope="module")
def inputs(client: Client) -> dict[str, tuple[int, ...]]:
    """Of the default signature: the shape of one example, by name. All are float32, and share their first dimension."""
    message = GetModelMetadataRequest(metadata_field=["signature_def"])
    message.model_spec.name = MODEL
    signatures = SignatureDefMap()
    assert client.prediction.GetModelMetadata(message, timeout=30).metadata["signature_def"].Unpack(signatures)
    told = signatures.signature_def["serving_default"].inputs
    return {name: tuple(each.size for each in one.tensor_shape.dim)[1:] for name, one in told.items()}


def message(inputs: dict[str, tuple[int, ...]], count: int = 1) -> Any:
    chance = np.random.default_rng(0)
    return request(MODEL, {name: chance.random((count, *shape), np.float32) for name, shape in inputs.items()})


def test_the_default_signature_answers_in_contents_of_tensors(
    client: Client, inputs: dict[str, tuple[int, ...]]
) -> None:
    answer = client.predict(message(inputs, 2), timeout=120)
    assert (answer.model_spec.name, answer.model_spec.signature_name) == (MODEL, "serving_default")
    assert answer.model_spec.version.value
    assert {decode(tensor).shape[0] for tensor in answer.outputs.values()} == {2}
    assert all(tensor.tensor_content for tensor in answer.outputs.values())


def test_messages_beyond_grpcs_own_limit(client: Client, inputs: dict[str, tuple[int, ...]]) -> None:
    bytes_each = sum(4 * int(np.prod(shape)) for shape in inputs.values())
    large = message(inputs, 8 * MB // bytes_each + 1)
    assert large.ByteSize() > 8 * MB
    assert client.predict(large, timeout=120).outputs


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"name": ""}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "nobody"}, grpc.StatusCode.NOT_FOUND),
        ({"version_label": "nobody"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"signature_name": "nobody"}, grpc.StatusCode.FAILED_PRECONDITION),
    ],
    ids=str,
)
def test_what_is_not_there(
    client: Client, inputs: dict[str, tuple[int, ...]], spec: dict[str, str], code: grpc.StatusCode
) -> None:
    wrong = message(inputs)
    for field, value in spec.items():
        setattr(wrong.model_spec, field, value)
    assert refused(lambda: client.predict(wrong))[0] == code


def test_inputs_of_no_signature(client: Client, inputs: dict[str, tuple[int, ...]]) -> None:
    for wrong in (message({}), message({**inputs, "nobody": (1,)})):
        assert refused(lambda wrong=wrong: client.predict(wrong))[0] == grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[misc]


def test_status(client: Client) -> None:
    states = client.states(MODEL)
    assert ModelVersionStatus.AVAILABLE in states.values()
    assert client.states(MODEL, label="nobody") == states, "a label is not looked at"
    assert refused(lambda: client.states("nobody"))[0] == grpc.StatusCode.NOT_FOUND


def test_health_as_the_probes_ask_for_it(client: Client) -> None:
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service="ModelService"), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_configuration_that_is_refused_changes_nothing(client: Client) -> None:
    where = f"/store/models/{MODEL}"
    for wrong in (entry(MODEL, where) * 2, entry(MODEL, f"models/{MODEL}")):
        assert refused(lambda wrong=wrong: client.reload(wrong))[0] == grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[misc]
        assert ModelVersionStatus.AVAILABLE in client.states(MODEL).values()
