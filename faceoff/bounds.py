"""Numbers from the command line and the environment, within bounds."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def bounded(least: float, most: float, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """What argparse takes as a type: a number from ``least`` to ``most``."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least:.12g} to {most:.12g}")
        return value

    return read
