"""Rows on disk, one JSON object a line, so that a kill loses only what was under way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faceoff.files import disk_errors

Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    """The whole rows of the file at ``path``; none where there is no file. What a kill cut off is not a row."""
    return [row for row, _ in _rows(path)]


class Journal:
    """Appends rows to ``path`` for one writer. What the last writer left unfinished is cut off first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = list(_rows(path))
        self.rows: list[Row] = [row for row, _ in found]
        if path.exists():
            with disk_errors(path):
                os.truncate(path, found[-1][1] if found else 0)

    def add(self, *rows: Row) -> None:
        """They are on the disk when this returns: all of them, or whole lines of the first ones after a kill."""
        lines = "".join(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n" for row in rows)
        with disk_errors(self._path), self._path.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
        self.rows.extend(rows)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def _rows(path: Path) -> Iterator[tuple[Row, int]]:
    """Every whole row and where it ends. A line that is no JSON object, as a power cut may leave one, is passed over."""
    if not path.exists():
        return
    end = 0
    with path.open("rb") as file:
        for line in file:
            end += len(line)
            if not line.endswith(b"\n"):
                return
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row, end
