"""faceoff.rooms.Networks in this process: the very SavedModels that a model server would host."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from faceoff.errors import FaceOffError, Reason
from faceoff.networks import catalogue, store
from faceoff.networks.home import Home
from faceoff.networks.session import ModelSession
from faceoff.types import Array


class LocalNetworks:
    """Loads a model at its first call and keeps it. Sets that were not built before are built from their weights."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._models: dict[str, tuple[int, ModelSession]] = {}
        self._lock = threading.Lock()

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        """Run one signature. ``timeout`` is for networks at the other end of a wire and plays no part here.

        Raises UNKNOWN_NETWORK, NETWORK_MISSING, WEIGHTS_MISMATCH for damaged files, and INVALID_ARGUMENT for a
        signature that the model does not have.
        """
        session = self._load(model)[1]
        if signature not in session.signatures:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT, f"{model} has no signature {signature}.", "Rebuild it: `faceoff models build`."
            )
        return session.run(signature, inputs, outputs)

    def version(self, model: str) -> str:
        return str(self._load(model)[0])

    def _load(self, model: str) -> tuple[int, ModelSession]:
        with self._lock:
            if model not in self._models:
                store.build([catalogue.card(name, self._home) for name in model.split("+")], self._home)
                version = store.newest(model, self._home)
                self._models[model] = version, _read(self._home.model(model, version))
            return self._models[model]


def _read(folder: Path) -> ModelSession:
    try:
        return ModelSession(folder)
    except (OSError, IndexError, ValueError, tf.errors.OpError) as error:
        raise FaceOffError(
            Reason.WEIGHTS_MISMATCH,
            f"The converted network in {folder} is damaged.",
            "Remove that folder: the next run makes it anew.",
        ) from error
