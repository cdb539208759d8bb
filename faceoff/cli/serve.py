"""``faceoff serve``: every service as a child process of this one, on loopback."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from faceoff import lifeline
from faceoff.cli import arguments, exits, output, progress
from faceoff.cli.parts import Parts
from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import settings as jobs
from faceoff.jobs.engine import Limits

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

PORT = 50050
HTTP_PORT = 8080
START_SECONDS = 120.0
"""For one child to be ready: on a small machine a set of networks takes its time to load."""
STOP_SECONDS = 30.0
"""For all children together to end by themselves."""

_EXAMPLES = """examples:
  faceoff serve
  faceoff serve --port 9000 --http-port 9001 --modelserver gpu-box:8500
  faceoff serve --host 0.0.0.0 --keys keys.json        for others too: see `faceoff keys`
  faceoff serve --nats nats://localhost:4222           jobs that outlive the process
  faceoff protect holiday.jpg --server localhost:50050

It runs until Ctrl-C. Without --modelserver the networks are served by a stand-in for TensorFlow Serving.
exit codes: 0 stopped by SIGTERM, 5 a service did not start or died, 130 stopped by Ctrl-C"""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="run every service on this machine",
        description="Starts the model server, detector, attacker, amplifier, verifier and gateway on this machine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument("--host", default="127.0.0.1", help="where the gateway listens (default: %(default)s)")
    parser.add_argument(
        "--port", type=arguments.port, default=PORT, help="of the gateway (default: %(default)s; 0: a free one)"
    )
    parser.add_argument(
        "--http-port",
        type=arguments.port,
        default=HTTP_PORT,
        help="of the gateway's HTTP door (default: %(default)s; 0: a free one)",
    )
    parser.add_argument("--modelserver", metavar="ADDRESS", help="a TensorFlow Serving that has the networks")
    parser.add_argument(
        "--nats", metavar="URL", help="a NATS server that keeps the jobs; without, they end with this process"
    )
    parser.add_argument("--keys", type=Path, metavar="FILE", help="API keys of those who may call (`faceoff keys`)")
    parser.add_argument(
        "--tenants", type=Path, metavar="FILE", help="limits, targets, webhooks, identity provider: YAML"
    )
    parser.add_argument(
        "--ttl",
        type=jobs.ttl,
        metavar="SECONDS",
        help=f"how long a result is kept, and how long a job may take (default: {Limits.ttl:g})",
    )
    parser.add_argument(
        "--reports", type=Path, metavar="DIR", help="campaign reports for researchers to look at on the page"
    )
    parser.add_argument("--open", action="store_true", help="let everybody in who can connect, without keys")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but the address and errors")


class Stopped(Exception):
    """SIGTERM."""


ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
"""The state of an attack is megabytes a message. glibc would map and clear fresh pages for each; so it keeps them."""


@dataclass(frozen=True)
class Service:
    """One child to be: ``arguments`` of its process, and ``ready`` returns when it serves or raises FaceOffError."""

    name: str
    arguments: Sequence[str]
    ready: Callable[[], None]


@dataclass
class House:
    """The children, in the order they were started. ``logs`` is where each one's output goes, ``<name>.log``."""

    logs: Path
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, service: Service) -> None:
        """Start a child and wait until it is ready. Raises SERVICE_UNAVAILABLE when it, or an earlier one, dies."""
        with self._log(service.name).open("wb") as log:
            # In a process group of its own: Ctrl-C on the terminal is for us, and we stop the children in order.
            self.children[service.name] = subprocess.Popen(
                service.arguments,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                env=ALLOCATOR | os.environ | {lifeline.VARIABLE: "1"},
            )
        end = time.monotonic() + START_SECONDS
        while True:
            self.check()
            try:
                return service.ready()
            except FaceOffError as error:
                if time.monotonic() > end:
                    raise self._failed(
                        f"The {service.name} was not ready within {START_SECONDS:.0f} seconds.", service.name
                    ) from error
            time.sleep(0.05)

    def check(self) -> None:
        """Raises SERVICE_UNAVAILABLE when a child has ended."""
        for name, child in self.children.items():
            if child.poll() is not None:
                raise self._failed(f"The {name} ended with {_status(child.returncode)}.", name)

    def stop(self) -> None:
        """End every child, the last first; kill what has not ended in time."""
        end = time.monotonic() + STOP_SECONDS
        for child in reversed(self.children.values()):
            with child:
                child.terminate()
                try:
                    child.wait(max(end - time.monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    child.kill()

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _failed(self, message: str, name: str) -> FaceOffError:
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        said = f" Its last words: {lines[-1].strip()}" if lines else ""
        return FaceOffError(Reason.SERVICE_UNAVAILABLE, message + said, f"All of them: {self._log(name)}")


def run(options: argparse.Namespace, parts: Parts) -> int:
    address, http = (f"{options.host}:{port or free_port()}" for port in (options.port, options.http_port))
    refuse_taken(address)
    refuse_taken(http)
    if options.modelserver is None:
        build_models(options.quiet)
    if options.nats is None:
        progress.note("Jobs are kept in memory: they end with this process (see --nats).", options.quiet)
    live(
        services(address, options.modelserver, parts, _door(options, http)),
        f"{address} and http://{http}",
        options.quiet,
    )
    return exits.DONE


def _door(options: argparse.Namespace, http: str) -> list[str]:
    """What the gateway is told beside where the rooms are."""
    said = {
        "--http": http,
        "--ttl": options.ttl,
        "--nats": options.nats,
        "--keys": options.keys,
        "--tenants": options.tenants,
        "--reports": options.reports,
    }
    flags = [word for name, value in said.items() if value for word in (name, str(value))]
    return [*flags, "--open"] if options.open else flags


def services(address: str, modelserver: str | None, parts: Parts, door: Sequence[str] = ()) -> list[Service]:
    """The children in the order that they need each other in. ``address`` is the gateway's, ``door`` its further flags."""
    rooms = {name: f"127.0.0.1:{free_port()}" for name in ("detector", "attacker", "amplifier", "verifier")}
    children = []
    if modelserver is None:
        modelserver = f"127.0.0.1:{free_port()}"
        store = parts.home.root / "models"
        flags = (
            "--model_store",
            str(store),
            "--port",
            modelserver.rpartition(":")[2],
            "--enable_grpc_healthcheck_service",
            "--enable_model_warmup=false",  # on one machine nobody gains by waiting before the first photo
        )
        children.append(_service("modelserver", flags, modelserver, parts))
    networks = ("--model-server", modelserver)
    for name, room in rooms.items():
        flags = ("--listen", room, "--grace", "5", *(networks if name in ("attacker", "verifier") else ()))
        children.append(_service(name, flags, room, parts))
    doors = [flag for name, room in rooms.items() for flag in (f"--{name}", room)]
    children.append(_service("gateway", ("--listen", address, "--grace", "5", *doors, *door), address, parts))
    return children


def live(children: Sequence[Service], address: str, quiet: bool) -> None:
    """Run the children until SIGTERM. Whatever ends it, a dead child or Ctrl-C included, every child is stopped."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    house = House(Path(tempfile.mkdtemp(prefix="faceoff-serve-")))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, stop)
    keep_logs = False
    try:
        for child in children:
            progress.note(f"starting the {child.name}", quiet)
            house.start(child)
        output.say(f"Face-Off serves at {address}")
        progress.note("Ctrl-C stops it.", quiet)
        while True:
            house.check()
            time.sleep(0.2)
    except Stopped:
        pass
    except FaceOffError:
        keep_logs = True
        raise
    finally:
        for number in handlers:
            signal.signal(number, signal.SIG_IGN)
        house.stop()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if not keep_logs:
            shutil.rmtree(house.logs)


def _service(name: str, flags: Sequence[str], address: str, parts: Parts) -> Service:
    return Service(name, (sys.executable, "-m", f"services.{name}", *flags), lambda: parts.check_health(address, 1.0))


def build_models(quiet: bool) -> None:
    """In a process of its own, so that TensorFlow does not stay in this one. What is built already is left alone."""
    done = subprocess.run([sys.executable, "-m", "faceoff.cli", "models", "build", *(["--quiet"] if quiet else [])])
    if done.returncode:
        raise FaceOffError(Reason.NETWORK_MISSING, "The networks could not be made ready.", "See above for what to do.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refuse_taken(address: str) -> None:
    """Before the other services are started for nothing."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_server((host, int(port))).close()
    except OSError as error:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"{address} cannot be listened on: {error.strerror}.",
            "Choose another --host or --port.",
        ) from None


def _status(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
