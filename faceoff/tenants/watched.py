"""Mounted files: whoever holds one sees its newest content with the next call."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_BYTES = 4_000_000


class Watched(Generic[T]):
    """What ``parse`` makes of a file's bytes; asked again when the file changes."""

    def __init__(self, path: Path, parse: Callable[[bytes], T]) -> None:
        self.path = path
        self._parse = parse
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._value: T | Exception

    def get(self) -> T:
        """Raises OSError, and the ValueError that ``parse`` raises, for as long as the file stays as it is."""
        with self._lock:
            # O_NONBLOCK: a pipe in the file's place holds up nobody.
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                status = os.fstat(file.fileno())
                stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
                if stamp != self._stamp:
                    try:
                        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                            raise ValueError("it is no file of a sensible size")
                        self._value = self._parse(file.read(_MOST_BYTES))
                    except ValueError as error:
                        self._value = error
                    self._stamp = stamp
            if isinstance(self._value, Exception):
                raise self._value
            return self._value
