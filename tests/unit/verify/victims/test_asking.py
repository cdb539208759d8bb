"""Consent, time, repeats, cache and breaker, over real HTTP."""

from __future__ import annotations

import io
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from faceoff.errors import FaceOffError, Reason
from faceoff.ledger import store
from faceoff.testing.faults import Fault
from faceoff.testing.lookalike import LookAlike, settings
from faceoff.testing.wires import Reply, Request
from faceoff.types import Outcome
from faceoff.verify.victims.asking import consented
from faceoff.verify.victims.settings import victims_from
from faceoff.verify.victims.victim import Picture
from tests.unit.verify.victims.house import OTHER, REFERENCE, SAME, TERMS, WIRES, House, find, person, picture


def test_without_consent_not_a_byte_leaves(house: House) -> None:
    victims = consented(victims_from(house.file), ["azure"], "tenant")
    for name in WIRES:
        answer = victims[name].compare(REFERENCE, OTHER)
        assert (answer.failure is Outcome.REFUSED) is (name != "azure")
    assert set(house.server.requests) == {"azure"}
    for victim in victims_from(house.file).values():  # whoever forgets to ask for consent has none
        assert victim.compare(REFERENCE, OTHER).failure is Outcome.REFUSED
    with pytest.raises(FaceOffError) as raised:
        consented(victims, ["clarifai"])
    assert raised.value.reason is Reason.INVALID_ARGUMENT


def test_consent_is_of_one_request(house: House) -> None:
    victims = victims_from(house.file)
    consented(victims, WIRES, "tenant")
    assert victims["azure"].compare(REFERENCE, OTHER).failure is Outcome.REFUSED


def test_a_pair_is_paid_for_once_by_each_tenant(house: House) -> None:
    victims = house.victims()
    first = victims["facepp"].compare(REFERENCE, OTHER)
    assert victims["facepp"].compare(REFERENCE, OTHER) == first
    assert house.billed("facepp") == 1
    victims["facepp"].compare(OTHER, REFERENCE)
    victims["facepp"].compare(REFERENCE, SAME)
    house.victims(tenant="another")["facepp"].compare(REFERENCE, OTHER)
    assert house.billed("facepp") == 4


def test_the_same_pair_at_the_same_time_is_paid_for_once(house: House) -> None:
    house.server.fault("azure", Fault.SLOW, times=3, seconds=0.2)
    victim = house.victims()["azure"]
    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(lambda _: victim.compare(REFERENCE, OTHER), range(8)))
    assert len(answers) == 1
    assert house.billed("azure") == 3


def test_only_scores_are_remembered(house: House) -> None:
    victim = house.victims()["facepp"]
    house.server.fault("facepp", Fault.EMPTY)
    assert victim.compare(REFERENCE, OTHER).failure is Outcome.ERROR
    assert victim.compare(REFERENCE, OTHER).score is not None


def test_with_a_key_file_answers_outlive_the_process(house: House) -> None:
    (house.file.parent / "cache.key").write_text("a-secret-of-ours")
    for cache, billed in (
        ("", 1),
        ("", 2),
        ("cache: {key_file: cache.key}\n", 3),
        ("cache: {key_file: cache.key}\n", 3),
    ):
        house.terms(TERMS)
        house.file.write_text(cache + house.file.read_text())
        house.victims()["facepp"].compare(REFERENCE, OTHER)
        assert house.billed("facepp") == billed


def test_retry_after_is_respected(house: House) -> None:
    house.server.fault("azure", Fault.BUSY, seconds=1)
    started = time.monotonic()
    assert house.victims()["azure"].compare(REFERENCE, OTHER).score is not None
    assert time.monotonic() - started > 1


def test_a_wait_beyond_the_deadline_is_not_begun(house: House) -> None:
    house.server.fault("azure", Fault.BUSY, seconds=60)
    started = time.monotonic()
    assert house.victims()["azure"].compare(REFERENCE, OTHER).failure is Outcome.THROTTLED
    assert time.monotonic() - started < 5


def test_a_rate_that_leaves_no_time_is_throttled_and_sends_nothing(house: House) -> None:
    house.terms(TERMS.replace("rate: 1000", "rate: 0.01"))
    victim = house.victims()["facepp"]
    assert victim.compare(REFERENCE, OTHER).score is not None
    answer = victim.compare(REFERENCE, SAME)
    assert answer.failure is Outcome.THROTTLED
    assert len(house.server.requests) == 1


def test_a_service_out_of_order_is_left_alone(house: House) -> None:
    victim = house.victims()["facepp"]
    house.server.fault("facepp", Fault.CUT, times=5)
    probes = [picture(person(seed)) for seed in range(6)]
    assert {victim.compare(REFERENCE, probe).failure for probe in probes} == {Outcome.ERROR}
    assert len(house.server.requests) == 5
    assert "asked again in" in victim.compare(REFERENCE, OTHER).note
    assert house.victims()["azure"].compare(REFERENCE, OTHER).score is not None  # the others are not


def test_a_ledger_that_cannot_be_written_sends_nothing(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PATIENCE", 0.1)
    victim = house.victims()["facepp"]
    with closing(sqlite3.connect(tmp_path / "state" / "victims.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert victim.compare(REFERENCE, OTHER).failure is Outcome.ERROR
    assert house.server.requests == []
    assert victim.compare(REFERENCE, OTHER).score is not None


class Sticky(LookAlike):
    """Sets a cookie, as load balancers do, and remembers what it got."""

    got: ClassVar[list[str]] = []

    def reply(self, request: Request) -> Reply | None:
        self.got.extend(request.headers[name] for name in request.headers if name == "cookie")
        reply = super().reply(request)
        return reply and replace(reply, headers={**reply.headers, "Set-Cookie": "who=you; Path=/"})


@pytest.mark.parametrize("wire", WIRES)
def test_cookies_are_not_kept(tmp_path: Path, wire: str) -> None:
    with Sticky(find) as server:
        victim = House(server, settings(tmp_path, server.url, server.keys, TERMS)).victims()[wire]
        for probe in (OTHER, SAME):
            assert victim.compare(REFERENCE, probe).score is not None
    assert Sticky.got == []


def test_what_is_no_picture_is_said_so(house: House) -> None:
    with pytest.raises(FaceOffError) as raised:
        house.victims()["facepp"].compare(REFERENCE, Picture(b"GIF87 or so"))
    assert raised.value.reason is Reason.UNSUPPORTED_FORMAT
    assert house.server.requests == []


def test_a_picture_over_a_limit_is_written_anew_and_the_answer_says_so(house: House) -> None:
    canvas = np.random.default_rng(0).integers(0, 255, (1100, 1100, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(canvas).save(out, "PNG")
    assert len(out.getvalue()) > 2 * 1024 * 1024
    answer = house.victims()["facepp"].compare(REFERENCE, Picture(out.getvalue()))
    assert answer.score is not None
    assert answer.note == "photo written anew as JPEG of quality 80 (bytes)"
