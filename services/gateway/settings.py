"""Settings of the gateway, from the command line and the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faceoff import image
from faceoff.bounds import bounded
from faceoff.jobs import settings as jobs
from faceoff.jobs.engine import Limits
from faceoff.rpc import server
from faceoff.tenants import gate

MESSAGE_LIMIT = 4 * 1024 * 1024
"""Photos come and go in chunks of at most 1 MiB."""

CALLS = 64
"""Over gRPC at once: most of them wait for a photo that others compute."""

ROOMS = {"detector": 50051, "attacker": 50052, "amplifier": 50053, "verifier": 50054}

_MEGA = 1_000_000


@dataclass(frozen=True)
class Largest:
    """What a photo may have. The defaults are the most that is ever read (faceoff.image)."""

    bytes: int = image.MAX_BYTES
    pixels: int = image.MAX_PIXELS


@dataclass(frozen=True)
class Settings:
    """The addresses of the rooms' services, beside the gateway's own. ``http`` is ``host:port`` of the HTTP door; empty: this
    process has workers and no door. No ``nats``: jobs are in memory and end with the process; ``replicas`` is on how many of
    its servers a job is kept. ``reports`` is the folder of campaign reports that the page shows to researchers."""

    server: server.Settings
    detector: str
    attacker: str
    amplifier: str
    verifier: str
    http: str = ""
    nats: str = ""
    replicas: int = 1
    workers: int = 4
    tenants: gate.Settings = gate.Settings()  # noqa: RUF009  (frozen)
    limits: Limits = Limits()  # noqa: RUF009  (frozen)
    largest: Largest = Largest()
    reports: Path | None = None


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """A wrong command line ends the process with status 2, as argparse does."""
    parser = argparse.ArgumentParser(prog="python -m services.gateway", description="The door: protects photos.")
    server.add_arguments(parser, port=50050, calls=CALLS)
    for room, port in ROOMS.items():
        variable = f"FACEOFF_{room.upper()}"
        default = os.environ.get(variable, f"127.0.0.1:{port}")
        parser.add_argument(f"--{room}", default=default, help=f"[{variable}] host:port of the {room}")
    env = os.environ.get
    parser.add_argument(
        "--http", default=env("FACEOFF_HTTP", "127.0.0.1:8080"), help="[FACEOFF_HTTP] host:port of the HTTP door"
    )
    parser.add_argument(
        "--nats",
        default=env("FACEOFF_NATS", ""),
        help="[FACEOFF_NATS] URL of the broker; without, jobs end with the process",
    )
    parser.add_argument(
        "--nats-replicas",
        type=bounded(1, 5, int),
        metavar="N",
        default=env("FACEOFF_NATS_REPLICAS", "1"),
        help="[FACEOFF_NATS_REPLICAS] on how many of the broker's servers every job is kept (default: 1)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=env("FACEOFF_WORKERS", "4"),
        help="[FACEOFF_WORKERS] photos that this process protects at once",
    )
    parser.add_argument("--worker-only", action="store_true", help="open no door: work on the broker's jobs")
    jobs.add_arguments(parser)
    for name, most, words in (
        ("--max-megabytes", image.MAX_BYTES / _MEGA, "of one photo"),
        ("--max-megapixels", image.MAX_PIXELS / _MEGA, "of one photo"),
    ):
        variable = f"FACEOFF_{name[2:].replace('-', '_').upper()}"
        said = f"[{variable}] {words} (default, and most: {most:g})"
        parser.add_argument(name, type=bounded(0.01, most), metavar="N", default=env(variable, str(most)), help=said)
    reports = env("FACEOFF_REPORTS")
    parser.add_argument(
        "--reports",
        type=Path,
        metavar="DIR",
        default=Path(reports) if reports else None,
        help="[FACEOFF_REPORTS] folder of campaign reports, for researchers to look at on the page",
    )
    gate.add_arguments(parser)
    options = parser.parse_args(arguments)
    if options.workers < 0:
        parser.error("--workers is 0 or more")
    if not options.nats and (options.worker_only or not options.workers):
        parser.error("jobs in memory are for one process that has both door and workers: give --nats")
    return Settings(
        server.settings(options, MESSAGE_LIMIT),
        options.detector,
        options.attacker,
        options.amplifier,
        options.verifier,
        "" if options.worker_only else options.http,
        options.nats,
        options.nats_replicas,
        options.workers,
        gate.settings(options),
        jobs.settings(options),
        Largest(int(options.max_megabytes * _MEGA), int(options.max_megapixels * _MEGA)),
        options.reports,
    )
