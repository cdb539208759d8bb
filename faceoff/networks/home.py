"""The folder where the networks' files are kept between runs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from faceoff.networks.card import Card


@dataclass(frozen=True)
class Home:
    """Paths under ``root``; none of them need exist."""

    root: Path

    @property
    def downloads(self) -> Path:
        """Unfinished downloads and locks. Safe to delete while nothing runs."""
        return self.root / "downloads"

    @property
    def cards(self) -> Path:
        """The user's own cards, ``<name>.toml`` or ``<name>.json``."""
        return self.root / "cards"

    def weights(self, card: Card) -> Path:
        """The card's weight file (a folder for a SavedModel)."""
        return self.root / "weights" / card.name / card.filename

    def model(self, model: str, version: int | str) -> Path:
        """A converted model's version folder, laid out as TensorFlow Serving expects it."""
        return self.root / "models" / model / str(version)


def default_home() -> Home:
    """``$FACEOFF_HOME``, or else the folder ``faceoff`` in the platform's cache."""
    chosen = os.environ.get("FACEOFF_HOME")
    if chosen:
        return Home(Path(chosen).expanduser().absolute())
    if sys.platform == "darwin":
        return Home(Path.home() / "Library" / "Caches" / "faceoff")
    cache = os.environ.get("XDG_CACHE_HOME")
    return Home((Path(cache) if cache else Path.home() / ".cache") / "faceoff")
