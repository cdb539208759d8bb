"""Asking several victims at once, so that a slow one holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from faceoff.errors import FaceOffError
from faceoff.types import Outcome
from faceoff.verify.scores import today
from faceoff.verify.victims.victim import Answer, Picture, Victim

PER_VICTIM = 4
"""Pairs that one victim is asked at a time."""

Pair = tuple[Picture, Picture]
"""Reference and probe."""

Report = Callable[[str, int, Answer], None]
"""Called with a victim's name, a pair's index and the answer, as answers come, from the caller's own thread."""


def ask_all(
    victims: Mapping[str, Victim], pairs: Sequence[Pair], deadline: float, report: Report | None = None
) -> dict[str, list[Answer]]:
    """Every victim's answers on all pairs, in the pairs' order, after ``deadline`` seconds at the latest.

    What is not answered by then is ERROR: a pair that is being asked goes on in its thread until the victim's own
    timeout (its reservation counts as unknown until then), one that is not begun never is. So does a victim that
    raises, FaceOffError's message included. ``report`` may raise to stop the asking.
    """
    asked = _Asked(victims, pairs)
    ends = time.monotonic() + deadline
    try:
        for _ in range(len(victims) * len(pairs)):
            found = asked.next(ends)
            if found is None:
                break
            if report:
                report(*found)
    finally:
        answers = asked.stop()
    late = Answer(None, Outcome.ERROR, "", today(), note=f"Timed out: no answer within {deadline:g} s.")
    return {name: [answers.get((name, index), late) for index in range(len(pairs))] for name in victims}


class _Asked:
    """The threads and what they found. They are daemons: a hung victim keeps no process alive."""

    def __init__(self, victims: Mapping[str, Victim], pairs: Sequence[Pair]) -> None:
        self._changed = threading.Condition()
        self._stopped = False
        self._new: list[tuple[str, int, Answer]] = []
        self._answers: dict[tuple[str, int], Answer] = {}
        for name, victim in victims.items():
            waiting = list(reversed(list(enumerate(pairs))))
            for _ in range(min(PER_VICTIM, len(pairs))):
                threading.Thread(target=self._work, args=(name, victim, waiting), daemon=True).start()

    def next(self, ends: float) -> tuple[str, int, Answer] | None:
        """The next answer; None at the time ``ends``."""
        with self._changed:
            while not self._new:
                remaining = ends - time.monotonic()
                if remaining <= 0:
                    return None
                self._changed.wait(remaining)
            return self._new.pop(0)

    def stop(self) -> dict[tuple[str, int], Answer]:
        """Begin no more pairs; the answers so far."""
        with self._changed:
            self._stopped = True
            return dict(self._answers)

    def _work(self, name: str, victim: Victim, waiting: list[tuple[int, Pair]]) -> None:
        while True:
            with self._changed:
                if self._stopped or not waiting:
                    return
                index, pair = waiting.pop()
            answer = _ask(victim, pair)
            with self._changed:
                self._answers[name, index] = answer
                self._new.append((name, index, answer))
                self._changed.notify()


def _ask(victim: Victim, pair: Pair) -> Answer:
    try:
        return victim.compare(*pair)
    except FaceOffError as error:
        note = error.message
    except Exception as error:  # its words may quote anything
        note = f"{victim.name} failed: {type(error).__name__}."
    return Answer(None, Outcome.ERROR, "", today(), note=note)
