"""How far the work is and how long it will take, on standard error."""

from __future__ import annotations

import sys
import time


class Clock:
    """``unit`` is what is counted. Time left follows from what was done since now, not from ``done`` before."""

    def __init__(self, title: str, total: int, done: int, unit: str, quiet: bool = False) -> None:
        self._title, self._total, self._first, self._unit, self._quiet = title, total, done, unit, quiet
        self._start = time.monotonic()

    def during(self, done: float) -> None:
        """Part of the next piece is done: worth a word only on a terminal, where the line is written over."""
        if sys.stderr.isatty() and not self._quiet:
            sys.stderr.write(f"{self._line(done):<79}\r")
            sys.stderr.flush()

    def after(self, done: int) -> None:
        if not self._quiet:
            sys.stderr.write(self._line(done) + "\n")
            sys.stderr.flush()

    def _line(self, done: float) -> str:
        left = "?"
        if done > self._first:
            pace = (time.monotonic() - self._start) / (done - self._first)
            left = f"{pace * (self._total - done) / 60:.1f} min"
        return f"{self._title}: {int(done)} of {self._total} {self._unit}, {left} left"
