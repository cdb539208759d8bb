"""A campaign's folder: its manifest, its rows, its masks and the pictures that victims were shown."""

from __future__ import annotations

import fcntl
import hmac
import io
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faceoff import files
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Float

if TYPE_CHECKING:  # it imports TensorFlow, which a report does not need
    from faceoff.campaign.grid import Job, Look


@dataclass(frozen=True)
class Stored:
    """A mask as it is kept: ``delta`` [S, S, 3] (in half precision, which is far below a pixel's level), whether it reached its
    goal, its iterations, the attack's seconds for this face among ``batch`` that were attacked together."""

    delta: Float
    reached: bool
    iterations: int
    seconds: float
    batch: int


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows = root / "rows.jsonl"
        self._manifest = root / "manifest.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Ours alone; the system lets go of it however we end. Raises INVALID_ARGUMENT while another run has it."""
        with files.disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / ".lock").open("a")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FaceOffError(
                    Reason.INVALID_ARGUMENT,
                    f"Another run is at work in {self.root}.",
                    "Wait for it, or give another --out.",
                ) from None
            yield

    def manifest(self) -> dict[str, Any] | None:
        """What was written last, or None for a folder without. Raises INVALID_ARGUMENT for a file that is no manifest."""
        if not self._manifest.exists():
            return None
        try:
            found = json.loads(self._manifest.read_bytes())
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict) or found.get("format") != 1:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT, f"{self._manifest} is not a campaign's manifest.", "Give another folder."
            )
        return found

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        files.write_atomically(self._manifest, (json.dumps(manifest, indent=1) + "\n").encode())

    def secret(self, run: int) -> bytes:
        """What services' answers in this run are remembered by: whoever goes on with it is not charged for them again, and
        another run asks anew. Made where it is not there."""
        path = self.root / ".secret"
        if not path.exists():
            files.write_atomically(path, secrets.token_bytes(32), private=True)
        return hmac.digest(path.read_bytes(), f"run {run}".encode(), "sha256")

    def mask(self, name: str) -> Stored | None:
        """The mask of that id, or None where it is not there or not readable: it is then computed again."""
        try:
            with np.load(io.BytesIO(self._mask(name).read_bytes()), allow_pickle=False) as found:
                reached, iterations, seconds, batch = found["facts"]
                delta = found["delta"].astype(np.float32)
        except (OSError, ValueError, KeyError):
            return None
        return Stored(delta, bool(reached), int(iterations), float(seconds), int(batch))

    def write_mask(self, name: str, mask: Stored) -> None:
        file = io.BytesIO()
        facts = np.array([mask.reached, mask.iterations, mask.seconds, mask.batch], np.float64)
        np.savez_compressed(file, delta=mask.delta.astype(np.float16), facts=facts)
        self._write(self._mask(name), file.getvalue())

    def picture(self, job: Job, look: Look) -> bytes | None:
        """What victims were shown of the look, or None where it has not been made."""
        path = self._picture(job, look)
        return path.read_bytes() if path.exists() else None

    def has_picture(self, job: Job, look: Look) -> bool:
        return self._picture(job, look).exists()

    def write_picture(self, job: Job, look: Look, data: bytes) -> None:
        self._write(self._picture(job, look), data)

    def _mask(self, name: str) -> Path:
        return self.root / "masks" / f"{name}.npz"

    def _picture(self, job: Job, look: Look) -> Path:
        return self.root / "pictures" / (job.mask or "clean") / f"{look.id}.{look.encoding.format}"

    def _write(self, path: Path, data: bytes) -> None:
        with files.disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, data)
