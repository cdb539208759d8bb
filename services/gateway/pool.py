"""The people whom faces may be led to: those who agreed to it, from the operator's folder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from faceoff import gallery
from faceoff.rooms import Detector
from faceoff.types import Gallery, Loss, Plan

_TARGETED = (Loss.TARGET, Loss.HINGE)


class Pool:
    """Reads the folder when a plan needs it, and again when a person was added or left."""

    def __init__(self, folder: Callable[[], Path | None]) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read: tuple[Path, tuple[str, ...]] | None = None
        self._people: Gallery = {}

    def people(self, plan: Plan, detector: Detector) -> Gallery:
        """Nobody where the plan leads to nobody. Raises as faceoff.gallery.read does."""
        folder = self._folder() if plan.loss in _TARGETED else None
        if folder is None:
            return {}
        with self._lock:
            there = (folder, tuple(sorted(str(path) for path in folder.rglob("*"))))
            if there != self._read:
                self._people, self._read = gallery.read(folder, detector), there
            return self._people
