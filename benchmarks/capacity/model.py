"""Photos a second of a core, and what it takes for more of them, of what was measured and of assumptions that are said."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BATCH = 16
"""Faces in a call where the gain of sharing calls was measured."""
_NEEDED = ("machine", "overhead_share", "batch16_vs_1_default_set")


@dataclass(frozen=True)
class Figures:
    """Of one machine. ``attack`` and ``rest`` are core-seconds of a photo with one face at `balanced`, the attack by itself;
    ``gain`` is how many times as fast attacks are with BATCH faces in a call."""

    machine: str
    cores: float
    attack: float
    rest: float
    gain: float

    def attacks_per_core_second(self, together: float = BATCH) -> float:
        """With so many faces in a call; between one and BATCH, where it was not measured, the gain is taken to grow evenly."""
        share = min(max(together - 1, 0.0), BATCH - 1) / (BATCH - 1)
        return (1 + (self.gain - 1) * share) / self.attack

    def photos_per_core_second(self, together: float = BATCH) -> float:
        """The whole of a photo, at full load."""
        return 1 / (1 / self.attacks_per_core_second(together) + self.rest)


@dataclass(frozen=True)
class Need:
    """What ``rate`` photos a second take."""

    rate: float
    cores: float
    servers: int
    nodes: int

    def cost(self, price: float) -> float:
        """Of an hour, where a node's hour costs ``price``."""
        return self.nodes * price


@dataclass(frozen=True)
class Assumptions:
    """``faces`` in a photo, the share of the cores that is meant to be at work, a model server's cores, a node's."""

    faces: float = 1.0
    load: float = 0.7
    server_cores: int = 4
    node_cores: int = 16


def results() -> list[Path]:
    return sorted(Path(__file__).parents[1].glob("results*.jsonl"))


def first(files: Sequence[Path]) -> Figures:
    """Of the first of ``files`` that says enough."""
    return next(filter(None, map(figures, files)))


def figures(file: Path) -> Figures | None:
    """Of the lines of ``file``; None where they do not say enough, or were measured with a GPU, whose time is no core's."""
    lines = {line["name"]: line for line in map(json.loads, file.read_text().splitlines())}
    if not all(name in lines for name in _NEEDED) or "GPU: none" not in lines["machine"]["against"]:
        return None
    cores, photo = lines["machine"]["value"], lines["overhead_share"]
    seconds, share = photo["value"], photo["ratio"]
    return Figures(
        lines["machine"]["against"],
        cores,
        cores * seconds * (1 - share),
        cores * seconds * share,
        lines["batch16_vs_1_default_set"]["ratio"],
    )


def gpus(file: Path) -> str:
    """The GPUs of the machine that ``file`` is about; empty: none."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    (machine,) = [line["against"] for line in lines if line["name"] == "machine"]
    (said,) = [part.removeprefix("GPU: ") for part in machine.split("; ") if part.startswith("GPU: ")]
    return "" if said == "none" else str(said)


def need(rate: float, known: Figures, assumed: Assumptions) -> Need:
    """More faces are more attacks; the rest of a photo is taken to be the same."""
    attacking = rate * assumed.faces / known.attacks_per_core_second() / assumed.load
    cores = attacking + rate * known.rest / assumed.load
    servers = math.ceil(attacking / assumed.server_cores)
    return Need(rate, cores, servers, math.ceil(cores / assumed.node_cores))
