"""What the page does when something is not as it should be: it says what, and what to do, and goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from faceoff.amplify import LocalAmplifier
from faceoff.jobs.engine import Limits
from faceoff.pipeline import Rooms
from faceoff.rooms import Attacker
from faceoff.testing import BoxDetector
from faceoff.types import Crop, Photo
from services.gateway.settings import Largest
from tests.services.house import ByName, House, house
from tests.web.conftest import encoded
from tests.web.visitor import GatedAttacker, Opinions, Visitor, Wire, visiting


class Detector(BoxDetector):
    """Finds a face in photos that are not upright."""

    def detect(self, photo: Photo) -> list[Crop]:
        return super().detect(photo) if photo.width >= photo.height else []


def rooms(attacker: Attacker | None = None) -> Rooms:
    return Rooms(Detector(1), attacker or GatedAttacker(), LocalAmplifier(), Opinions())


@pytest.fixture(scope="module")
def attacker() -> GatedAttacker:
    return GatedAttacker()


@pytest.fixture(scope="module")
def there(attacker: GatedAttacker) -> Iterator[House]:
    """A gateway that asks for a key."""
    with house(lambda _: rooms(attacker), ByName(), largest=Largest(bytes=1_000_000)) as there:
        yield there


@pytest.fixture
def closed(attacker: GatedAttacker) -> Iterator[GatedAttacker]:
    """The attacker, its gate closed for this test."""
    attacker.gate.clear()
    yield attacker
    attacker.gate.set()


@pytest.fixture
def visitor(browser: Browser, there: House) -> Iterator[Visitor]:
    with visiting(browser, there.http) as visitor:
        yield visitor


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.page.get_by_label("Your key").fill("alice")
    return visitor


def test_without_a_key_and_with_a_wrong_one(visitor: Visitor, photo: bytes) -> None:
    key = visitor.page.get_by_label("Your key")
    visitor.protect(("me.jpg", photo))
    expect(key).to_be_focused()
    visitor.wait("ready")
    assert not any("/v1/" in asked for asked in visitor.asked)
    for wrong, words in (
        ("123", "The service did not take the key."),
        ("nobody", "This needs the scope protect, which your credential does not have."),
        ("a ä", "The service did not take the key."),
    ):
        key.fill(wrong)
        visitor.page.get_by_role("button", name=re.compile("^(Protect 1 photo|Try again)")).click()
        expect(visitor.wait("failed").locator(".stage")).to_have_text(words)
        expect(key).to_be_focused()
        expect(key).to_have_attribute("aria-invalid", "true")
    key.fill("alice")
    visitor.button("Try again").click()
    visitor.wait("done")
    assert _stored(visitor.page) == [0, 0, ""]
    assert not any("alice" in asked for asked in visitor.asked)
    visitor.page.reload()
    expect(key).to_have_value("")


def _stored(page: Page) -> Sequence[object]:
    found: Sequence[object] = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_cannot_be_protected(browser: Browser, there: House, photo: bytes, scheme: str) -> None:
    with visiting(browser, there.http, color_scheme=scheme, viewport={"width": 360, "height": 740}) as visitor:
        visitor.page.get_by_label("Your key").fill("alice")
        visitor.protect(("upright.jpg", encoded("JPEG", 320, 240)), ("text.jpg", b"no photo"), ("cut.jpg", photo[:900]))
        failed = visitor.wait("failed", 3)
        expect(failed.filter(has_text="upright.jpg").locator(".stage")).to_contain_text("face")
        for name in ("text.jpg", "cut.jpg"):
            expect(failed.filter(has_text=name).locator(".stage")).not_to_be_empty()
            expect(failed.filter(has_text=name).locator(".hint")).not_to_be_empty()
        expect(visitor.page.locator(".verdict")).to_have_count(0)
        visitor.check_access()
        for _ in range(3):
            visitor.button("Remove:").first.click()
        expect(visitor.page.locator(".row")).to_have_count(0)


def test_what_is_no_photo_or_too_large_is_not_taken(alice: Visitor, photo: bytes) -> None:
    alice.choose(("large.jpg", bytes(1_000_001)), ("me.jpg", photo))
    alice.wait("ready")
    expect(alice.page.get_by_role("alert")).to_have_text(
        "One file was not taken: it has to be a photo of at most 1 MB."
    )


def test_overload_is_waited_for(browser: Browser, photo: bytes) -> None:
    attacker = GatedAttacker()
    attacker.gate.clear()
    with (
        house(lambda _: rooms(attacker), limits=Limits(tenant_jobs=1), workers=1) as there,
        visiting(browser, there.http) as visitor,
    ):
        try:
            visitor.protect(("first.jpg", photo), ("second.jpg", photo))
            visitor.wait("running")
            expect(visitor.row("sending").locator(".stage")).to_contain_text(
                "The service has too much to do. Trying again"
            )
        finally:
            attacker.gate.set()
        visitor.wait("done", 2)


def test_time_is_over(alice: Visitor, photo: bytes) -> None:
    """What the service deletes, the page says, and calls its copy a copy. Until then it reminds twice, not every second."""
    said = alice.page.get_by_role("status")
    alice.page.clock.install()
    alice.page.reload()
    alice.page.get_by_label("Your key").fill("alice")
    alice.protect(("me.jpg", photo))
    done = alice.wait("done")
    alice.page.clock.fast_forward("56:00")
    expect(said).to_contain_text("me.jpg: The service deletes it in five minutes.")
    expect(done.locator(".expires")).to_contain_text("in 3:")
    alice.page.clock.fast_forward("03:10")
    expect(said).to_contain_text("me.jpg: The service deletes it in one minute.")
    alice.page.clock.fast_forward("01:00")
    gone = alice.wait("gone")
    expect(gone.locator(".stage")).to_have_text("Deleted by the service: its time was over")
    expect(gone.locator(".expires")).to_be_empty()
    expect(alice.button("Delete now")).to_be_hidden()
    expect(alice.page.get_by_role("link", name="Download")).to_be_visible()
    alice.button("Remove").click()
    expect(alice.page.locator(".row")).to_have_count(0)


def test_deleted_elsewhere_while_it_is_watched(
    alice: Visitor, there: House, closed: GatedAttacker, photo: bytes
) -> None:
    with alice.page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        alice.protect(("me.jpg", photo))
    alice.wait("running")
    there.jobs.delete("alice", answer.value.json()["id"])
    failed = alice.wait("failed")
    expect(failed.locator(".stage")).to_have_text("The service no longer has this photo.")
    closed.gate.set()
    alice.button("Try again").click()
    alice.wait("done")


def test_the_wire_is_cut_in_mid_stream(browser: Browser, there: House, closed: GatedAttacker, photo: bytes) -> None:
    """The photo is worked on meanwhile, and is not sent a second time."""
    wire = Wire(int(there.http.rpartition(":")[2]))
    try:
        with visiting(browser, wire.url) as visitor:
            visitor.page.get_by_label("Your key").fill("alice")
            visitor.protect(("me.jpg", photo))
            visitor.wait("running")
            expect(visitor.page.locator(".stage")).to_contain_text("Computing")
            wire.cut()
            expect(visitor.page.locator(".stage")).to_contain_text("The connection was lost. Trying again")
            closed.gate.set()
            wire.mend()
            visitor.wait("done")
            wire.cut()
            visitor.button("Delete now").click()
            expect(visitor.page.locator(".stage")).to_have_text("Not deleted yet. The service does not answer.")
            wire.mend()
            visitor.button("Delete again").click()
            visitor.wait("deleted")
    finally:
        wire.close()
    assert wire.sent.count(b"POST /v1/protections") == 1


def test_a_result_that_does_not_come_is_asked_for_again(alice: Visitor, photo: bytes) -> None:
    """Or deleted: it is at the service all the same."""
    alice.page.route("**/result", lambda route: route.abort())
    alice.protect(("me.jpg", photo), ("you.jpg", photo))
    alice.wait("failed", 2)
    alice.button("Delete now: me.jpg").click()
    alice.wait("deleted")
    alice.page.unroute("**/result")
    alice.button("Try again: you.jpg").click()
    alice.wait("done")


def test_an_answer_that_was_lost_is_no_second_job(browser: Browser, there: House, photo: bytes) -> None:
    with visiting(browser, there.http) as visitor:
        visitor.page.get_by_label("Your key").fill("carol")
        lost: list[int] = []

        def lose(route: Route) -> None:
            if lost:
                route.continue_()
                return
            lost.append(route.fetch().status)
            route.abort()

        visitor.page.route("**/v1/protections", lose)
        visitor.protect(("me.jpg", photo))
        expect(visitor.wait("failed").locator(".stage")).to_have_text("The service does not answer.")
        visitor.button("Try again").click()
        visitor.wait("done")
        assert lost == [202]
        assert len(there.jobs.list("carol")) == 1
