from __future__ import annotations

import threading
import time

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.testing.faults import Fault
from faceoff.types import Outcome
from faceoff.verify.victims import together
from faceoff.verify.victims.together import ask_all
from faceoff.verify.victims.victim import Answer, Picture
from tests.unit.verify.victims.house import OTHER, REFERENCE, SAME, WIRES, House

PAIRS = [(REFERENCE, SAME), (REFERENCE, OTHER)]


def test_a_hung_victim_holds_up_no_other(house: House) -> None:
    house.server.fault("azure", Fault.SLOW, times=4, seconds=60)
    came: list[tuple[str, int]] = []
    started = time.monotonic()
    answers = ask_all(house.victims(), PAIRS, 2.5, lambda name, index, _: came.append((name, index)))
    assert time.monotonic() - started < 3.5
    assert sorted(came) == sorted((name, index) for name in WIRES if name != "azure" for index in range(2))
    assert list(answers) == list(WIRES)
    for name in WIRES:
        assert [answer.score is not None for answer in answers[name]] == [name != "azure"] * 2
    assert {answer.failure for answer in answers["azure"]} == {Outcome.ERROR}
    assert answers["azure"][0].note == "Timed out: no answer within 2.5 s."
    spending = house.spent("azure")
    assert (spending.unknown_calls, spending.charged_calls, house.billed("azure")) == (2, 0, 2)


def test_all_answers_come_in_the_pairs_order(house: House) -> None:
    answers = ask_all(house.victims(), PAIRS * 3, 20.0)
    for found in answers.values():
        assert [(answer.score or 0) > 0.5 for answer in found] == [True, False] * 3


class Slow:
    name = "slow"

    def __init__(self) -> None:
        self.asked = 0
        self.at_once = 0
        self.most = 0
        self.lock = threading.Lock()

    def compare(self, reference: Picture, probe: Picture) -> Answer:
        with self.lock:
            self.asked += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(0.2)
        with self.lock:
            self.at_once -= 1
        return Answer(0.7, None, "1", "2026-01-01")


def test_threads_are_few_and_what_is_not_begun_never_is() -> None:
    slow = Slow()
    answers = ask_all({"slow": slow}, PAIRS * 50, 0.5)
    begun = slow.asked
    time.sleep(0.5)
    assert slow.most == together.PER_VICTIM
    assert slow.asked == begun <= 3 * together.PER_VICTIM
    assert answers["slow"][-1].failure is Outcome.ERROR


class Broken:
    name = "broken"

    def compare(self, reference: Picture, probe: Picture) -> Answer:
        if probe is OTHER:
            raise KeyError("CANARY")
        raise FaceOffError(Reason.NETWORK_MISSING, "It is not here.")


def test_a_victim_that_raises_takes_no_answer_from_the_others() -> None:
    answers = ask_all({"broken": Broken(), "slow": Slow()}, PAIRS, 5.0)
    assert [answer.note for answer in answers["broken"]] == ["It is not here.", "broken failed: KeyError."]
    assert {answer.failure for answer in answers["broken"]} == {Outcome.ERROR}
    assert [answer.score for answer in answers["slow"]] == [0.7, 0.7]


def test_a_report_may_stop_it() -> None:
    slow = Slow()

    def stop(*_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ask_all({"slow": slow}, PAIRS * 50, 5.0, stop)
    begun = slow.asked
    time.sleep(0.3)
    assert slow.asked <= begun + together.PER_VICTIM


def test_nothing_to_ask() -> None:
    assert ask_all({}, PAIRS, 1.0) == {}
    assert ask_all({"slow": Slow()}, [], 1.0) == {"slow": []}
