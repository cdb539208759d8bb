"""No sum is ever less than what the services can have charged, whatever threads and processes do."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.testing.faults import Fault
from faceoff.types import Outcome
from faceoff.verify.victims.asking import consented
from faceoff.verify.victims.budget import Allowance, Budget, Price, micro
from faceoff.verify.victims.calls import Bill
from faceoff.verify.victims.settings import victims_from
from faceoff.verify.victims.store import Store
from faceoff.verify.victims.together import PER_VICTIM, ask_all
from tests.unit.verify.victims.house import OTHER, REFERENCE, SAME, TERMS, WIRES, House, person, picture

CENT = Price(Decimal("0.01"), "USD", "2026-01-01")
TEN_A_DAY = Allowance(Decimal("0.10"), Decimal("0.15"))

FORKS = multiprocessing.get_context("forkserver")
"""Processes for which the libraries are loaded once."""
FORKS.set_forkserver_preload([__name__, "boto3"])


class Calendar:
    def __init__(self, day: str) -> None:
        self.day = day

    def __call__(self) -> str:
        return self.day


def test_days_and_months_roll_over(tmp_path: Path) -> None:
    calendar = Calendar("2026-01-30")
    budget = Budget(Store(tmp_path), calendar)

    def spend() -> int:
        made = 0
        while (reservation := budget.reserve("a", "azure", CENT, TEN_A_DAY)) is not None:
            budget.settle(reservation, Bill.CHARGED)
            made += 1
        return made

    assert spend() == 10
    calendar.day = "2026-01-31"
    assert spend() == 5  # the month's
    calendar.day = "2026-02-01"
    assert spend() == 10
    (spending,) = budget.spent()["azure"]
    assert (spending.charged, spending.charged_calls, spending.unknown_calls) == (Decimal("0.25"), 25, 0)


def test_tenants_victims_and_currencies_have_budgets_of_their_own(tmp_path: Path) -> None:
    budget = Budget(Store(tmp_path))
    once = Allowance(CENT.amount, CENT.amount)
    euro = Price(CENT.amount, "EUR", CENT.as_of)
    for tenant, victim, price in (
        ("a", "azure", CENT),
        ("b", "azure", CENT),
        ("a", "facepp", CENT),
        ("a", "azure", euro),
    ):
        assert budget.reserve(tenant, victim, price, once) is not None
        assert budget.reserve(tenant, victim, price, once) is None
    assert [entry.currency for entry in budget.spent()["azure"]] == ["EUR", "USD"]


def test_what_is_not_settled_or_unknown_counts_and_what_is_free_does_not(tmp_path: Path) -> None:
    budget = Budget(Store(tmp_path))
    allowance = Allowance(Decimal("0.03"), Decimal(1))
    first, second, third = (budget.reserve("a", "azure", CENT, allowance) for _ in range(3))
    assert first
    assert second
    assert third
    budget.settle(second, Bill.UNKNOWN)
    assert budget.reserve("a", "azure", CENT, allowance) is None
    budget.settle(third, Bill.FREE)
    budget.settle(third, Bill.CHARGED)  # too late: it is settled
    assert budget.reserve("a", "azure", CENT, allowance) is not None
    (spending,) = Budget(Store(tmp_path)).spent()["azure"]
    assert (spending.charged_calls, spending.unknown_calls, spending.unknown) == (0, 3, Decimal("0.03"))


def test_parts_of_a_millionth_are_rounded_up() -> None:
    assert micro(Decimal("0.0000001")) == 1


def test_a_state_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FaceOffError) as raised:
        Store(tmp_path / "file")
    assert raised.value.reason is Reason.INVALID_ARGUMENT


def _spend_all(folder: Path, made: multiprocessing.Queue[int]) -> None:
    budget, count = Budget(Store(folder), Calendar("2026-01-01")), 0
    while (reservation := budget.reserve("a", "azure", CENT, Allowance(Decimal("0.40"), Decimal(1)))) is not None:
        budget.settle(reservation, Bill.CHARGED if count % 2 else Bill.UNKNOWN)
        count += 1
    made.put(count)


def test_processes_together_stay_within_the_budget(tmp_path: Path) -> None:
    Store(tmp_path)
    made: multiprocessing.Queue[int] = FORKS.Queue()
    processes = [FORKS.Process(target=_spend_all, args=(tmp_path, made)) for _ in range(3)]
    for process in processes:
        process.start()
    assert sum(made.get(timeout=60) for _ in processes) == 40
    for process in processes:
        process.join()
    (spending,) = Budget(Store(tmp_path)).spent()["azure"]
    assert spending.charged_calls + spending.unknown_calls == 40


def test_threads_are_charged_for_what_is_billed_and_no_more_is_sent_than_allowed(house: House) -> None:
    house.terms(TERMS.replace("daily: 1", "daily: 0.025"))
    house.server.fault("facepp", Fault.BUSY, times=5)
    house.server.fault("facepp", Fault.CUT, times=2)
    victim = house.victims()["facepp"]
    probes = [picture(person(seed)) for seed in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda probe: victim.compare(REFERENCE, probe), probes))
    outcomes = [answer.failure for answer in answers]
    assert outcomes.count(None) == 23
    assert outcomes.count(Outcome.OVER_BUDGET) == 15
    assert outcomes.count(Outcome.ERROR) == 2
    spending = house.spent("facepp")
    assert (spending.charged_calls, spending.unknown_calls) == (23, 2)
    assert house.billed("facepp") == 25


def test_a_call_that_is_over_budget_is_not_sent(house: House) -> None:
    house.terms(TERMS.replace("daily: 1", "daily: 0.002"))
    victim = house.victims()["azure"]
    answer = victim.compare(REFERENCE, OTHER)  # two detections, and no money for the verification
    assert answer.failure is Outcome.OVER_BUDGET
    assert victim.compare(REFERENCE, SAME).failure is Outcome.OVER_BUDGET
    assert house.server.requests == ["azure", "azure"]
    assert house.victims(tenant="another")["azure"].compare(REFERENCE, OTHER).failure is Outcome.OVER_BUDGET
    assert len(house.server.requests) == 4


_ASKS = """
import sys
from pathlib import Path
from faceoff.verify.victims.asking import consented
from faceoff.verify.victims.settings import victims_from
from faceoff.verify.victims.victim import Picture
file, wire, reference, probe = sys.argv[1:]
victim = consented(victims_from(Path(file)), [wire], "tenant")[wire]
victim.compare(*(Picture(Path(name).read_bytes()) for name in (reference, probe)))
"""


@pytest.mark.parametrize("wire", ["azure", "rekognition"])
def test_a_call_that_was_under_way_at_kill_9_is_unknown_and_stays_charged(
    house: House, tmp_path: Path, wire: str
) -> None:
    names = [str(tmp_path / name) for name in ("reference.png", "probe.png")]
    for name, content in zip(names, (REFERENCE, OTHER), strict=True):
        Path(name).write_bytes(content.data)
    house.server.fault(wire, Fault.SLOW, seconds=60)
    process = subprocess.Popen([sys.executable, "-c", _ASKS, str(house.file), wire, *names])
    ends = time.monotonic() + 60
    while not house.billed(wire) and time.monotonic() < ends:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    spending = house.spent(wire)
    assert (house.billed(wire), spending.charged_calls, spending.unknown_calls) == (1, 0, 1)
    assert house.victims()[wire].compare(REFERENCE, OTHER).score is not None
    assert house.spent(wire).unknown_calls == 1
    assert house.spent(wire).charged_calls + 1 == house.billed(wire)


def _ask_many(file: Path, start: int) -> None:
    probes = [picture(person(seed), side=160) for seed in range(start, start + 150)]
    ask_all(consented(victims_from(file), WIRES, "tenant"), [(REFERENCE, probe) for probe in probes], 100.0)


def test_the_ledger_brackets_the_bill_after_kill_9_at_random_moments(house: House) -> None:
    moments = np.random.default_rng(0).uniform(0.0, 0.5, 4)
    for number, moment in enumerate(moments):
        before = [house.billed(wire) for wire in WIRES]
        process = FORKS.Process(target=_ask_many, args=(house.file, 1000 * number))
        process.start()
        ends = time.monotonic() + 60
        while any(house.billed(wire) < 5 + old for wire, old in zip(WIRES, before, strict=True)):
            assert time.monotonic() < ends
            time.sleep(0.01)
        time.sleep(moment)
        process.kill()
        process.join()
    for wire in WIRES:
        spending = house.spent(wire)
        assert 0 < spending.charged_calls <= house.billed(wire) <= spending.charged_calls + spending.unknown_calls
        assert spending.unknown_calls <= len(moments) * PER_VICTIM
