"""`faceoff serve` and `faceoff protect --server` with real networks: the same result as in one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from faceoff.attacks.attacker import LocalAttacker
from faceoff.errors import FaceOffError, Reason
from faceoff.image import decode
from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.pipeline import Rooms
from faceoff.presets import STRENGTHS
from faceoff.rpc.serving import ServingNetworks
from faceoff.types import Plan, Progress
from services.modelserver import start
from tests.real.conftest import array

FACEOFF = (sys.executable, "-m", "faceoff.cli")


@pytest.fixture(scope="module")
def address(home: Home) -> Iterator[str]:
    with subprocess.Popen(
        [*FACEOFF, "serve", "--port", "0", "--http-port", "0"], stdout=subprocess.PIPE, text=True
    ) as serving:
        try:
            assert serving.stdout
            line = serving.stdout.readline()
            assert line.startswith("Face-Off serves at "), line
            yield line.split()[3]
        finally:
            children = psutil.Process(serving.pid).children(recursive=True)
            serving.send_signal(signal.SIGTERM)
            serving.wait(30)
            assert not psutil.wait_procs(children, timeout=5)[1], "a service outlived faceoff serve"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FACEOFF, *arguments], capture_output=True, text=True, timeout=240)


def test_the_same_mask_here_and_there(address: str, astronaut: bytes, tmp_path: Path) -> None:
    photo = tmp_path / "astronaut.png"
    photo.write_bytes(astronaut)
    rows = []
    for folder, more in (("here", ()), ("there", ("--server", address))):
        done = run("protect", str(photo), "--json", "--out-dir", str(tmp_path / folder), "--iterations", "20", *more)
        assert done.returncode == 0, done.stderr
        rows.append(json.loads(done.stdout))
    pictures = [array((tmp_path / folder / "astronaut.faceoff.png").read_bytes()) for folder in ("here", "there")]
    # A difference of 1e-4 can move a value over a rounding edge, by one level.
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1
    assert (pictures[0] != pictures[1]).mean() < 0.01
    for here, there in zip(rows[0]["verdicts"], rows[1]["verdicts"], strict=True):
        assert here["outcome"] == there["outcome"]
        assert here["protected_score"] == pytest.approx(there["protected_score"], abs=1e-2)


def test_a_deadline_too_short_says_so(address: str, astronaut: bytes, tmp_path: Path) -> None:
    photo = tmp_path / "astronaut.png"
    photo.write_bytes(astronaut)
    done = run("protect", str(photo), "--server", address, "--timeout", "1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "second" in done.stderr or "time" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["astronaut.png"]


def test_mask_over_the_wire_is_the_mask_in_process(home: Home, rooms: Rooms, astronaut: bytes) -> None:
    plan = Plan(**{**vars(STRENGTHS["balanced"]), "iterations": 20})
    crops = rooms.detector.detect(decode(astronaut))
    here = rooms.attacker.attack(crops, plan, lambda progress: None)[0]
    with start(home.root / "models") as server, ServingNetworks(server.address) as networks:
        there = LocalAttacker(networks, lambda name: catalogue.card(name, home)).attack(
            crops, plan, lambda progress: None
        )[0]
    assert np.abs(here.delta - there.delta).max() <= 1e-4


def test_a_model_server_that_goes_away_in_mid_attack(home: Home, rooms: Rooms, astronaut: bytes) -> None:
    """Gone for good: a clear error. The client does not hang, and says what to do."""
    crops = rooms.detector.detect(decode(astronaut))
    server = start(home.root / "models")

    def stop_early(progress: Progress) -> None:
        if progress.done:
            server.stop(0)

    with closing(ServingNetworks(server.address, connect_timeout=2.0)) as networks:
        attacker = LocalAttacker(networks, lambda name: catalogue.card(name, home))
        with pytest.raises(FaceOffError) as error:
            attacker.attack(crops, STRENGTHS["balanced"], stop_early)
    assert error.value.reason is Reason.SURROGATE_UNAVAILABLE
    assert error.value.hint


def test_without_networks_the_command_says_what_to_do(astronaut: bytes, tmp_path: Path) -> None:
    photo = tmp_path / "astronaut.png"
    photo.write_bytes(astronaut)
    environment = os.environ | {"FACEOFF_HOME": str(tmp_path / "empty")}
    done = subprocess.run(
        [*FACEOFF, "protect", str(photo)], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 1
    assert "faceoff models fetch" in done.stderr
    assert "Traceback" not in done.stderr
