"""Secrets are mounted files. They are read when needed, so a rotated key is in use with the next call."""

from __future__ import annotations

import threading
from pathlib import Path

from faceoff.types import Outcome
from faceoff.verify.victims.calls import Fault

_MOST_BYTES = 4096


class KeyFile:
    """A file with one secret, re-read when the file changes. The secret is in nothing that this prints or raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._secret = ""
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"KeyFile({str(self._path)!r})"

    def read(self) -> str:
        """The secret, without white space around it. Raises Fault REFUSED when the file holds none."""
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
                if stamp != self._stamp:
                    self._stamp = None
                    self._secret = self._load(status.st_size)
                    self._stamp = stamp
            except (OSError, ValueError):
                raise Fault(Outcome.REFUSED, f"Nothing was sent: {self._path.name} holds no usable key.") from None
            return self._secret

    def _load(self, size: int) -> str:
        """Only what can stand in an HTTP header: libraries quote a header that they refuse."""
        secret = self._path.read_bytes().decode("ascii").strip() if size <= _MOST_BYTES else ""
        if not secret or not secret.isprintable() or " " in secret:
            raise ValueError
        return secret
