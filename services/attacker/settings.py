"""Settings of the attacker service, from the command line and the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from faceoff.attacks.attacker import BATCH_SIZES
from faceoff.rpc import server


@dataclass(frozen=True)
class Settings:
    """``model_server`` is the address of TensorFlow Serving or our stand-in for it, ``batch_sizes`` how many faces may share a
    call."""

    server: server.Settings
    model_server: str
    batch_sizes: tuple[int, ...]


def sizes(text: str) -> tuple[int, ...]:
    values = tuple(int(size) for size in text.split(","))
    if 1 not in values or min(values) < 1:
        raise argparse.ArgumentTypeError("the sizes are above 0 and 1 is among them")
    return values


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """A wrong command line ends the process with status 2, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m services.attacker", description="Computes masks against networks of a model server."
    )
    server.add_arguments(parser, port=50052)
    parser.add_argument(
        "--model-server",
        default=os.environ.get("FACEOFF_MODEL_SERVER", "127.0.0.1:8500"),
        help="[FACEOFF_MODEL_SERVER] host:port of the model server",
    )
    parser.add_argument(
        "--batch-sizes",
        type=sizes,
        default=os.environ.get("FACEOFF_BATCH_SIZES", ",".join(map(str, BATCH_SIZES))),
        metavar="N,N",
        help="[FACEOFF_BATCH_SIZES] how many faces may share a call; the largest bounds the memory (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    return Settings(server.settings(options), options.model_server, options.batch_sizes)
