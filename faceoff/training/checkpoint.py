"""Where an interrupted training goes on: the weights, the optimiser and what was measured, after the last whole epoch."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from faceoff.errors import FaceOffError, Reason
from faceoff.files import disk_errors, write_atomically
from faceoff.networks.home import Home
from faceoff.types import Array


class Checkpoint:
    """Of the training called ``name``. ``identity`` is all that must be the same for it to go on, in plain JSON; it holds
    nothing of the photos but how many there are."""

    def __init__(self, home: Home, name: str, identity: Mapping[str, Any]) -> None:
        self._path = home.root / "training" / name / "checkpoint.npz"
        self._identity = json.loads(json.dumps(identity))

    def exists(self) -> bool:
        return self._path.exists()

    def load(self) -> tuple[list[dict[str, Any]], list[Array]]:
        """What was measured after each epoch, and the arrays as they were saved; nothing where no training was begun.

        Raises INVALID_ARGUMENT where one of other settings was, or the file is damaged.
        """
        if not self.exists():
            return [], []
        try:
            with np.load(self._path, allow_pickle=False) as file:
                head = json.loads(str(file["head"]))
                identity, epochs = head["identity"], list(head["epochs"])
                arrays = [file[f"array{index}"] for index in range(len(file.files) - 1)]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise self._refused("damaged") from error
        if identity != self._identity:
            raise self._refused("of other settings or photos")
        return epochs, arrays

    def save(self, epochs: Sequence[Mapping[str, Any]], arrays: Sequence[Array]) -> None:
        """Replace what was saved, whole or not at all. Raises DISK_FULL."""
        content = io.BytesIO()
        head = json.dumps({"identity": self._identity, "epochs": list(epochs)})
        named: dict[str, Any] = {f"array{index}": array for index, array in enumerate(arrays)}
        np.savez(content, head=np.array(head), **named)
        with disk_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, content.getvalue())

    def remove(self) -> None:
        shutil.rmtree(self._path.parent, ignore_errors=True)

    def _refused(self, why: str) -> FaceOffError:
        return FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"There is an unfinished training of that name, {why}.",
            f"Give the same settings and photos, another name with --out, or remove {self._path.parent}.",
        )
