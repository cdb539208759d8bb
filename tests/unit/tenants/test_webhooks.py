"""Webhooks over real HTTPS: signatures, repeats, and that nobody waits for them."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from faceoff.tenants import webhooks
from faceoff.tenants.outbound import Outbound, loopback
from faceoff.tenants.webhooks import WEBHOOKS, Endpoint, Webhooks, secrets_in
from tests.authority import Authority, authority
from tests.unit.tenants.receiver import Received, Receiver, receiver, trusting

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"


@pytest.fixture(scope="module")
def house() -> Authority:
    return authority()


@pytest.fixture
def server(house: Authority, tmp_path: Path) -> Iterator[Receiver]:
    with receiver(house, tmp_path / "server") as server:
        yield server


@pytest.fixture
def telling(house: Authority, server: Receiver) -> Iterator[Webhooks]:
    def endpoint(tenant: str) -> Endpoint | None:
        return None if tenant == "none" else Endpoint(server.url(path=f"/{tenant}"), (SECRET,))

    outbound = Outbound(loopback, 2.0, authorities=lambda: trusting(house))
    telling = Webhooks(endpoint, outbound, backoff=(0.01, 0.02), threads=3)
    yield telling
    telling.close()


def count(outcome: str) -> float:
    return WEBHOOKS.labels(outcome)._value.get()  # type: ignore[no-any-return]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_told_is_signed_and_holds_no_picture(telling: Webhooks, server: Receiver) -> None:
    telling.notify("acme", "job-1", "succeeded")
    until(lambda: len(server.received) == 1)
    (received,) = server.received
    told = Webhook(SECRET).verify(received.body, received.headers)
    assert told == {
        "type": "protection.succeeded",
        "timestamp": told["timestamp"],
        "data": {"operation": "job-1"},
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(NEXT).verify(received.body, received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(received.body.replace(b"job-1", b"job-2"), received.headers)


def test_it_is_told_again_under_the_same_id_until_it_is_heard(telling: Webhooks, server: Receiver) -> None:
    server.answers = [500, 302]
    server.location = server.url(path="/elsewhere")
    telling.notify("acme", "job-1", "failed")
    until(lambda: len(server.received) == 3)
    assert len({(one.path, one.headers["webhook-id"], one.body) for one in server.received}) == 1
    telling.notify("acme", "job-1", "failed")
    telling.notify("acme", "job-2", "failed")
    telling.notify("other", "job-1", "failed")
    until(lambda: len(server.received) == 6)
    assert len({one.headers["webhook-id"] for one in server.received}) == 3


def test_who_notifies_hears_how_far_it_came(telling: Webhooks, server: Receiver) -> None:
    server.answers = [500, 500]
    heard: list[float | None] = []
    telling.notify("acme", "job-1", "failed", heard.append)
    until(lambda: None in heard)
    first, second, last = heard
    assert 0.008 <= (first or 0) <= 0.012 < 0.016 <= (second or 0) <= 0.024
    assert last is None


@pytest.mark.parametrize(("answers", "asked"), [([500] * 9, 3), ([410], 1)])
def test_it_is_given_up_in_the_end(telling: Webhooks, server: Receiver, answers: list[int], asked: int) -> None:
    server.answers, before = list(answers), count("given_up")
    telling.notify("acme", "job-1", "failed")
    until(lambda: count("given_up") == before + 1)
    assert len(server.received) == asked


def test_each_tenant_is_told_its_own_and_a_slow_one_holds_up_nobody(telling: Webhooks, server: Receiver) -> None:
    go = threading.Event()

    def wait(received: Received) -> None:
        if received.path == "/slow":
            go.wait(20)

    server.before = wait
    began = time.monotonic()
    for index in range(50):
        telling.notify("slow", f"slow-{index}", "succeeded")
    for index in range(5):
        telling.notify("acme", f"acme-{index}", "succeeded")
    telling.notify("none", "none-1", "succeeded")
    assert time.monotonic() - began < 1
    until(lambda: sum(one.path == "/acme" for one in server.received) == 5)
    assert sum(one.path == "/slow" for one in server.received) == 1
    go.set()
    assert all(json.loads(one.body)["data"]["operation"].startswith(one.path[1:]) for one in server.received)


def test_the_queue_has_an_end(house: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WAITING", 5)
    monkeypatch.setattr(webhooks, "WAITING_OF_ONE", 3)
    asked, go, before = threading.Event(), threading.Event(), count("dropped")

    def endpoint(tenant: str) -> None:
        asked.set()
        go.wait(20)

    telling = Webhooks(endpoint, threads=1)
    telling.notify("first", "job", "succeeded")
    assert asked.wait(5)
    for index in range(10):
        telling.notify("acme", f"job-{index}", "succeeded")
    assert count("dropped") - before == 7
    for index in range(10):
        telling.notify("other", f"job-{index}", "succeeded")
    assert count("dropped") - before == 15
    go.set()
    telling.close()
    telling.notify("acme", "late", "succeeded")
    assert count("dropped") - before == 16


def test_two_secrets_sign_while_one_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n{NEXT}\n")
    headers = dict(webhooks.signed(Endpoint("https://acme.example", secrets_in(file)), "msg_1", "{}"))
    for secret in (SECRET, NEXT):
        assert Webhook(secret).verify("{}", headers) == {}


@pytest.mark.parametrize(
    "text", ["", "hunter2", "whsec_ hunter2", "whsec_c2hvcnQ=", f"{SECRET}\n" * 3, "whsec_ä", "whsec_!" * 9]
)
def test_a_secret_that_is_none_is_refused_unsaid(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        secrets_in(tmp_path / "secret")
    assert not any(word in str(caught.value) for word in ("hunter2", "c2hvcnQ", SECRET))


def test_a_mistake_of_ours_ends_no_thread(capsys: pytest.CaptureFixture[str]) -> None:
    def endpoint(tenant: str) -> None:
        raise RuntimeError(SECRET)

    before = count("given_up")
    telling = Webhooks(endpoint, backoff=(0.01,), threads=1)
    telling.notify("acme", "job-1", "succeeded")
    until(lambda: count("given_up") == before + 1)
    telling.close()
    said = capsys.readouterr().err
    assert said.count("webhook_failed") == 2
    assert SECRET not in said


def test_secrets_and_addresses_are_in_no_log(
    telling: Webhooks, server: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers, before = [500], count("delivered")
    telling.notify("acme", "job-1", "succeeded")
    until(lambda: count("delivered") == before + 1)
    said = "\n".join([caplog.text, *capfd.readouterr(), repr(telling), repr(Endpoint("https://x", (SECRET,)))])
    signature = server.received[0].headers["webhook-signature"]
    assert not any(word in said for word in (SECRET, SECRET[6:], signature, "/acme"))
