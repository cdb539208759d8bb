"""The adapters over real HTTP: what each service says, and every fault of it, ends in the right answer and the right bill."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faceoff.testing.faults import Fault
from faceoff.testing.lookalike import LookAlike, settings
from faceoff.types import Outcome
from faceoff.verify.scores import distance, score
from faceoff.verify.victims import asking
from tests.unit.verify.victims.house import (
    CALLS,
    NOBODY,
    OTHER,
    REFERENCE,
    SAME,
    TERMS,
    WIRES,
    House,
    find,
    person,
    picture,
)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff in hundredths of a second."""
    monkeypatch.setattr(asking, "_BACKOFF", lambda _: 0.01)


@pytest.mark.parametrize("wire", WIRES)
def test_a_score_is_that_of_the_pixels_in_each_services_own_unit(house: House, wire: str) -> None:
    victim = house.victims()[wire]
    for probe, same in ((SAME, True), (OTHER, False)):
        answer = victim.compare(REFERENCE, probe)
        expected = score(distance(find(REFERENCE.data)[0][1], find(probe.data)[0][1]), 1.0)
        assert answer.score == pytest.approx(expected, abs=1e-5)
        assert answer.score is not None
        assert (answer.score >= 0.5) is same
        assert answer.failure is None
        assert answer.note == ""
        assert answer.version
        assert answer.raw_threshold == {"azure": 0.5, "rekognition": 50, "facepp": 62.327, "compreface": 0.9}[wire]
        assert answer.raw_score is not None
        assert (answer.raw_score >= answer.raw_threshold) is same
    assert house.billed(wire) == 2 * CALLS[wire] == house.spent(wire).charged_calls
    assert house.spent(wire).unknown_calls == 0


@pytest.mark.parametrize("wire", WIRES)
def test_the_largest_face_of_the_probe_counts(house: House, wire: str) -> None:
    victim = house.victims()[wire]
    crowd = picture(person(3, side=160), person(0, side=64))
    answer = victim.compare(REFERENCE, crowd)
    assert answer.score is not None
    assert answer.score < 0.5
    if wire == "compreface":  # it takes one face only
        assert victim.compare(crowd, OTHER).failure is Outcome.ERROR
    else:
        assert victim.compare(crowd, OTHER).score == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("wire", WIRES)
def test_the_picture_without_a_face_is_named(house: House, wire: str) -> None:
    victim = house.victims()[wire]
    for reference, probe, expected in (
        (REFERENCE, NOBODY, Outcome.NO_FACE_PROTECTED),
        (NOBODY, OTHER, Outcome.NO_FACE_REFERENCE),
        (NOBODY, NOBODY, Outcome.NO_FACE_REFERENCE),
    ):
        answer = victim.compare(reference, probe)
        assert (answer.score, answer.failure) == (None, expected)
    if (
        wire == "rekognition"
    ):  # whether a complaint is charged is not documented: unknown, and never less than was billed
        spending = house.spent(wire)
        assert spending.charged_calls + spending.unknown_calls == house.billed(wire)


REFUSED, ERROR, THROTTLED = Outcome.REFUSED, Outcome.ERROR, Outcome.THROTTLED
FAULTS = [  # fault, outcome, requests, whether the call is unknown to the ledger
    (Fault.FORBIDDEN, REFUSED, 1, False),
    (Fault.TOO_LARGE, ERROR, 1, False),
    (Fault.GATEWAY, ERROR, 1, True),
    (Fault.CUT, ERROR, 1, True),
    (Fault.REDIRECT, ERROR, 1, False),
    (Fault.ECHO, ERROR, 1, True),
    (Fault.EMPTY, ERROR, 1, False),
    (Fault.GARBAGE, ERROR, 1, False),
]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("fault", "outcome", "requests", "unknown"), FAULTS, ids=[case[0] for case in FAULTS])
def test_final_faults(house: House, wire: str, fault: Fault, outcome: Outcome, requests: int, unknown: bool) -> None:
    house.server.fault(wire, fault)
    answer = house.victims()[wire].compare(REFERENCE, OTHER)
    assert (answer.score, answer.failure) == (None, outcome), answer
    assert answer.note
    assert len(house.server.requests) == requests
    spending = house.spent(wire)
    assert spending.unknown_calls == (1 if unknown else 0)
    assert spending.charged_calls <= house.billed(wire) <= spending.charged_calls + spending.unknown_calls


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.CONCURRENCY, Fault.BROKEN])
def test_a_repeat_that_is_free_and_asked_for_is_made(house: House, wire: str, fault: Fault) -> None:
    house.server.fault(wire, fault, times=3)
    answer = house.victims()[wire].compare(REFERENCE, OTHER)
    assert answer.score is not None, answer
    assert len(house.server.requests) == 3 + CALLS[wire]
    assert house.spent(wire).charged_calls == house.billed(wire) == CALLS[wire]
    assert house.spent(wire).unknown_calls == 0


@pytest.mark.parametrize("wire", WIRES)
def test_repeats_end(house: House, wire: str) -> None:
    victim = house.victims()[wire]
    house.server.fault(wire, Fault.BUSY, times=4)
    assert victim.compare(REFERENCE, OTHER).failure is Outcome.THROTTLED
    house.server.fault(wire, Fault.BROKEN, times=4)
    assert victim.compare(REFERENCE, OTHER).failure is Outcome.ERROR
    assert len(house.server.requests) == 8
    assert house.billed(wire) == house.spent(wire).charged_calls == house.spent(wire).unknown_calls == 0


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_that_comes_too_late_may_have_been_charged(house: House, wire: str) -> None:
    house.terms(TERMS.replace("timeout: 8", "timeout: 1"))
    house.server.fault(wire, Fault.SLOW, seconds=20)
    answer = house.victims()[wire].compare(REFERENCE, OTHER)
    assert answer.failure is Outcome.ERROR
    assert (house.billed(wire), house.spent(wire).unknown_calls, house.spent(wire).charged_calls) == (1, 1, 0)


@pytest.mark.parametrize("wire", WIRES)
def test_a_wrong_key_is_refused_and_a_rotated_one_is_in_use_at_once(house: House, wire: str) -> None:
    victim = house.victims()[wire]
    house.server.keys = replace(
        house.server.keys, azure="other", aws_secret="other", facepp_secret="other", compreface="other"
    )
    answer = victim.compare(REFERENCE, OTHER)
    assert answer.failure is Outcome.REFUSED, answer
    settings(house.file.parent, house.server.url, house.server.keys, TERMS)
    assert victim.compare(REFERENCE, OTHER).score is not None
    assert house.spent(wire).charged_calls == house.billed(wire) == CALLS[wire]


@pytest.mark.parametrize("wire", WIRES)
def test_nobody_there(house: House, wire: str) -> None:
    with LookAlike(find) as closed:
        url = closed.url
    settings(house.file.parent, url, house.server.keys, TERMS)
    answer = house.victims()[wire].compare(REFERENCE, OTHER)
    assert answer.failure is Outcome.ERROR
    assert "cannot be reached" in answer.note
    assert house.spent(wire).unknown_calls == 0


def test_azures_face_ids_expire(house: House) -> None:
    """Between detection and verification, here; the look-alike's clock runs a minute at each look."""
    times = iter(range(0, 6000, 59))
    with LookAlike(find, clock=lambda: float(next(times))) as server:
        settings(house.file.parent, server.url, server.keys, TERMS)
        answer = house.victims()["azure"].compare(REFERENCE, OTHER)
    assert answer.failure is Outcome.ERROR
    assert "FaceNotFound" in answer.note
