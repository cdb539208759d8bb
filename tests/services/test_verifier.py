"""The verifier service with commercial victims: a real server, a real stub, and real HTTP to their look-alikes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from prometheus_client import REGISTRY

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Networks
from faceoff.rpc import metrics
from faceoff.rpc.connect import Deadline, Peer, connect
from faceoff.rpc.remote import RemoteVerifier
from faceoff.testing import served
from faceoff.testing.faults import Fault
from faceoff.testing.lookalike import LookAlike, settings
from faceoff.testing.wires import Reply, Request
from faceoff.types import Against, Crop, Face, Outcome, Photo, Terms, Transform, Verdict, View
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from faceoff.verify.panel import Panel
from faceoff.verify.rates import transfer_rate
from faceoff.verify.verifier import LocalVerifier
from faceoff.verify.victims.settings import spent, victims_from
from services.verifier.servicer import VerifierServicer
from services.verifier.settings import parse
from tests.unit.verify.victims.house import NOBODY, OTHER, TERMS, find, person, picture

ORIGINAL = picture(person(0)).data
REFERENCE = picture(person(6, like=0.9)).data
STRANGER = picture(person(9)).data
KEPT = picture(person(5, like=0.9)).data
HIDDEN = OTHER.data
FACELESS = NOBODY.data


class Found:
    """A detector of the look-alike's own people."""

    def detect(self, photo: Photo) -> list[Crop]:
        landmarks = np.zeros((5, 2), np.float32)
        return [
            Crop(
                np.zeros((192, 192, 3), np.float32),
                landmarks,
                Transform(round(box.x) - 16, round(box.y) - 16, round(box.width) + 32),
                Face(box, landmarks, 1.0),
            )
            for box, _ in find(photo.source)
        ]


class Recording(LookAlike):
    """Remembers what was sent."""

    sent = b""

    def reply(self, request: Request) -> Reply | None:
        self.sent += request.body
        return super().reply(request)


@dataclass
class House:
    look_alike: Recording
    peer: Peer
    file: Path

    def verify(
        self,
        protected: bytes,
        terms: Terms = Terms(),  # noqa: B008
        victims: Sequence[str] = ("azure",),
        original: bytes = ORIGINAL,
        seconds: float = 20,
    ) -> list[Verdict]:
        photo = image.decode(original)
        remote = RemoteVerifier(self.peer, Deadline.after(seconds))
        return remote.verify(photo, protected, Found().detect(photo), (), victims, terms)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Recording(find) as look_alike:
        file = settings(tmp_path, look_alike.url, look_alike.keys, TERMS)
        panel = Panel(LocalVerifier(Mock(spec=Networks), Found(), []), victims_from(file))
        add = partial(add_VerifierServiceServicer_to_server, VerifierServicer(panel))
        with served("faceoff.v1.VerifierService", add) as server:
            peer = connect(f"127.0.0.1:{server.port}")
            yield House(look_alike, peer, file)
            peer.close()


def counted(victim: str) -> dict[Outcome, float]:
    """The counter, by outcome."""
    return {
        outcome: REGISTRY.get_sample_value("faceoff_verifications_total", {"victim": victim, "outcome": outcome}) or 0.0
        for outcome in Outcome
    }


def test_against_a_reference_with_the_originals_score_beside(house: House) -> None:
    terms = Terms((REFERENCE, ORIGINAL), ("azure",))
    (kept,), (hidden,) = house.verify(KEPT, terms), house.verify(HIDDEN, terms)
    assert (kept.outcome, hidden.outcome) == (Outcome.NOT_TRANSFERRED, Outcome.TRANSFERRED)
    assert kept.clean_score == hidden.clean_score
    assert kept.clean_score is not None
    assert kept.clean_score > 0.5
    assert (kept.victim, kept.against, kept.view, kept.threshold) == ("azure", Against.REFERENCE, View.PHOTO, 0.5)
    assert (kept.raw_score, kept.raw_threshold) == (kept.protected_score, 0.5)


def test_every_configured_victim_that_is_consented_to(house: House) -> None:
    found = house.verify(HIDDEN, Terms((ORIGINAL,), ("azure", "rekognition", "facepp")), ())
    assert [(one.victim, one.outcome) for one in found] == [
        ("azure", Outcome.TRANSFERRED),
        ("rekognition", Outcome.TRANSFERRED),
        ("facepp", Outcome.TRANSFERRED),
    ]
    assert {one.against for one in found} == {Against.ORIGINAL}


def test_without_consent_nothing_is_sent(house: House) -> None:
    before = counted("azure")
    (refused,) = house.verify(HIDDEN, Terms((REFERENCE,)))
    assert refused.outcome is Outcome.REFUSED
    assert "did not consent" in refused.note
    assert house.verify(HIDDEN, Terms((REFERENCE,)), ()) == []
    assert len(house.verify(HIDDEN, Terms((REFERENCE,)), ("azure", "azure"))) == 1
    assert not house.look_alike.requests
    assert counted("azure") == before  # it pages nobody


def test_the_original_is_sent_only_as_a_reference_itself(house: House) -> None:
    before = counted("azure")
    (refused,) = house.verify(HIDDEN, Terms((), ("azure",)))
    assert (refused.outcome, refused.note[:16]) == (Outcome.REFUSED, "Nothing was sent")
    assert not house.look_alike.requests
    assert counted("azure") == before  # it pages nobody
    (unknown,) = house.verify(HIDDEN, Terms((REFERENCE,), ("azure",)))
    assert unknown.outcome is Outcome.NO_CLEAN_PAIR  # it may never have matched
    assert REFERENCE in house.look_alike.sent
    assert HIDDEN in house.look_alike.sent
    assert ORIGINAL not in house.look_alike.sent
    house.verify(HIDDEN, Terms((ORIGINAL,), ("azure",)))
    assert ORIGINAL in house.look_alike.sent


def test_consent_to_somebody_who_is_not_configured(house: House) -> None:
    with pytest.raises(FaceOffError) as caught:
        house.verify(HIDDEN, Terms((REFERENCE,), ("clearview",)))
    assert caught.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("protected", "references", "fault", "expected"),
    [
        (FACELESS, (REFERENCE, ORIGINAL), None, Outcome.NO_FACE_PROTECTED),
        (HIDDEN, (FACELESS,), None, Outcome.NO_FACE_REFERENCE),
        (HIDDEN, (STRANGER, ORIGINAL), None, Outcome.CLEAN_MISMATCH),
        (FACELESS, (STRANGER, ORIGINAL), None, Outcome.CLEAN_MISMATCH),
        (HIDDEN, (REFERENCE,), None, Outcome.NO_CLEAN_PAIR),
        (HIDDEN, (REFERENCE, ORIGINAL), Fault.BUSY, Outcome.THROTTLED),
        (HIDDEN, (REFERENCE, ORIGINAL), Fault.FORBIDDEN, Outcome.REFUSED),
        (HIDDEN, (REFERENCE, ORIGINAL), Fault.BROKEN, Outcome.ERROR),
        (HIDDEN, (REFERENCE, ORIGINAL), Fault.EMPTY, Outcome.ERROR),
    ],
)
def test_what_is_no_evidence_is_never_counted_as_protection(
    protected: bytes, references: tuple[bytes, ...], fault: Fault | None, expected: Outcome, house: House
) -> None:
    before = counted("facepp")
    if fault:
        house.look_alike.fault("facepp", fault, times=20)
    found = house.verify(protected, Terms(references, ("facepp",)), ("facepp",))
    assert [one.outcome for one in found] == [expected]
    assert transfer_rate(one.outcome for one in found).n == 0
    after = counted("facepp")
    assert {outcome: after[outcome] - before[outcome] for outcome in Outcome if after[outcome] != before[outcome]} == {
        expected: 1.0
    }


def test_a_throttled_reference_leaves_the_question_open(house: House) -> None:
    house.look_alike.fault("facepp", Fault.FORBIDDEN, times=1)
    (found,) = house.verify(HIDDEN, Terms((REFERENCE, STRANGER), ("facepp",)), ("facepp",))
    assert found.outcome is Outcome.REFUSED


def test_other_views_are_asked_and_not_counted(house: House) -> None:
    before = counted("facepp")
    found = house.verify(KEPT, Terms((ORIGINAL,), ("facepp",), tuple(View)), ("facepp",))
    assert [(one.view, one.outcome) for one in found] == [(view, Outcome.NOT_TRANSFERRED) for view in View]
    assert all(one.clean_score is not None for one in found)
    assert counted("facepp") == before | {Outcome.NOT_TRANSFERRED: before[Outcome.NOT_TRANSFERRED] + 1}


def test_each_face_of_a_group_is_asked_about_by_itself(house: House) -> None:
    original = picture(person(0), person(3, side=96)).data
    protected = picture(person(0), person(8, side=96)).data
    found = house.verify(protected, Terms((original,), ("facepp",)), ("facepp",), original)
    assert [(one.face, one.outcome) for one in found] == [(0, Outcome.NOT_TRANSFERRED), (1, Outcome.TRANSFERRED)]


def test_a_hung_victim_takes_no_other_verdict_along(house: House) -> None:
    house.look_alike.fault("azure", Fault.SLOW, times=9, seconds=60)
    began = time.monotonic()
    found = house.verify(HIDDEN, Terms((ORIGINAL,), ("azure", "facepp")), (), seconds=5)
    assert time.monotonic() - began < 5
    assert {one.victim: one.outcome for one in found} == {"azure": Outcome.ERROR, "facepp": Outcome.TRANSFERRED}


def test_spending_is_the_ledgers(house: House) -> None:
    house.verify(HIDDEN, Terms((ORIGINAL,), ("facepp",)), ("facepp",))
    house.look_alike.fault("azure", Fault.CUT)
    house.verify(HIDDEN, Terms((ORIGINAL,), ("azure",)))
    collector = metrics.SpendingCollector(partial(spent, house.file))
    found = {
        (sample.name, sample.labels["victim"], sample.labels["currency"]): sample.value
        for family in collector.collect()
        for sample in family.samples
    }
    assert found["faceoff_verifier_spend_total", "facepp", "USD"] == pytest.approx(0.001)
    assert found["faceoff_verifier_spend_unknown", "facepp", "USD"] == 0
    assert found["faceoff_verifier_spend_unknown", "azure", "USD"] == pytest.approx(0.001)
    assert all(not family.samples for family in collector.describe())


def test_a_ledger_that_cannot_be_read_takes_no_other_metric_along(tmp_path: Path) -> None:
    assert list(metrics.SpendingCollector(partial(spent, tmp_path / "gone.yaml")).collect()) == []


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse([]).victims is None
    assert parse(["--victims", "a.yaml"]).victims == Path("a.yaml")
    monkeypatch.setenv("FACEOFF_VICTIMS", "b.yaml")
    assert parse([]).victims == Path("b.yaml")


def test_nothing_transferred_is_counted_as_0_and_the_histogram_is_of_evidence_alone() -> None:
    kept = Verdict(0, "newcomer", "1", "2026-01-01", 0.9, 0.8, 0.5, Outcome.NOT_TRANSFERRED)
    missed = replace(kept, clean_score=0.3, protected_score=0.2, outcome=Outcome.CLEAN_MISMATCH)
    unknown = replace(kept, clean_score=None, protected_score=0.2, outcome=Outcome.NO_CLEAN_PAIR)
    metrics.observe_verdicts([kept, missed, unknown])
    labels = {"victim": "newcomer", "outcome": "transferred"}
    assert REGISTRY.get_sample_value("faceoff_verifications_total", labels) == 0.0  # not None: no series, no rate
    assert REGISTRY.get_sample_value("faceoff_verification_confidence_count", {"victim": "newcomer"}) == 1
    assert REGISTRY.get_sample_value("faceoff_verification_confidence_sum", {"victim": "newcomer"}) == 0.8


def test_the_histogram_has_the_threshold_as_a_bound(house: House) -> None:
    house.verify(KEPT, Terms((ORIGINAL,), ("facepp",)), ("facepp",))
    below = REGISTRY.get_sample_value("faceoff_verification_confidence_bucket", {"victim": "facepp", "le": "0.5"})
    every = REGISTRY.get_sample_value("faceoff_verification_confidence_count", {"victim": "facepp"})
    assert below is not None
    assert every is not None
    assert every > below
