"""What a client of TensorFlow Serving depends on, asked of the stand-in through the real stubs over a real socket."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from numpy.typing import NDArray
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.config.model_server_config_pb2 import ModelConfigList, ModelServerConfig

from faceoff.attacks import export
from faceoff.networks.session import ModelSession
from faceoff.rpc import warmup
from faceoff.rpc.serving import CHANNEL_OPTIONS, decode
from faceoff.types import Array
from services.modelserver import RunningServer, savedmodel
from services.modelserver.savedmodel import ServingError
from services.modelserver.servicer import Models
from services.modelserver.settings import Settings, parse, single
from services.modelserver.store import Store
from tests.services.tiny_networks import ONES, put, request
from tests.unit import tiny

AVAILABLE, END = ModelVersionStatus.AVAILABLE, ModelVersionStatus.END
Code = grpc.StatusCode


class Client:
    """The real stubs."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self.prediction = PredictionServiceStub(self.channel)
        self.models = ModelServiceStub(self.channel)

    def predict(self, message: Any, timeout: float = 30.0) -> Any:
        return self.prediction.Predict(message, timeout=timeout)

    def scale(self, model: str) -> float:
        return float(decode(self.predict(request(model, ONES)).outputs["scaled"])[0, 0])

    def states(self, model: str, **spec: Any) -> dict[int, int]:
        message = GetModelStatusRequest()
        message.model_spec.name = model
        message.model_spec.version_label = spec.get("label", "")
        if "version" in spec:
            message.model_spec.version.value = spec["version"]
        answer = self.models.GetModelStatus(message, timeout=10)
        return {status.version: status.state for status in answer.model_version_status}

    def reload(self, text: str, timeout: float = 30.0) -> Any:
        message = ReloadConfigRequest()
        text_format.Parse(text, message.config.model_config_list)
        return self.models.HandleReloadConfigRequest(message, timeout=timeout)


def entry(name: str, path: Path | str, more: str = "") -> str:
    return f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" {more} }}\n'


def serve(**settings: Any) -> tuple[RunningServer, Store]:
    chosen = Settings(port=0, file_system_poll_wait_seconds=0.1, **settings)
    store = Store(chosen)
    store.start()
    return RunningServer(chosen, store), store


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details() or ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    put(folder, "tiny", 1)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    server, _ = serve(store=folder)
    with server:
        client = Client(server.address)
        yield client
        client.channel.close()


class TestPredict:
    def test_empty_signature_is_the_default_and_no_filter_means_all(self, client: Client) -> None:
        answer = client.predict(request("tiny", ONES))
        spec = answer.model_spec
        assert (spec.name, spec.signature_name, spec.version.value) == ("tiny", "serving_default", 1)
        assert set(answer.outputs) == {"scaled", "picked"}
        np.testing.assert_array_equal(decode(answer.outputs["scaled"]), ONES["x"])

    def test_types_are_kept(self, client: Client) -> None:
        inputs: dict[str, NDArray[Any]] = {
            "a": np.array([1, -2], np.int32),
            "b": np.array([2**40], np.int64),
            "c": np.array([True, False]),
        }
        outputs = client.predict(request("tiny", inputs, "types")).outputs
        got = {name: decode(tensor) for name, tensor in outputs.items()}
        assert {name: array.dtype for name, array in got.items()} == {n: a.dtype for n, a in inputs.items()}
        assert got["a"].tolist() == [2, -1]
        assert got["b"].tolist() == [2**40 + 1]
        assert got["c"].tolist() == [False, True]

    def test_typed_fields_are_read(self, client: Client) -> None:
        message = request("tiny", {})
        message.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.0, 2.0, 3.0]], tf.float32))
        message.inputs["x"].tensor_content = b""
        message.inputs["x"].float_val.extend([1.0, 0.5])  # the last value fills the rest
        assert decode(client.predict(message).outputs["scaled"]).tolist() == [[1.0, 0.5, 0.5]]

    @pytest.mark.parametrize("outputs", [[], ["scaled"]])
    def test_the_whole_signature_runs_whatever_is_asked_for(self, client: Client, outputs: list[str]) -> None:
        broken = {"x": np.full((1, 3), 5, np.float32)}
        code, message = refused(lambda: client.predict(request("tiny", broken, outputs=outputs)))
        assert code == Code.INVALID_ARGUMENT
        assert "= 5 is not in [0, 2)" in message
        assert "File" not in message

    def test_only_what_is_asked_for_is_sent(self, client: Client) -> None:
        assert set(client.predict(request("tiny", ONES, outputs=["scaled"])).outputs) == {"scaled"}

    def test_messages_beyond_4_mb(self, client: Client) -> None:
        images = np.random.default_rng(0).random((16, 192, 192, 3), np.float32)
        answer = client.predict(request("tiny", {"images": images}, "large"))
        np.testing.assert_array_equal(decode(answer.outputs["images"]), images * 2)

    def test_the_deadline_stops_a_running_function(self, client: Client) -> None:
        forever = request("tiny", {"x": np.eye(64, dtype=np.float32), "k": np.array(2**31 - 1, np.int32)}, "slow")
        assert refused(lambda: client.predict(forever, timeout=0.3))[0] == Code.DEADLINE_EXCEEDED
        until(lambda: not _busy(), 5)

    def test_a_call_without_a_deadline_is_served(self, client: Client) -> None:
        assert client.prediction.Predict(request("tiny", ONES)).model_spec.version.value == 1

    @pytest.mark.parametrize(
        ("message", "code", "words"),
        [
            (request("", ONES), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
            (request("none", ONES), Code.NOT_FOUND, "Servable not found for request: Latest(none)"),
            (request("tiny", ONES, "no"), Code.FAILED_PRECONDITION, 'Serving signature key "no" not found.'),
            (request("tiny", {}), Code.INVALID_ARGUMENT, "Missing but required: {x}."),
            (request("tiny", {**ONES, "y": ONES["x"]}), Code.INVALID_ARGUMENT, "Sent extra: {y}."),
            (request("tiny", {"y": ONES["x"]}), Code.INVALID_ARGUMENT, "alias: x(feed name: serving_default_x:0)"),
            (request("tiny", {"x": np.ones((2, 3), np.int32)}), Code.INVALID_ARGUMENT, "must be float32, not int32"),
            (request("tiny", {"x": np.ones((2, 4), np.float32)}), Code.INVALID_ARGUMENT, "must have shape (None, 3)"),
            (request("tiny", {"x": np.ones(3, np.float32)}), Code.INVALID_ARGUMENT, "must have shape (None, 3)"),
            (request("tiny", ONES, outputs=["no"]), Code.INVALID_ARGUMENT, "alias not found in signature: no"),
            (request("tiny", ONES, outputs=["scaled"] * 2), Code.INVALID_ARGUMENT, "duplicate output tensor alias"),
            (request("n" * 2000, ONES), Code.NOT_FOUND, "...TRUNCATED"),
        ],
    )
    def test_wrong_requests(self, client: Client, message: Any, code: grpc.StatusCode, words: str) -> None:
        got, said = refused(lambda: client.predict(message))
        assert got == code
        assert words in said
        assert len(said) <= 1024 + len("...TRUNCATED")

    def test_unknown_versions_and_labels(self, client: Client) -> None:
        message = request("tiny", ONES)
        message.model_spec.version.value = 7
        assert refused(lambda: client.predict(message)) == (
            Code.NOT_FOUND,
            "Servable not found for request: Specific(tiny, 7)",
        )
        message.model_spec.version_label = "canary"
        assert refused(lambda: client.predict(message))[0] == Code.INVALID_ARGUMENT

    def test_a_broken_tensor(self, client: Client) -> None:
        message = request("tiny", ONES)
        message.inputs["x"].tensor_content = b"\0" * 5
        code, words = refused(lambda: client.predict(message))
        assert (code, words[:23]) == (Code.INVALID_ARGUMENT, "tensor parsing error: x")

    def test_other_methods(self, client: Client) -> None:
        assert refused(lambda: client.prediction.Classify(ClassificationRequest(), timeout=5))[0] == Code.UNIMPLEMENTED


def _busy() -> bool:
    """Whether this process used most of a core in the last 0.2 s."""
    before = time.process_time()
    time.sleep(0.2)
    return time.process_time() - before > 0.1


class TestMetadataAndStatus:
    def test_metadata(self, client: Client) -> None:
        message = GetModelMetadataRequest(metadata_field=["signature_def"])
        message.model_spec.name = "tiny"
        answer = client.prediction.GetModelMetadata(message, timeout=5)
        assert (answer.model_spec.name, answer.model_spec.version.value) == ("tiny", 1)
        signatures = SignatureDefMap()
        assert answer.metadata["signature_def"].Unpack(signatures)
        assert {"serving_default", "slow", "types", "large"} <= set(signatures.signature_def)
        assert set(signatures.signature_def["serving_default"].outputs) == {"scaled", "picked"}

    @pytest.mark.parametrize("fields", [[], ["weights"]])
    def test_metadata_needs_the_field(self, client: Client, fields: list[str]) -> None:
        message = GetModelMetadataRequest(metadata_field=fields)
        message.model_spec.name = "tiny"
        call = client.prediction.GetModelMetadata
        assert refused(lambda: call(message, timeout=5))[0] == Code.INVALID_ARGUMENT

    def test_status(self, client: Client) -> None:
        assert client.states("tiny") == {1: AVAILABLE}
        assert client.states("tiny", version=1) == {1: AVAILABLE}
        assert client.states("tiny", label="anything") == {1: AVAILABLE}
        assert refused(lambda: client.states("tiny", version=3)) == (
            Code.NOT_FOUND,
            "Could not find version 3 of model tiny",
        )
        assert refused(lambda: client.states("none"))[0] == Code.NOT_FOUND

    def test_no_health_unless_asked_for(self, client: Client) -> None:
        stub: Any = health_pb2_grpc.HealthStub(client.channel)
        assert refused(lambda: stub.Check(health_pb2.HealthCheckRequest(), timeout=5))[0] == Code.UNIMPLEMENTED


class TestVersions:
    def test_a_new_version_takes_over_without_an_error(self, client: Client, folder: Path) -> None:
        put(folder, "moving", 1)
        until(lambda: "moving" in _served(client, "moving"))
        seen: list[float] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                seen.append(client.scale("moving"))

        with_calls = threading.Thread(target=ask)
        with_calls.start()
        start = time.monotonic()
        put(folder, "moving", 2)
        until(lambda: seen[-1:] == [2.0])
        took = time.monotonic() - start
        until(lambda: client.states("moving") == {2: AVAILABLE, 1: END})
        stop.set()
        with_calls.join()
        assert seen == sorted(seen)
        assert set(seen) == {1.0, 2.0}
        assert took < 5

    def test_a_version_being_written_is_not_loaded(self, client: Client, folder: Path) -> None:
        put(folder, "partial", 1)
        until(lambda: client.states("partial") == {1: AVAILABLE} if _served(client, "partial") else False)
        whole = put(folder.parent / "elsewhere", "partial", 2)
        (folder / "partial" / "2" / "variables").mkdir(parents=True)
        time.sleep(0.4)
        assert client.states("partial") == {1: AVAILABLE}
        for file in sorted(whole.rglob("*.*")):
            if file.is_file() and file.name != "saved_model.pb":
                target = folder / "partial" / "2" / file.relative_to(whole)
                target.write_bytes(file.read_bytes())
        (whole / "saved_model.pb").rename(folder / "partial" / "2" / "saved_model.pb")
        until(lambda: client.scale("partial") == 2.0)

    def test_a_broken_version_is_told_and_tried_again_when_it_changes(self, client: Client, folder: Path) -> None:
        put(folder, "broken", 1)
        until(lambda: bool(_served(client, "broken")))
        bad = folder / "broken" / "2"
        bad.mkdir()
        (bad / "saved_model.pb").write_bytes(b"not a model")
        until(lambda: client.states("broken").get(2) == END)
        message = GetModelStatusRequest()
        message.model_spec.name = "broken"
        status = client.models.GetModelStatus(message, timeout=5).model_version_status[0]
        assert (status.version, status.status.error_code != 0, status.status.error_message != "") == (2, True, True)
        assert client.scale("broken") == 1.0
        assert client.scale("tiny") == 1.0
        (bad / "saved_model.pb").unlink()
        bad.rename(folder / "broken" / "thrown-away")
        put(folder, "broken", 2)
        until(lambda: client.scale("broken") == 2.0)

    def test_a_model_that_goes_is_unloaded(self, folder: Path, client: Client) -> None:
        put(folder, "leaving", 1)
        until(lambda: bool(_served(client, "leaving")))
        (folder / "leaving").rename(folder / ".leaving")
        until(lambda: client.states("leaving") == {1: END})
        assert refused(lambda: client.scale("leaving"))[0] == Code.NOT_FOUND

    @pytest.mark.parametrize(
        ("policy", "served"),
        [
            ("", {3}),
            ("model_version_policy { latest { num_versions: 2 } }", {2, 3}),
            ("model_version_policy { specific { versions: 1 versions: 9 } }", {1}),
            ("model_version_policy { all {} }", {1, 2, 3}),
        ],
    )
    def test_policies(self, tmp_path: Path, policy: str, served: set[int]) -> None:
        for version in (1, 2, 3):
            put(tmp_path, "m", version)
        config = text_format.Parse(entry("m", tmp_path / "m", policy), ModelConfigList())
        store = Store(Settings(config=config, file_system_poll_wait_seconds=0))
        store.start()
        spec = request("m", {}).model_spec
        assert {version for version, state, _ in store.status(spec) if state == AVAILABLE} == served
        with store.use(spec) as (_, newest):
            assert newest == max(served)
        store.close()

    def test_unloading_waits_for_calls_and_drops_the_session(self, tmp_path: Path) -> None:
        put(tmp_path, "m", 1)
        store = Store(Settings(config=single("m", str(tmp_path / "m")), file_system_poll_wait_seconds=0.05))
        store.start()
        spec = request("m", {}).model_spec
        with store.use(spec) as (model, _):
            session = weakref.ref(model._session)
            put(tmp_path, "m", 2)
            until(lambda: [state for _, state, _ in store.status(spec)] == [AVAILABLE, ModelVersionStatus.UNLOADING])
            outputs = model.run("serving_default", request("m", ONES).inputs, [], None)
            assert outputs["scaled"][0, 0] == 1.0
        del model
        until(lambda: [state for _, state, _ in store.status(spec)] == [AVAILABLE, END])
        gc.collect()
        assert session() is None
        store.close()


def _served(client: Client, model: str) -> list[str]:
    try:
        return [model] if AVAILABLE in client.states(model).values() else []
    except grpc.RpcError:
        return []


class TestReload:
    def test_reload_and_labels(self, tmp_path: Path) -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        put(tmp_path, "a", 1)
        put(tmp_path, "a", 2)
        put(tmp_path, "b", 1)
        everything = "model_version_policy { all {} }"
        config = text_format.Parse(entry("a", a, everything), ModelConfigList())
        server, _ = serve(config=config, enable_serialization_as_tensor_content=False)
        with server:
            client = Client(server.address)
            answer = client.predict(request("a", ONES))
            assert answer.outputs["scaled"].tensor_content == b""
            assert list(answer.outputs["scaled"].float_val) == [2.0] * 6

            labels = 'version_labels { key: "stable" value: 1 }'
            done = client.reload(entry("a", a, everything + labels) + entry("b", b))
            assert done.status.error_code == 0
            message = request("a", ONES)
            message.model_spec.version_label = "stable"
            assert client.predict(message).model_spec.version.value == 1
            assert client.scale("b") == 1.0

            wrong = 'version_labels { key: "stable" value: 9 }'
            for text, code, words in (
                (entry("a", a) + entry("a", a), Code.INVALID_ARGUMENT, "Illegal to list model a multiple times"),
                (entry("a", "models/a"), Code.INVALID_ARGUMENT, "to have an absolute path or URI"),
                (entry("a", a).replace('"tensorflow"', '"other"'), Code.INVALID_ARGUMENT, "unsupported platform other"),
                (entry("a", a, wrong), Code.FAILED_PRECONDITION, "not currently available for inference"),
            ):
                got, said = refused(lambda text=text: client.reload(text))  # type: ignore[misc]
                assert got == code
                assert words in said
                assert client.scale("b") == 1.0, "a refused configuration changes nothing"
            call = client.models.HandleReloadConfigRequest
            empty = ReloadConfigRequest(config=ModelServerConfig())
            assert refused(lambda: call(empty, timeout=5))[0] == Code.INVALID_ARGUMENT

            client.reload(entry("b", b))
            until(lambda: client.states("a") == {2: END, 1: END})
            assert refused(lambda: client.scale("a"))[0] == Code.NOT_FOUND
            assert refused(lambda: client.predict(message))[0] == Code.INVALID_ARGUMENT, "the label has gone too"

            client.reload(entry("b", b) + entry("a", a))
            assert client.scale("a") == 2.0, "a new model serves when the call returns"

            (tmp_path / "c" / "1").mkdir(parents=True)
            (tmp_path / "c" / "1" / "saved_model.pb").write_bytes(b"not a model")
            code, said = refused(lambda: client.reload(entry("b", b) + entry("c", tmp_path / "c")))
            assert (code, said[:36]) == (Code.UNKNOWN, "Some models did not become available")
            assert client.scale("b") == 1.0

            # A model without versions is waited for as long as the caller waits, and blocks nobody afterwards.
            missing = entry("b", b) + entry("d", tmp_path / "d")
            assert refused(lambda: client.reload(missing, timeout=0.5))[0] == Code.DEADLINE_EXCEEDED
            client.reload(entry("b", b))

    def test_the_error_stands_in_the_response_too(self) -> None:
        class Context:
            code: Any = None

            def set_code(self, code: Any) -> None:
                self.code = code

            def set_details(self, details: str) -> None:
                self.details = details

            def is_active(self) -> bool:
                return True

        context = Context()
        store = Store(Settings(config=ModelConfigList()))
        answer = Models(store).HandleReloadConfigRequest(ReloadConfigRequest(), context)
        assert answer.status.error_code == context.code.value[0] == Code.INVALID_ARGUMENT.value[0]
        assert answer.status.error_message == context.details


class TestWarmUp:
    def test_a_sets_own_records_are_replayed_before_it_serves(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network, folder = tiny.network_set("a", "b"), tmp_path / "a+b" / "1"
        export.export(network, folder)
        warmup.write(folder, "a+b", export.first_calls(network))
        ran: list[str] = []

        class Session(ModelSession):
            def run(self, signature: str, *more: Any) -> dict[str, Array]:
                ran.append(signature)
                return super().run(signature, *more)

        monkeypatch.setattr(savedmodel, "ModelSession", Session)
        server, store = serve(store=tmp_path)
        with server:
            assert [state for _, state, _ in store.status(request("a+b", {}).model_spec)] == [AVAILABLE]
            assert ran == ["embed", "pgd_steps"]

    @pytest.mark.parametrize(("records", "ready"), [(2, True), (1001, False)])
    def test_at_most_a_thousand_records(self, tmp_path: Path, records: int, ready: bool) -> None:
        folder = put(tmp_path, "m", 1)
        (folder / "assets.extra").mkdir()
        log = PredictionLog()
        log.predict_log.request.CopyFrom(request("m", ONES))
        with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
            for _ in range(records):
                writer.write(log.SerializeToString())
        store = Store(Settings(config=single("m", str(tmp_path / "m")), file_system_poll_wait_seconds=0))
        store.start()
        assert [state for _, state, _ in store.status(request("m", {}).model_spec)] == [AVAILABLE if ready else END]
        store.close()


class TestSettings:
    def test_the_flags(self, tmp_path: Path) -> None:
        assert parse(["--model_store", "/models"]) == Settings(store=Path("/models"))
        settings = parse(["--model_name", "m", "--model_base_path", "/m", "--port", "1"])
        assert settings == Settings(config=single("m", "/m"), port=1)
        file = tmp_path / "models.config"
        file.write_text("model_config_list {" + entry("m", "/m") + "}")
        assert parse(["--model_config_file", str(file)]).config == single("m", "/m")
        more = parse(["--model_store=/m", "--enable_grpc_healthcheck_service", "--enable_model_warmup=false"])
        channel = parse(["--model_store=/m", "--grpc_channel_arguments=grpc.max_connection_age_ms=60000,grpc.a=b"])
        assert channel.grpc_channel_arguments == (("grpc.max_connection_age_ms", 60000), ("grpc.a", "b"))
        assert (more.enable_grpc_healthcheck_service, more.enable_model_warmup) == (True, False)

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["--model_store=/a", "--model_base_path=/b"],
            ["--model_config_file=/none"],
            ["--model_store=a", "--x"],
            ["--model_store=a", "--grpc_channel_arguments=grpc.max_connection_age_ms"],
        ],
    )
    def test_wrong_flags(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit):
            parse(arguments)


def test_a_connection_that_is_too_old_is_left_when_its_calls_have_ended(folder: Path) -> None:
    slow = request("tiny", {"x": np.eye(256, dtype=np.float32), "k": np.array(1000, np.int32)}, "slow")
    server, _ = serve(store=folder, grpc_channel_arguments=(("grpc.max_connection_age_ms", 50),))
    with server:
        client = Client(server.address)
        begun = time.monotonic()
        while time.monotonic() < begun + 1:  # many ages
            assert client.predict(slow).model_spec.name == "tiny"
            assert client.scale("tiny") == 1.0


def test_the_process(tmp_path: Path) -> None:
    """The port opens when the model is up, health is there when asked for, and SIGTERM lets calls end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "m").mkdir()
    flags = [f"--port={port}", "--model_name=m", f"--model_base_path={tmp_path / 'm'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "services.modelserver", *flags, "--enable_grpc_healthcheck_service"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any("waiting for a first version of m" in line for line in lines)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        put(tmp_path, "m", 1)
        assert any("listening at" in line for line in lines)
        threading.Thread(target=list, args=(lines,), daemon=True).start()

        client = Client(f"127.0.0.1:{port}")
        assert client.scale("m") == 1.0
        health: Any = health_pb2_grpc.HealthStub(client.channel)
        for service in ("ModelService", "PredictionService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING

        slow = request("m", {"x": np.eye(256, dtype=np.float32), "k": np.array(1000, np.int32)}, "slow")
        under_way = client.prediction.Predict.future(slow, timeout=60)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert under_way.result().model_spec.name == "m"
        assert process.wait(timeout=20) == 0
        assert refused(lambda: client.scale("m"))[0] == Code.UNAVAILABLE
    finally:
        process.kill()
        process.wait()


def test_a_relative_path_does_not_start() -> None:
    with pytest.raises(ServingError, match="to have an absolute path or URI"):
        Store(parse(["--model_base_path", "models/m"]))
