"""Commercial victims over the whole line: on whose account they are asked, and what is refused before the work."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import httpx2
import numpy as np
import pytest

from faceoff.amplify import LocalAmplifier
from faceoff.client import Client
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import TEMPLATES, crop
from faceoff.networks import catalogue
from faceoff.networks.card import Alignment
from faceoff.pipeline import Request, Rooms
from faceoff.rooms import Networks
from faceoff.rpc.connect import connect
from faceoff.rpc.remote import remote_rooms
from faceoff.tenants import gate
from faceoff.testing import NoiseAttacker
from faceoff.testing.lookalike import LookAlike, settings
from faceoff.types import Crop, Encoding, Face, Outcome, Photo, Plan, Progress, Terms
from faceoff.verify.panel import Panel
from faceoff.verify.verifier import LocalVerifier
from faceoff.verify.victims.settings import victims_from
from tests.services.house import ByName, house, served_rooms
from tests.services.test_verifier import Found
from tests.unit.verify.victims.house import TERMS, find, person, picture

ONE_CALL = TERMS.replace("daily: 1,", "daily: 0.001,")
PHOTOS = [picture(person(seed)).data for seed in (0, 1, 2)]
REFERENCE = picture(person(6, like=0.9)).data
QUICK = Plan(surrogates=("facenet",), iterations=1, epsilon=0.001)
ASKED = Request(QUICK, victims=("facepp",), terms=Terms((REFERENCE,), ("facepp",)))


def ignore(progress: Progress) -> None:
    """A report that nobody reads."""


class Counting:
    """How many photos it was shown."""

    shown = 0

    def detect(self, photo: Photo) -> list[Crop]:
        self.shown += 1
        (_, width), template = TEMPLATES[Alignment.FACENET]
        boxes = [box for box, _ in find(photo.source)]
        places = [template * np.float32(box.width / width) + np.array([box.x, box.y], np.float32) for box in boxes]
        return [crop(photo, Face(box, place, 1.0)) for box, place in zip(boxes, places, strict=True)]


@dataclass
class Line:
    grpc: str
    http: str
    ledger: Path
    quota: Path
    detector: Counting
    look_alike: LookAlike

    def calls(self) -> dict[str, int]:
        """What was charged to whom."""
        return dict(_rows(self.ledger, "SELECT tenant, sum(charged_calls) FROM settled GROUP BY tenant"))

    def used(self) -> dict[str, int]:
        """Work that tenants have asked for."""
        return dict(_rows(self.quota, "SELECT tenant, sum(amount) FROM used GROUP BY tenant HAVING sum(amount) > 0"))


def _rows(file: Path, query: str) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(file)) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with LookAlike(find) as look_alike, ExitStack() as stack:
        file = settings(tmp_path, look_alike.url, look_alike.keys, ONE_CALL)
        local = LocalVerifier(Mock(spec=Networks), Found(), catalogue.CARDS)
        detector, panel = Counting(), Panel(local, victims_from(file))
        addresses = stack.enter_context(served_rooms(Rooms(detector, NoiseAttacker(), LocalAmplifier(), panel)))
        peers = {name: connect(address) for name, address in addresses.items()}
        for peer in peers.values():
            stack.callback(peer.close)
        quota = tmp_path / "quota.db"
        there = stack.enter_context(
            house(lambda deadline: remote_rooms(**peers, deadline=deadline), ByName(), gate.Settings(state=quota))
        )
        yield Line(there.grpc, there.http, tmp_path / "state" / "victims.db", quota, detector, look_alike)


def outcome(line: Line, tenant: str, photo: bytes, *, later: bool) -> Outcome:
    with closing(Client(line.grpc, tenant)) as client:
        if later:
            (verdict,) = client.result(client.wait(client.submit(photo, ASKED).id).id).verdicts
        else:
            (verdict,) = client.protect(photo, ASKED, ignore, 60).verdicts
    return verdict.outcome


@pytest.mark.parametrize("later", [False, True])
def test_each_tenant_has_its_own_budget_and_ledger(line: Line, later: bool) -> None:
    assert outcome(line, "alice", PHOTOS[0], later=later) is not Outcome.OVER_BUDGET
    assert line.calls() == {"alice": 1}
    assert outcome(line, "alice", PHOTOS[1], later=later) is Outcome.OVER_BUDGET
    assert outcome(line, "bob", PHOTOS[1], later=later) is not Outcome.OVER_BUDGET
    assert line.calls() == {"alice": 1, "bob": 1}
    # A job's owner is who sent it, however it is asked for; so is the payer.
    assert outcome(line, "alice", PHOTOS[2], later=not later) is Outcome.OVER_BUDGET
    assert len(line.look_alike.billed) == 2


def test_a_client_cannot_name_the_tenant(line: Line) -> None:
    headers = {"Authorization": "Bearer alice", "tenant": "bob", "x-tenant": "bob"}
    said = {"victims": "facepp", "consent": "facepp", "wait": "30s"}
    files = {"photo": PHOTOS[0], "reference": REFERENCE}
    with httpx2.Client(base_url=line.http, headers=headers, timeout=60) as http:
        assert http.post("/v1/protections", params=said | {"tenant": "bob"}, files=files).status_code == 422
        assert http.post("/v1/protections", params=said, data={"tenant": "bob"}, files=files).status_code == 422
        assert line.calls() == {}
        assert http.post("/v1/protections", params=said, files=files).json()["state"] == "succeeded"
    assert line.calls() == {"alice": 1}


REFUSED = [
    ({"consent": "clearview"}, Reason.INVALID_ARGUMENT, "clearview"),
    ({"victims": "facepp"}, Reason.INVALID_ARGUMENT, "without consent"),
    ({"victims": "facepp", "consent": "azure"}, Reason.INVALID_ARGUMENT, "without consent"),
    ({"victims": "nobody"}, Reason.UNKNOWN_NETWORK, "nobody"),
    ({"victims": "facenet"}, Reason.VICTIM_IS_SURROGATE, "facenet"),
]


@pytest.mark.parametrize(("names", "reason", "words"), REFUSED)
def test_who_may_not_be_asked_is_refused_before_the_work(
    line: Line, names: dict[str, str], reason: Reason, words: str
) -> None:
    victims, consent = (tuple(names[key].split(",")) if key in names else () for key in ("victims", "consent"))
    request = Request(QUICK, victims=victims, terms=Terms((REFERENCE,), consent))
    with closing(Client(line.grpc, "alice")) as client:
        for ask in (lambda: client.protect(PHOTOS[0], request, ignore, 60), lambda: client.submit(PHOTOS[0], request)):
            with pytest.raises(FaceOffError, match=words) as caught:
                ask()
            assert caught.value.reason is reason
            assert caught.value.hint
        files = {"photo": PHOTOS[0], "reference": REFERENCE}
        headers = {"Authorization": "Bearer alice"}
        answer = httpx2.post(f"{line.http}/v1/protections", params=names, files=files, headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["reason"]) == (422, reason)
        assert list(client.list()) == []
    assert (line.detector.shown, line.used(), line.look_alike.requests) == (0, {}, [])


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request(QUICK, Encoding("BMP")), Reason.INVALID_ARGUMENT),
        (Request(Plan(iterations=0)), Reason.INVALID_ARGUMENT),
        (Request(QUICK, terms=Terms((REFERENCE, b"\xff\xd8\xff" + bytes(99)))), Reason.IMAGE_CORRUPT),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(line: Line, request_: Request, reason: Reason) -> None:
    with closing(Client(line.grpc, "alice")) as client:
        for ask in (
            lambda: client.protect(PHOTOS[0], request_, ignore, 60),
            lambda: client.submit(PHOTOS[0], request_),
        ):
            with pytest.raises(FaceOffError) as caught:
                ask()
            assert caught.value.reason is reason
        assert list(client.list()) == []
    assert (line.detector.shown, line.used()) == (0, {})
