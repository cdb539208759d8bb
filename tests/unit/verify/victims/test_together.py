from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.testing.faults import Fault
from faceoff.types import Outcome
from faceoff.verify.victims import together
from faceoff.verify.victims.together import ask_all
from faceoff.verify.victims.victim import Answer, Picture
from tests.unit.verify.victims.house import OTHER, REFERENCE, SAME, TERMS, WIRES, House


def until(so: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    ends = time.monotonic() + 30
    while not so() and time.monotonic() < ends:
        time.sleep(0.01)
    assert so()


PAIRS = [(REFERENCE, SAME), (REFERENCE, OTHER)]


def test_a_hung_victim_holds_up_no_other(house: House) -> None:
    house.terms(TERMS.replace("timeout: 8", "timeout: 60"))
    house.server.fault("azure", Fault.SLOW, times=4, seconds=60)
    others = sorted((name, index) for name in WIRES if name != "azure" for index in range(2))
    came: list[tuple[str, int]] = []

    def enough(name: str, index: int, answer: Answer) -> None:
        assert answer.score is not None
        came.append((name, index))
        if len(came) == len(others):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        ask_all(house.victims(), PAIRS, 50.0, enough)
    assert sorted(came) == others


def test_what_is_not_answered_by_the_deadline_may_have_been_charged(house: House) -> None:
    house.server.fault("azure", Fault.SLOW, times=2, seconds=60)
    answers = ask_all({"azure": house.victims()["azure"]}, PAIRS, 0.5)
    assert {answer.failure for answer in answers["azure"]} == {Outcome.ERROR}
    assert answers["azure"][0].note == "Timed out: no answer within 0.5 s."
    until(lambda: house.billed("azure") == 2)
    spending = house.spent("azure")
    assert (spending.unknown_calls, spending.charged_calls) == (2, 0)


def test_all_answers_come_in_the_pairs_order(house: House) -> None:
    answers = ask_all(house.victims(), PAIRS * 3, 20.0)
    for found in answers.values():
        assert [(answer.score or 0) > 0.5 for answer in found] == [True, False] * 3


class Held:
    """Answers the first ``quick`` at once, nobody else before it is let go."""

    name = "held"

    def __init__(self, quick: int = 0) -> None:
        self.quick = quick
        self.asked = 0
        self.answered = 0
        self.let_go = threading.Event()
        self.lock = threading.Lock()

    def compare(self, reference: Picture, probe: Picture) -> Answer:
        with self.lock:
            self.asked += 1
            waits = self.asked > self.quick
        if waits:
            self.let_go.wait(60)
        with self.lock:
            self.answered += 1
        return Answer(0.7, None, "1", "2026-01-01")


def test_threads_are_few_and_what_is_not_begun_never_is() -> None:
    held = Held()
    answers = ask_all({"held": held}, PAIRS * 50, 0.5)
    assert held.asked == together.PER_VICTIM
    held.let_go.set()
    until(lambda: held.answered == together.PER_VICTIM)
    time.sleep(0.05)
    assert held.asked == together.PER_VICTIM
    assert {answer.failure for answer in answers["held"]} == {Outcome.ERROR}


class Broken:
    name = "broken"

    def compare(self, reference: Picture, probe: Picture) -> Answer:
        if probe is OTHER:
            raise KeyError("CANARY")
        raise FaceOffError(Reason.NETWORK_MISSING, "It is not here.")


def test_a_victim_that_raises_takes_no_answer_from_the_others() -> None:
    held = Held(quick=2)
    answers = ask_all({"broken": Broken(), "held": held}, PAIRS, 20.0)
    assert [answer.note for answer in answers["broken"]] == ["It is not here.", "broken failed: KeyError."]
    assert {answer.failure for answer in answers["broken"]} == {Outcome.ERROR}
    assert [answer.score for answer in answers["held"]] == [0.7, 0.7]


def test_a_report_may_stop_it() -> None:
    held = Held(quick=1)

    def stop(*_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ask_all({"held": held}, PAIRS * 50, 20.0, stop)
    held.let_go.set()
    until(lambda: held.answered == held.asked)
    assert held.asked <= 1 + together.PER_VICTIM


def test_nothing_to_ask() -> None:
    assert ask_all({}, PAIRS, 1.0) == {}
    assert ask_all({"held": Held()}, [], 1.0) == {"held": []}
