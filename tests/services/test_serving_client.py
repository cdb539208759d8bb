"""The client against the stand-in, against a server that misbehaves, and against none."""

from __future__ import annotations

import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Networks
from faceoff.rpc.serving import ServingNetworks, decode, encode
from services.modelserver import RunningServer, start
from services.modelserver.settings import Settings
from services.modelserver.store import Store
from tests.services.tiny_networks import ONES, put


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    put(folder, "tiny", 1)
    return folder


@pytest.fixture(scope="module")
def networks(folder: Path) -> Iterator[ServingNetworks]:
    with start(folder) as server, ServingNetworks(server.address) as networks:
        yield networks


def failure(networks: ServingNetworks, *arguments: Any, **named: Any) -> FaceOffError:
    with pytest.raises(FaceOffError) as caught:
        networks.call(*arguments, **named)
    return caught.value


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class TestCall:
    def test_a_call(self, networks: Networks) -> None:
        answer = networks.call("tiny", "serving_default", ONES)
        assert set(answer) == {"scaled", "picked"}
        np.testing.assert_array_equal(answer["scaled"], ONES["x"])
        assert set(networks.call("tiny", "serving_default", ONES, outputs=("picked",))) == {"picked"}
        assert networks.version("tiny") == "1"

    def test_dtypes(self, networks: ServingNetworks) -> None:
        inputs: Any = {"a": np.array([1], np.int32), "b": np.array([1], np.int64), "c": np.array([True])}
        answer = networks.call("tiny", "types", inputs)
        assert {name: str(array.dtype) for name, array in answer.items()} == {"a": "int32", "b": "int64", "c": "bool"}

    def test_large_and_strided_arrays(self, networks: ServingNetworks) -> None:
        images = np.random.default_rng(0).random((12, 200, 200, 3), np.float32)[:, ::-1, ::-1]
        np.testing.assert_array_equal(networks.call("tiny", "large", {"images": images})["images"], images * 2)

    def test_many_threads(self, networks: ServingNetworks) -> None:
        def ask(number: int) -> float:
            x = np.full((1, 3), number % 2, np.float32)
            return float(networks.call("tiny", "serving_default", {"x": x})["scaled"][0, 0])

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(64))) == [number % 2 for number in range(64)]

    def test_errors(self, networks: ServingNetworks) -> None:
        missing = failure(networks, "none", "serving_default", ONES)
        assert (missing.reason, missing.hint) == (Reason.NETWORK_MISSING, "Run `faceoff models fetch`.")
        with pytest.raises(FaceOffError) as caught:
            networks.version("none")
        assert caught.value.reason is Reason.NETWORK_MISSING
        forever: Any = {"x": np.eye(64, dtype=np.float32), "k": np.array(2**31 - 1, np.int32)}
        assert failure(networks, "tiny", "slow", forever, timeout=0.3).reason is Reason.DEADLINE_TOO_SHORT
        wrong = failure(networks, "tiny", "no", ONES)
        assert wrong.reason is Reason.INTERNAL
        assert 'Serving signature key "no" not found.' in wrong.message
        assert failure(networks, "tiny", "large", {"images": np.array(["a"])}).reason is Reason.INVALID_ARGUMENT


class Misbehaving(PredictionServiceServicer, ModelServiceServicer):
    """Answers with typed fields, as TensorFlow Serving does, or with what the test puts into ``code``."""

    code: grpc.StatusCode | None = None
    calls = 0

    def Predict(self, request: Any, context: Any) -> PredictResponse:  # noqa: N802
        self.calls += 1
        if context.time_remaining() > 3600:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no deadline")
        if self.code:
            context.abort(self.code, 'words\nTraceback (most recent call last):\n  File "secret.py"')
        answer = PredictResponse()
        encode(decode(request.inputs["x"]), answer.outputs["y"], typed=True)
        return answer

    def GetModelStatus(self, request: Any, context: Any) -> GetModelStatusResponse:  # noqa: N802
        answer = GetModelStatusResponse()
        for version, state in ((3, ModelVersionStatus.END), (2, ModelVersionStatus.LOADING)):
            answer.model_version_status.add(version=version, state=state)
        return answer


@pytest.fixture
def misbehaving() -> Iterator[tuple[Misbehaving, str]]:
    servicer = Misbehaving()
    server = grpc.server(ThreadPoolExecutor(2))
    add_PredictionServiceServicer_to_server(servicer, server)
    add_ModelServiceServicer_to_server(servicer, server)
    number = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{number}"
    server.stop(None).wait()


class TestForeignServer:
    def test_typed_fields(self, misbehaving: tuple[Misbehaving, str]) -> None:
        with ServingNetworks(misbehaving[1]) as networks:
            np.testing.assert_array_equal(networks.call("m", "s", ONES)["y"], ONES["x"])

    def test_no_version_is_loaded(self, misbehaving: tuple[Misbehaving, str]) -> None:
        with ServingNetworks(misbehaving[1]) as networks, pytest.raises(FaceOffError) as caught:
            networks.version("m")
        assert caught.value.reason is Reason.SURROGATE_UNAVAILABLE

    @pytest.mark.parametrize(
        ("code", "reason", "calls"),
        [
            (grpc.StatusCode.UNAVAILABLE, Reason.SURROGATE_UNAVAILABLE, range(3, 8)),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.SURROGATE_UNAVAILABLE, range(1, 2)),
            (grpc.StatusCode.UNKNOWN, Reason.INTERNAL, range(1, 2)),
            (grpc.StatusCode.INTERNAL, Reason.INTERNAL, range(1, 2)),
            (grpc.StatusCode.INVALID_ARGUMENT, Reason.INTERNAL, range(1, 2)),
            (grpc.StatusCode.CANCELLED, Reason.SURROGATE_UNAVAILABLE, range(3, 8)),
        ],
    )
    def test_codes(
        self, misbehaving: tuple[Misbehaving, str], code: grpc.StatusCode, reason: Reason, calls: range
    ) -> None:
        servicer, address = misbehaving
        servicer.code = code
        with ServingNetworks(address, connect_timeout=1.0) as networks:
            error = failure(networks, "m", "s", ONES)
        assert error.reason is reason
        assert servicer.calls in calls
        assert "Traceback" not in str(error)
        assert "secret" not in str(error)


class NameServer(socketserver.UDPServer):
    """Says of every name what the test puts into ``addresses``. ``of`` is a name as gRPC resolves it here."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        super().__init__(("127.0.0.1", 0), Question)

    def of(self, number: int) -> str:
        return f"dns://127.0.0.1:{self.server_address[1]}/servers.test:{number}"

    def answer(self, message: bytes) -> bytes:
        question = message[12 : message.index(0, 12) + 5]
        ipv4 = question.endswith(b"\0\1\0\1")
        records = [b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(one) for one in self.addresses if ipv4]
        return message[:2] + b"\x84\0\0\1\0%c\0\0\0\0" % len(records) + question + b"".join(records)


class Question(socketserver.BaseRequestHandler):
    server: NameServer

    def handle(self) -> None:
        message, replies = self.request
        replies.sendto(self.server.answer(message), self.client_address)


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer("127.0.0.2") as names:
        thread = threading.Thread(target=names.serve_forever, args=(0.05,))
        thread.start()
        yield names
        names.shutdown()
        thread.join()


class TestServersComeAndGo:
    def test_a_new_one_gets_calls_and_an_old_one_may_end(self, tmp_path: Path, names: NameServer) -> None:
        """As behind a headless Service, whose pods have the connections' age that the chart gives them, here a shorter one."""
        number = port()

        def serve(host: str, version: int) -> RunningServer:
            put(tmp_path / host, "tiny", version)  # the version tells who answered
            settings = Settings(
                store=tmp_path / host,
                host=host,
                port=number,
                grpc_channel_arguments=(("grpc.max_connection_age_ms", 300),),
            )
            store = Store(settings)
            store.start()
            return RunningServer(settings, store)

        with ServingNetworks(names.of(number)) as networks, serve("127.0.0.3", 2):

            def ask() -> float:
                return float(networks.call("tiny", "serving_default", ONES, timeout=10)["scaled"][0, 0])

            with serve("127.0.0.2", 1):
                assert {ask() for _ in range(10)} == {1.0}
                names.addresses = ("127.0.0.2", "127.0.0.3")
                end = time.monotonic() + 30
                while ask() != 2.0:
                    assert time.monotonic() < end, "the new server gets no calls"
                names.addresses = ("127.0.0.3",)
            assert {ask() for _ in range(10)} == {2.0}


class TestNoServer:
    def test_nobody_listens(self) -> None:
        with ServingNetworks(f"127.0.0.1:{port()}", connect_timeout=0.5) as networks:
            begun = time.monotonic()
            error = failure(networks, "m", "s", ONES)
            assert time.monotonic() - begun < 5
        assert error.reason is Reason.SURROGATE_UNAVAILABLE
        assert "faceoff serve" in error.hint

    def test_the_deadline_bounds_the_tries(self) -> None:
        with ServingNetworks(f"127.0.0.1:{port()}", connect_timeout=60.0) as networks:
            begun = time.monotonic()
            assert failure(networks, "m", "s", ONES, timeout=0.5).reason is Reason.SURROGATE_UNAVAILABLE
            assert time.monotonic() - begun < 5

    def test_closing_ends_a_call(self) -> None:
        networks = ServingNetworks(f"127.0.0.1:{port()}", connect_timeout=60.0)
        threading.Timer(0.3, networks.close).start()
        assert failure(networks, "m", "s", ONES).reason is Reason.CANCELLED
        assert failure(networks, "m", "s", ONES).reason is Reason.CANCELLED

    def test_a_killed_server_is_replaced_under_calls(self, folder: Path) -> None:
        """One server dies by kill -9 in the middle of calls; another takes its port; no caller notices."""
        number = port()
        process = subprocess.Popen(
            [sys.executable, "-m", "services.modelserver", f"--port={number}", f"--model_store={folder}"],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        answers: list[float] = []
        errors: list[FaceOffError] = []
        stop = threading.Event()
        with ServingNetworks(f"127.0.0.1:{number}", connect_timeout=60.0) as networks:

            def ask() -> None:
                while not stop.is_set():
                    try:
                        answers.append(float(networks.call("tiny", "serving_default", ONES)["scaled"][0, 0]))
                    except FaceOffError as error:
                        errors.append(error)

            askers = [threading.Thread(target=ask) for _ in range(2)]
            try:
                assert networks.version("tiny") == "1"  # the first try meets a refused connection: it is starting
                for asker in askers:
                    asker.start()
                time.sleep(0.3)
                process.kill()
                process.wait()
                before = len(answers)
                with start(folder, number):
                    end = time.monotonic() + 20
                    while len(answers) < before + 20 and time.monotonic() < end:
                        time.sleep(0.02)
                    stop.set()
                    for asker in askers:
                        asker.join()
            finally:
                stop.set()
                process.kill()
                process.wait()
        assert errors == []
        assert before > 0
        assert len(answers) >= before + 20


class TestTensors:
    @settings(max_examples=60, deadline=None)
    @given(
        array=st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.int64, np.bool_]).flatmap(
            lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
        ),
        typed=st.booleans(),
    )
    def test_there_and_back(self, array: NDArray[Any], typed: bool) -> None:
        proto = TensorProto()
        encode(array, proto, typed)
        back = decode(TensorProto.FromString(proto.SerializeToString()))
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(back, array)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "dtype: DT_STRING",
            "dtype: DT_FLOAT tensor_shape { unknown_rank: true }",
            "dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1",
            "dtype: DT_FLOAT tensor_shape { dim { size: 2 } }",
            "dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: [1, 2]",
            "dtype: DT_FLOAT tensor_shape { dim { size: 9000000000000 } dim { size: 9000000 } } float_val: 1",
            'dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: "12345"',
            'dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: "1234"',
        ],
    )
    def test_broken_tensors(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            decode(text_format.Parse(text, TensorProto()))
