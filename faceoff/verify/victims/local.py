"""Networks of the catalogue as victims."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from faceoff import image
from faceoff.attacks.attacker import stack
from faceoff.errors import FaceOffError
from faceoff.networks.card import Card
from faceoff.rooms import Detector, Networks
from faceoff.types import Crop, Float, Outcome, Photo
from faceoff.verify.scores import distance, score, threshold, today
from faceoff.verify.victims.victim import Answer, Picture

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


class LocalVictim:
    """faceoff.verify.victims.victim.Victim over a network of the catalogue whose card has a threshold at FAR. Its own figures
    are l2 distances between unit embeddings. Give victims of one house one CachedDetector. ``decode`` reads the pictures."""

    def __init__(self, networks: Networks, detector: Detector, card: Card, decode: image.Decode = image.decode) -> None:
        self._networks = networks
        self._decode = decode
        self._detector = detector
        self._card = card

    @property
    def name(self) -> str:
        return self._card.name

    def compare(self, reference: Picture, probe: Picture) -> Answer:
        version = ""
        try:
            version = self._networks.version(self.name)
            known, face = self._largest(reference), self._largest(probe)
            if known is None or face is None:
                missing = Outcome.NO_FACE_REFERENCE if known is None else Outcome.NO_FACE_PROTECTED
                return Answer(None, missing, version, today())
            away = distance(*embed(self._networks, self.name, [known, face]))
        except FaceOffError as error:
            return Answer(None, Outcome.ERROR, version, today(), note=error.message)
        limit = threshold(self._card)
        return Answer(score(away, limit), None, version, today(), away, limit)

    def _largest(self, picture: Picture) -> Crop | None:
        found = self._detector.detect(self._decode(picture.data, max_bytes=len(picture.data)))
        return found[0] if found else None
