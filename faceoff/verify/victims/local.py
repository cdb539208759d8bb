"""What networks of the catalogue need as victims: embeddings in batches, and a detector that remembers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from faceoff.attacks.attacker import stack
from faceoff.rooms import Detector, Networks
from faceoff.types import Crop, Float, Photo

BATCH = 16
"""Crops a call of a network."""


def embed(networks: Networks, model: str, crops: Sequence[Crop]) -> Float:
    """Unit embeddings [B, D] of at least one crop."""
    parts = []
    for start in range(0, len(crops), BATCH):
        images, landmarks = stack(crops[start : start + BATCH])
        parts.append(networks.call(model, "embed", {"images": images, "landmarks": landmarks})["embeddings"])
    return np.concatenate(parts)


class CachedDetector:
    """faceoff.rooms.Detector that remembers the last ``size`` photos, each until ``seconds`` after it was last shown, so that a
    picture that several ask for, or that comes with every photo of a batch, is searched once. Photos are told apart by their
    source. Safe to share between threads."""

    def __init__(self, detector: Detector, size: int = 32, seconds: float = 60.0) -> None:
        self._detector = detector
        self._size = size
        self._seconds = seconds
        self._found: OrderedDict[bytes, tuple[float, list[Crop]]] = OrderedDict()  # with when it was last shown
        self._lock = threading.Lock()

    def detect(self, photo: Photo) -> list[Crop]:
        if not photo.source:
            return self._detector.detect(photo)
        key = hashlib.sha256(photo.source).digest()
        with self._lock:  # held while detecting too: who comes for the same photo waits instead of detecting again
            crops = self._found[key][1] if key in self._found else self._detector.detect(photo)
            if not self._found:
                self._forget_in(self._seconds)
            self._found[key] = time.monotonic(), crops
            self._found.move_to_end(key)
            if len(self._found) > self._size:
                self._found.popitem(last=False)
            return crops

    def _forget_in(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._forget)
        timer.daemon = True
        timer.start()

    def _forget(self) -> None:
        """Faces are not kept because nobody comes: what is over goes by itself."""
        with self._lock:
            over = time.monotonic() - self._seconds
            while self._found:
                shown, _ = next(iter(self._found.values()))
                if shown > over:
                    self._forget_in(shown - over)
                    return
                self._found.popitem(last=False)
