"""``faceoff jobs`` against a real gateway with rooms that answer at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from faceoff.amplify import LocalAmplifier
from faceoff.cli import main
from faceoff.jobs.core import Engine
from faceoff.jobs.engine import Limits, State
from faceoff.jobs.jetstream import connect
from faceoff.pipeline import Rooms
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Priority
from tests.services.house import ByName, House, house
from tests.services.jobs.broker import Broker
from tests.services.jobs.conftest import broker
from tests.unit.cli.fakes import photo

__all__ = ["broker"]  # a fixture


@pytest.fixture(scope="module")
def there() -> Iterator[House]:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(0.02), LocalAmplifier(), FixedVerifier())
    with house(lambda _: rooms, ByName(), workers=1) as there:
        yield there


@pytest.fixture
def run(there: House, album: Path, capsys: pytest.CaptureFixture[str]) -> object:
    (album / "key").write_text("alice\n")
    (album / "me.png").write_bytes(photo(width=64))

    def run(*words: str, key: str = "key") -> tuple[int, str, str]:
        code = main(["jobs", *words, "--server", there.grpc, "--key-file", key])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_job_from_submission_to_deletion(run, album: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = run("submit", "me.png", "--format", "webp", "--json")
    assert code == 0
    job = json.loads(out)["id"]
    code, _, err = run("result", job)
    assert (code, "not ended" in err) == (1, True)
    code, out, err = run("watch", job)
    assert (code, "succeeded" in out, "computing the mask" in err) == (0, True, True)
    assert run("get", job, "--json")[1].count(job) == 1
    assert job in run("list")[1]
    code, out, _ = run("result", job)
    assert (code, out) == (0, f"{job}.faceoff.webp\n")
    assert (album / f"{job}.faceoff.webp").read_bytes()[8:12] == b"WEBP"
    assert run("result", job)[0] == 2  # it exists already
    code, out, _ = run("result", job, "-o", "p.webp", "--json")
    assert json.loads(out)["verdicts"][0]["victim"] == "fixed"
    code, out, _ = run("delete", job)
    assert (code, "2 keys" in out or "1 keys" in out) == (0, True)
    code, _, err = run("get", job)
    assert (code, job in err) == (1, False)


def test_a_failed_job_has_the_photos_exit_code(run) -> None:  # type: ignore[no-untyped-def]
    job = run("submit", "me.png", "--face", "9")[1].strip()
    assert run("watch", job, "--quiet")[0] == 2
    assert "There is no face 9." in run("get", job)[1]


def test_photos_that_cannot_be_submitted(run, album: Path) -> None:  # type: ignore[no-untyped-def]
    (album / "text.png").write_bytes(b"no photo")
    code, out, err = run("submit", "me.png", "text.png")
    assert (code, len(out.split()), "text.png" in err) == (1, 1, True)
    assert run("submit", "text.png")[0] == 4
    assert run("submit", "me.png", "text.png", "--idempotency-key", "k")[0] == 2


def test_keys(run, album: Path, there: House, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    (album / "wrong").write_text("123")
    code, _, err = run("list", key="wrong")
    assert (code, "123" in err) == (1, False)
    assert run("list", key="nowhere")[0] == 2
    monkeypatch.setenv("FACEOFF_API_KEY", "alice")
    assert main(["jobs", "list", "--server", there.grpc]) == 0


def test_a_gateway_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "list", "--server", "127.0.0.1:1"]) == 5


def test_the_same_key_is_the_same_job(run) -> None:  # type: ignore[no-untyped-def]
    first, second = (run("submit", "me.png", "--idempotency-key", "k")[1] for _ in range(2))
    assert first == second


def test_ctrl_c_leaves_the_job(run, there: House, album: Path, environment: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    jobs = [run("submit", "me.png", "--strength", "strong")[1].strip() for _ in range(8)]
    command = [sys.executable, "-m", "faceoff.cli", "jobs", "watch", jobs[-1], "--server", there.grpc]
    with subprocess.Popen(
        command, env=environment | {"FACEOFF_API_KEY": "alice"}, stdout=-1, stderr=-1, text=True
    ) as watch:
        assert watch.stderr is not None
        assert watch.stderr.readline() == "Ctrl-C leaves the job at work.\n"
        watch.send_signal(signal.SIGINT)
        said = watch.communicate(timeout=10)[1]
    assert watch.returncode == 130
    assert f"faceoff jobs watch {jobs[-1]} --server {there.grpc}" in said
    code, out, _ = run("cancel", jobs[-1], "--json")
    assert (code, json.loads(out)["state"]) in ((0, "cancelled"), (0, "succeeded"))


def test_all_of_a_tenant_is_purged_at_the_broker(
    broker: Broker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEOFF_NATS", broker.url)
    limits = Limits(ttl=100.0)
    with closing(connect(broker.url, limits)) as jobs:
        alices = [jobs.submit("alice", Priority.BULK, b"", [b"photo"]).id for _ in range(3)]
        bobs = jobs.submit("bob", Priority.BULK, b"", [b"photo"]).id
        lease = jobs.take(5)
        assert lease
        lease.succeed(b"", b"result")
        assert main(["jobs", "purge", "--tenant", "alice", "--json"]) == 0
        out, err = capsys.readouterr()
        assert {json.loads(line)["id"] for line in out.splitlines()} == set(alices)
        assert "alice had 3 jobs" in err
        assert jobs.get("bob", bobs).state is State.QUEUED
        assert len(list(jobs._store.blobs.names())) == len(list(jobs._store.secrets.names())) == 1
        _until_none(jobs)
    connect(broker.url, limits).close()  # its settings are as they were
    assert main(["jobs", "purge", "--tenant", "alice"]) == 0
    assert capsys.readouterr().out == ""


def _until_none(jobs: Engine) -> None:
    """A door hears of it."""
    end = time.monotonic() + 20
    while jobs.list("alice"):
        assert time.monotonic() < end
        time.sleep(0.02)
