"""Settings of the gateway, from the command line and the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from faceoff.rpc import server

MESSAGE_LIMIT = 4 * 1024 * 1024
"""Photos come and go in chunks of at most 1 MiB."""

ROOMS = {"detector": 50051, "attacker": 50052, "amplifier": 50053, "verifier": 50054}


@dataclass(frozen=True)
class Settings:
    """The addresses of the rooms' services, beside the gateway's own."""

    server: server.Settings
    detector: str
    attacker: str
    amplifier: str
    verifier: str


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """A wrong command line ends the process with status 2, as argparse does."""
    parser = argparse.ArgumentParser(prog="python -m services.gateway", description="The door: protects photos.")
    server.add_arguments(parser, port=50050)
    for room, port in ROOMS.items():
        variable = f"FACEOFF_{room.upper()}"
        default = os.environ.get(variable, f"127.0.0.1:{port}")
        parser.add_argument(f"--{room}", default=default, help=f"[{variable}] host:port of the {room}")
    options = parser.parse_args(arguments)
    return Settings(
        server.settings(options, MESSAGE_LIMIT), options.detector, options.attacker, options.amplifier, options.verifier
    )
