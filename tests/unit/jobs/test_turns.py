from __future__ import annotations

from collections import Counter

import pytest

from faceoff.jobs.turns import WEIGHTS, Line, Turns
from faceoff.types import Priority


def serve(turns: Turns, waiting: dict[Line, int]) -> Line:
    line = next(turns.order(line for line, count in waiting.items() if count))
    turns.serve(line)
    waiting[line] -= 1
    return line


def test_priorities_by_weight() -> None:
    turns = Turns()
    waiting = {(priority, "ann"): 1000 for priority in Priority}
    counts = Counter(serve(turns, waiting)[0] for _ in range(210))
    assert counts == {priority: weight * 10 for priority, weight in WEIGHTS.items()}


def test_idle_time_is_not_saved_up() -> None:
    turns = Turns()
    waiting = {(Priority.CAMPAIGN, "ann"): 1000, (Priority.INTERACTIVE, "ann"): 0}
    for _ in range(500):
        serve(turns, waiting)
    waiting[Priority.INTERACTIVE, "ann"] = 100
    counts = Counter(serve(turns, waiting)[0] for _ in range(34))
    assert counts[Priority.INTERACTIVE] == pytest.approx(32, abs=1)


@pytest.mark.parametrize("tenants", [1, 2, 7])
def test_tenants_take_turns(tenants: int) -> None:
    turns = Turns()
    waiting = {(Priority.BULK, "hog"): 100_000} | {(Priority.BULK, f"t{n}"): 10 for n in range(tenants)}
    order = [serve(turns, waiting)[1] for _ in range(10 * (tenants + 1))]
    assert Counter(order) == dict.fromkeys(["hog", *(f"t{n}" for n in range(tenants))], 10)


def test_a_newcomer_is_next() -> None:
    turns = Turns()
    waiting = {(Priority.BULK, "hog"): 100_000}
    for _ in range(1000):
        serve(turns, waiting)
    waiting[Priority.BULK, "ann"] = 1
    assert serve(turns, waiting)[1] == "ann"
