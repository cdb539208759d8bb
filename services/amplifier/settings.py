"""Settings of the amplifier service, from the command line and the environment."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from faceoff.rpc import server


def parse(arguments: Sequence[str] | None = None) -> server.Settings:
    """A wrong command line ends the process with status 2, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m services.amplifier", description="Amplifies masks, pastes them into photos and encodes them."
    )
    server.add_arguments(parser, port=50053)
    return server.settings(parser.parse_args(arguments))
