"""Settings of the verifier service, from the command line and the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faceoff.rpc import server


@dataclass(frozen=True)
class Settings:
    """``model_server`` is the address of TensorFlow Serving or our stand-in for it, ``victims`` the file of the commercial
    victims (faceoff.verify.victims.settings); without it there are none."""

    server: server.Settings
    model_server: str
    victims: Path | None


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """A wrong command line ends the process with status 2, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m services.verifier", description="Checks protected photos on networks of a model server."
    )
    server.add_arguments(parser, port=50054)
    parser.add_argument(
        "--model-server",
        default=os.environ.get("FACEOFF_MODEL_SERVER", "127.0.0.1:8500"),
        help="[FACEOFF_MODEL_SERVER] host:port of the model server",
    )
    file = os.environ.get("FACEOFF_VICTIMS")
    parser.add_argument(
        "--victims",
        type=Path,
        default=Path(file) if file else None,
        metavar="FILE",
        help="[FACEOFF_VICTIMS] commercial victims that a request may consent to (default: none)",
    )
    options = parser.parse_args(arguments)
    return Settings(server.settings(options), options.model_server, options.victims)
