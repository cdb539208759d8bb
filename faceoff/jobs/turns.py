"""Whose job is next. Priorities share the workers by weight (stride scheduling), so none starves; within a priority, the tenant
who was served longest ago comes first, so that nobody's backlog delays another's photo by more than one job a tenant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from faceoff.types import Priority

WEIGHTS: Mapping[Priority, int] = MappingProxyType({Priority.INTERACTIVE: 16, Priority.BULK: 4, Priority.CAMPAIGN: 1})

Line = tuple[Priority, str]
"""A priority and a tenant."""


class Turns:
    """Not safe for threads by itself."""

    def __init__(self) -> None:
        self._passes = dict.fromkeys(Priority, 0.0)
        self._served: dict[Line, int] = {}
        self._count = 0
        self._now = 0.0

    def order(self, waiting: Iterable[Line]) -> Iterator[Line]:
        """The lines that wait, the next first. A line that is then served must be told to ``serve``."""
        lines = list(waiting)
        self._served = {line: turn for line, turn in self._served.items() if self._count - turn <= 2 * len(lines) + 100}
        yield from sorted(lines, key=lambda line: (self._pass(line[0]), line[0], self._served.get(line, -1)))

    def serve(self, line: Line) -> None:
        # A priority that had nothing to do does not save up turns: it continues from the present.
        self._now = self._pass(line[0])
        self._passes[line[0]] = self._now + 1 / WEIGHTS[line[0]]
        self._count += 1
        self._served[line] = self._count

    def _pass(self, priority: Priority) -> float:
        return max(self._passes[priority], self._now)
