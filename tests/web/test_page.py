"""A person's way through the page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, expect

from faceoff.amplify import LocalAmplifier
from faceoff.client import Client
from faceoff.pipeline import Rooms
from faceoff.testing import BoxDetector
from tests.services.house import House, house
from tests.web.conftest import encoded
from tests.web.visitor import GatedAttacker, Opinions, Visitor, Wire, visiting

PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def attacker() -> GatedAttacker:
    return GatedAttacker()


@pytest.fixture(scope="module")
def there(attacker: GatedAttacker) -> Iterator[House]:
    """A gateway that is open: nobody needs a key."""
    rooms = Rooms(BoxDetector(1), attacker, LocalAmplifier(), Opinions())
    with house(lambda _: rooms) as there:
        yield there


@pytest.fixture
def visitor(browser: Browser, there: House) -> Iterator[Visitor]:
    with visiting(browser, there.http) as visitor:
        yield visitor


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_round_trip(
    browser: Browser, there: House, attacker: GatedAttacker, photo: bytes, size: dict[str, int], scheme: str
) -> None:
    with visiting(browser, there.http, viewport=size, color_scheme=scheme) as visitor:
        page = visitor.page
        expect(page.get_by_label("Your key")).to_be_hidden()
        visitor.check_access()

        attacker.gate.clear()
        try:
            with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
                visitor.protect(("me.jpg", photo))
            job = answer.value.json()["id"]
            running = visitor.wait("running")
            expect(running.locator(".stage")).to_have_text("Computing the mask, 20 of 40")
            assert 30 < running.locator("progress").evaluate("bar => bar.value") < 60
            expect(page.get_by_role("status")).to_contain_text("me.jpg: Computing the mask")
            visitor.check_access()
        finally:
            attacker.gate.set()

        done = visitor.wait("done")
        expect(done.locator(".stage")).to_contain_text("Not recognised in 1 of 2 checks; still recognised in 1. 8 more")
        expect(done.locator(".expires")).to_have_text(re.compile(r"^Deleted at the service in (1:00:0|59:[345])"))
        visitor.check_access()
        _slide(visitor)
        _difference(visitor)
        _verdicts(visitor)

        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert download.value.suggested_filename == "me.protected.png"
        kept = Path(download.value.path()).read_bytes()
        assert kept == httpx2.get(f"{there.http}/v1/operations/{job}/result").content
        with closing(Client(there.grpc, "")) as client:
            assert kept == client.result(job).candidate.data

        visitor.button("Delete now").click()
        deleted = visitor.wait("deleted")
        expect(deleted.locator(".hint")).to_contain_text(
            re.compile(rf"Receipt: at .* deleted \d encrypted photos? and destroyed \d keys? of operation {job}")
        )
        expect(deleted.locator("img")).to_have_count(0)
        assert httpx2.get(f"{there.http}/v1/operations/{job}").status_code == 404
        visitor.check_access()


def _slide(visitor: Visitor) -> None:
    slider = visitor.page.get_by_role("slider")
    after = visitor.page.locator(".stack .after")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 50%)")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 47%)")
    slider.press("Home")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 0%)")
    visitor.check_width()


def _difference(visitor: Visitor) -> None:
    page = visitor.page
    visitor.button("Difference").click()
    words = page.locator(".difference p")
    expect(words).to_contain_text("Every difference is shown 10 times stronger than it is")
    found = re.search(r"([\d.]+) % of the pixels changed, by at most (\d+) of 255", words.inner_text())
    assert found
    assert float(found[1]) > 10
    farthest = page.locator("canvas").evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
        ".reduce((most, value, index) => (index % 4 < 3 ? Math.max(most, Math.abs(value - 128)) : most), 0)"
    )
    assert farthest == 10 * int(found[2])
    visitor.button("Before, after").click()


def _verdicts(visitor: Visitor) -> None:
    """Only what was checked counts, in words and colours; each threshold is drawn."""
    found = {
        verdict.get_attribute("data-outcome"): (
            verdict.get_attribute("data-kind"),
            verdict.locator(".word").inner_text(),
        )
        for verdict in visitor.page.locator(".verdict").all()
    }
    assert found == {
        "transferred": ("good", "Not recognised"),
        "not_transferred": ("bad", "Still recognised"),
        "clean_mismatch": ("open", "Would not have been recognised anyway"),
        "no_clean_pair": ("open", "No match, but no proof"),
        **dict.fromkeys(
            ("no_face_protected", "no_face_reference", "throttled", "refused", "error", "over_budget"),
            ("open", "Not checked"),
        ),
    }
    meters = visitor.page.get_by_role("img", name="Similarity")
    expect(meters).to_have_count(5)
    expect(meters.first).to_have_attribute("aria-label", "Similarity before 0.91, after 0.23; threshold 0.50")
    expect(visitor.page.locator(".meter .threshold")).to_have_count(5)
    assert visitor.page.locator(".meter .threshold").first.get_attribute("x1") == "50%"


def test_keyboard_alone(visitor: Visitor, photo: bytes) -> None:
    page = visitor.page
    keys = page.keyboard

    def focused(what: str) -> None:
        expect(page.locator("*:focus")).to_have_accessible_name(re.compile(what))

    # From the start, as the browser is not yet listening for it when a key that follows at once is pressed.
    with page.expect_file_chooser() as chooser:
        keys.press("Tab")
        focused("To the content")
        keys.press("Enter")
        keys.press("Tab")
        focused("Choose photos")
        keys.press("Space")
    chooser.value.set_files(FilePayload(name="me.jpg", mimeType="image/jpeg", buffer=photo))
    visitor.wait("ready")
    keys.press("Tab")
    focused("Balanced")
    keys.press("ArrowDown")
    focused("Strong")
    keys.press("Tab")
    focused("Result as")
    keys.press("Tab")
    focused("Add reference photos")
    keys.press("Tab")
    focused("Protect 1 photo")
    keys.press("Enter")
    focused("Your photos")
    visitor.wait("done")
    for what in ("Before, after", "Difference", "Slide", "Download"):
        keys.press("Tab")
        focused(what)
    with page.expect_download():
        keys.press("Enter")
    keys.press("Tab")
    focused("Delete now")
    keys.press("Enter")
    visitor.wait("deleted")
    focused("Remove: me.jpg")
    keys.press("Enter")
    expect(page.locator(".row")).to_have_count(0)
    focused("Choose photos")


def test_nothing_of_the_file_but_the_picture_is_sent(browser: Browser, there: House) -> None:
    """Not its name, nor where and with what it was made; which way up it is, is kept."""
    wire = Wire(int(there.http.rpartition(":")[2]))
    secrets = {"JPEG": b"Canary-Jpeg", "PNG": b"Canary-Png", "WEBP": b"Canary-Webp"}
    try:
        with visiting(browser, wire.url) as visitor:
            photos = [(f"Canary-name.{kind.lower()}", _told(kind, secret)) for kind, secret in secrets.items()]
            assert all(b"Canary" in content for _, content in photos)
            visitor.choose(*photos)
            visitor.choose(("Canary-reference.jpg", _told("JPEG", b"Canary-Reference")), into="#references")
            visitor.page.click("#protect")
            visitor.wait("done", 3)
            sizes = visitor.page.locator(".stack .after").evaluate_all("all => all.map((one) => one.naturalWidth)")
            assert sizes == [240, 240, 240]
    finally:
        wire.close()
    assert wire.sent.count(b"POST /v1/protections") == 3
    assert wire.sent.count(b'filename="photo"') == 3
    assert b"canary" not in wire.sent.lower()


def _told(kind: str, secret: bytes) -> bytes:
    """A photo, lying on its side, with everything that tells of people."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = secret.decode()
    exif.get_ifd(0x8825)[1] = secret.decode()
    out = io.BytesIO()
    more = {"comment": secret} if kind == "JPEG" else {"xmp": b"<x>" + secret + b"</x>"} if kind == "WEBP" else {}
    Image.open(io.BytesIO(encoded("PNG"))).save(out, kind, exif=exif, **more)
    return out.getvalue() + (secret if kind != "WEBP" else b"")


def test_cleaning_leaves_the_pixels_alone(visitor: Visitor) -> None:
    for kind, progressive in (("JPEG", False), ("JPEG", True), ("PNG", False), ("WEBP", False)):
        out = io.BytesIO()
        source = Image.open(io.BytesIO(encoded("PNG")))
        source.save(out, kind, exif=_exif(), **({"progressive": True} if progressive else {}))
        cleaned = visitor.page.evaluate(
            """async (bytes) => {
                const { clean } = await import("/static/clean.js");
                const blob = await clean(new File([new Uint8Array(bytes)], "name.jpg"));
                return [...new Uint8Array(await blob.arrayBuffer())];
            }""",
            list(out.getvalue()),
        )
        before, after = Image.open(out), Image.open(io.BytesIO(bytes(cleaned)))
        assert np.array_equal(np.asarray(before), np.asarray(after))
        assert dict(after.getexif()) == {0x0112: 8}
        assert len(cleaned) < len(out.getvalue())


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 8
    exif[0x010F] = "a maker, whose name is long enough to be missed"
    return exif


def test_pasted_and_dropped(visitor: Visitor, photo: bytes) -> None:
    give = """([bytes, kind]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
        const event = kind === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
            : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
    }"""
    visitor.page.evaluate(give, [list(photo), "paste"])
    visitor.page.evaluate(give, [list(photo), "drop"])
    visitor.wait("ready", 2)
    visitor.button("Protect 2 photos").click()
    visitor.wait("done", 2)


def test_several_photos(visitor: Visitor, photo: bytes, attacker: GatedAttacker) -> None:
    """Some at a time, the others in turn; one of them is taken away."""
    attacker.gate.clear()
    try:
        visitor.protect(*((f"{number}.jpg", photo) for number in range(5)))
        visitor.wait("running", 2)
        visitor.wait("queued")
        visitor.wait("waiting", 2)
        visitor.button("Cancel: 4.jpg").click()
        visitor.wait("cancelled")
        attacker.stopped.clear()
        visitor.row("running").get_by_role("button").first.click()
        visitor.wait("deleted")
        assert attacker.stopped.wait(30)
    finally:
        attacker.gate.set()
    visitor.wait("done", 3)
    visitor.button("Try again: 4.jpg").click()
    visitor.wait("done", 4)


def test_options_are_sent(visitor: Visitor, photo: bytes) -> None:
    visitor.page.get_by_text("Strong", exact=True).click()
    visitor.page.get_by_label("Result as").select_option("jpeg")
    visitor.choose(*((f"{number}.jpg", photo) for number in range(9)), into="#references")
    expect(visitor.page.get_by_label("Reference photos").get_by_role("listitem")).to_have_count(8)
    visitor.button("Remove reference 3.jpg").click()
    visitor.protect(("me.jpg", photo))
    visitor.wait("done")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "me.protected.jpg"
    assert Image.open(download.value.path()).format == "JPEG"


def test_nothing_is_kept(visitor: Visitor, photo: bytes) -> None:
    """Not after a reload, and no URL of a photo after it was removed."""
    visitor.protect(("me.jpg", photo))
    visitor.wait("done")
    urls = visitor.page.locator(".row img").evaluate_all("all => all.map((one) => one.src)")
    visitor.button("Delete now").click()
    visitor.wait("deleted")
    gone = "urls => Promise.all(urls.map((url) => fetch(url).then(() => 'there', () => 'gone')))"
    assert set(visitor.page.evaluate(gone, urls)) == {"gone"}
    visitor.said.clear()  # asking for them is against the page's policy too, which it says
    visitor.protect(("me.jpg", photo))
    visitor.wait("done")
    visitor.page.reload()
    expect(visitor.page.locator(".row")).to_have_count(0)
    kept = "[localStorage.length, sessionStorage.length, document.cookie]"
    assert visitor.page.evaluate(kept) == [0, 0, ""]
    assert visitor.page.evaluate("indexedDB.databases().then((all) => all.length)") == 0


def test_at_twice_the_size_and_without_motion(browser: Browser, there: House, photo: bytes) -> None:
    size = {"width": 640, "height": 450}
    with visiting(browser, there.http, viewport=size, device_scale_factor=2, reduced_motion="reduce") as visitor:
        visitor.protect(("a-name-without-any-place-to-break-it" * 5 + ".jpg", photo))
        visitor.wait("done")
        visitor.check_width()
        visitor.page.set_viewport_size({"width": 320, "height": 450})
        visitor.check_width()
        assert visitor.page.locator(".drop").evaluate("drop => getComputedStyle(drop).transitionDuration") == "0s"


def test_headers(there: House) -> None:
    for path, kind in (("/", "text/html"), ("/static/page.js", "text/javascript"), ("/static/page.css", "text/css")):
        answer = httpx2.get(there.http + path)
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
    for path in ("/static/nothing.js", "/static/..%2f__init__.py", "/static/%2e%2e/__init__.py", "/campaigns"):
        assert httpx2.get(there.http + path).status_code == 404
