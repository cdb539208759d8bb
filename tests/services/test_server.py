"""The builder that every service is served by, with real servers on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import server as server_module
from faceoff.rpc.connect import calling, connect
from faceoff.rpc.server import Server, Settings, remaining
from faceoff.testing import served
from faceoff.v1 import detector_pb2, detector_pb2_grpc
from services.detector.settings import parse as detector_settings

ROOT = Path(__file__).parents[2]
SERVICE = "faceoff.v1.DetectorService"
Status = health_pb2.HealthCheckResponse


class Slow(detector_pb2_grpc.DetectorServiceServicer):
    """Answers once ``go`` is set; ``left`` is what the last call saw of its deadline."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.left = 0.0

    def Detect(self, request: detector_pb2.DetectRequest, context: grpc.ServicerContext) -> detector_pb2.DetectResponse:  # noqa: N802
        self.left = remaining(context)
        self.begun.release()
        assert self.go.wait(10)
        return detector_pb2.DetectResponse()

    def add(self, server: grpc.Server) -> None:
        detector_pb2_grpc.add_DetectorServiceServicer_to_server(self, server)


@pytest.fixture
def slow() -> Slow:
    return Slow()


def stub(port: int) -> detector_pb2_grpc.DetectorServiceStub:
    return detector_pb2_grpc.DetectorServiceStub(grpc.insecure_channel(f"127.0.0.1:{port}"))


def health(port: int, service: str = SERVICE) -> int:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status)


def test_health_follows_the_servers_life(slow: Slow) -> None:
    server = Server(SERVICE, slow.add, Settings(grace=10))
    server.start()
    assert [health(server.port, name) for name in (SERVICE, "")] == [Status.NOT_SERVING] * 2
    server.ready()
    assert [health(server.port, name) for name in (SERVICE, "")] == [Status.SERVING] * 2

    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    seen = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
    assert next(seen).status == Status.SERVING
    call = stub(server.port).Detect.future(detector_pb2.DetectRequest(), timeout=10)
    assert slow.begun.acquire(timeout=5)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    assert next(seen).status == Status.NOT_SERVING
    seen.cancel()
    slow.go.set()
    assert call.result(timeout=5) == detector_pb2.DetectResponse(), "a call that runs is let end"
    stopping.join(5)
    assert not stopping.is_alive()
    channel.close()


def test_reflection_lists_the_services(slow: Slow) -> None:
    with served(SERVICE, slow.add) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = next(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request])))
        names = {service.name for service in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names


def test_metrics_are_scraped_over_http(slow: Slow) -> None:
    slow.go.set()
    with served(SERVICE, slow.add, Settings(metrics="127.0.0.1:0", grace=1.0)) as server:
        stub(server.port).Detect(detector_pb2.DetectRequest(), timeout=5)
        url = f"http://127.0.0.1:{server.metrics_port}/metrics"
        text = urllib.request.urlopen(url, timeout=5).read().decode()
    assert 'faceoff_requests_total{code="OK",method="/faceoff.v1.DetectorService/Detect"}' in text
    assert 'faceoff_stage_duration_seconds_bucket{le="600.0",outcome="ok",stage="detect"}' in text
    assert "grpc.health" not in text


def test_more_calls_than_it_takes_are_refused_while_health_answers(slow: Slow) -> None:
    with served(SERVICE, slow.add, Settings(calls=2, grace=1.0)) as server:
        peer = connect(f"127.0.0.1:{server.port}")
        detector = detector_pb2_grpc.DetectorServiceStub(peer.channel)
        running = [detector.Detect.future(detector_pb2.DetectRequest(), timeout=10) for _ in range(2)]
        for _ in running:
            assert slow.begun.acquire(timeout=5)
        with pytest.raises(FaceOffError, match="as many calls") as caught, calling(peer):
            detector.Detect(detector_pb2.DetectRequest(), timeout=5)
        assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
        assert health(server.port) == Status.SERVING
        late = detector.Detect.future(detector_pb2.DetectRequest(), timeout=5)
        slow.go.set()
        assert [call.result(timeout=5) for call in (*running, late)], "the channel tries again by itself"
        peer.close()


def test_how_many_calls_a_room_takes_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detector_settings([]).calls == 16
    monkeypatch.setenv("FACEOFF_CALLS", "3")
    assert detector_settings([]).calls == 3
    assert detector_settings(["--calls", "2"]).calls == 2
    with pytest.raises(SystemExit):
        detector_settings(["--calls", "0"])
    assert "'0' is no number from 1 to 1000" in capsys.readouterr().err


def test_a_call_without_a_deadline_gets_the_longest(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LONGEST_CALL", 0.3)
    with served(SERVICE, slow.add) as server:
        with pytest.raises(grpc.RpcError) as caught:
            stub(server.port).Detect(detector_pb2.DetectRequest())
        slow.go.set()
    assert caught.value.code() is grpc.StatusCode.CANCELLED
    assert 0 < slow.left <= 0.3


def test_a_callers_deadline_is_seen(slow: Slow) -> None:
    slow.go.set()
    with served(SERVICE, slow.add) as server:
        stub(server.port).Detect(detector_pb2.DetectRequest(), timeout=7)
    assert 5 < slow.left < 8


def test_a_port_that_is_taken(slow: Slow) -> None:
    with served(SERVICE, slow.add) as server, pytest.raises(FaceOffError, match="cannot be listened on"):
        Server(SERVICE, slow.add, Settings(listen=f"127.0.0.1:{server.port}"))


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", *arguments]
        started.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_gracefully(
    process: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    service = process("services.amplifier", "--listen", "127.0.0.1:0", "--grace", "5")
    assert service.stderr
    line = service.stderr.readline()
    assert '"event": "serving"' in line
    assert health(int(line.rpartition(":")[2].strip(' "}\n')), "faceoff.v1.AmplifierService") == Status.SERVING
    service.send_signal(number)
    _, rest = service.communicate(timeout=10)
    assert service.returncode == 0
    assert [event in rest for event in ("draining", "stopped", "Traceback")] == [True, True, False]


def test_a_service_that_cannot_start_says_why(process: Callable[..., subprocess.Popen[str]]) -> None:
    service = process("services.gateway", "--open", "--listen", "256.0.0.1:1")
    _, said = service.communicate(timeout=20)
    assert service.returncode == 1
    assert "cannot be listened on" in said
    assert "Traceback" not in said
