"""Services that `faceoff serve` has started end with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faceoff import lifeline
from faceoff.cli.serve import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("service", "flags"),
    [("gateway", ["--http", "127.0.0.1:0", "--listen"]), ("modelserver", ["--model_store", "models", "--port"])],
)
def test_a_service_ends_with_who_started_it(service: str, flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    port = free_port()
    address = str(port) if service == "modelserver" else f"127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", f"services.{service}", *flags, address],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), lifeline.VARIABLE: "1"},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdin
        _until_it_listens(port)
        process.stdin.close()
        assert process.wait(30) == 0


def _until_it_listens(port: int) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)
