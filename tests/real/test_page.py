"""A person's photo through every door of `faceoff serve`, with real networks."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from faceoff.networks.home import Home
from tests import examples
from tests.real.conftest import array
from tests.web.conftest import browser
from tests.web.visitor import visiting

__all__ = ["browser"]

PICTURES = os.environ.get("FACEOFF_PICTURES", "")
"""A folder to put pictures of the page into."""

SECONDS = 240
"""For a photo on a loaded machine."""

_SERVE = (sys.executable, "-m", "faceoff.cli", "serve", "--port", "0", "--http-port", "0")


@pytest.fixture(scope="module")
def doors(home: Home) -> Iterator[tuple[str, str]]:
    """A URL, and host:port for gRPC."""
    with subprocess.Popen(_SERVE, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout
            line = serving.stdout.readline()
            assert line.startswith("Face-Off serves at "), line
            grpc, _, http = line.split()[3:]
            yield http, grpc
        finally:
            serving.send_signal(signal.SIGTERM)
            serving.wait(60)


@pytest.fixture(scope="module")
def photo(astronaut: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(astronaut)).save(out, "JPEG", quality=95)
    return out.getvalue()


@pytest.mark.timeout(900)
def test_the_astronaut_through_every_door(
    browser: Browser, doors: tuple[str, str], photo: bytes, tmp_path: Path
) -> None:
    of_page = _page(browser, doors[0], photo)
    before, after = array(photo), array(of_page)
    changed = np.abs(before.astype(int) - after).max(axis=-1)
    assert after.shape == before.shape
    assert 0 < (changed > 0).mean() < 0.5, "only the face changes"
    (tmp_path / "photo.jpg").write_bytes(photo)
    ways = (_curl, _python, *([_grpcurl] if examples.GRPCURL else []))
    same = {way.__name__: way(doors, tmp_path) == of_page for way in ways}
    assert all(same.values()), same


def _page(browser: Browser, url: str, photo: bytes) -> bytes:
    """The result that a visitor downloads, who looks at everything and deletes it."""
    with visiting(browser, url, viewport={"width": 1280, "height": 900}, color_scheme="light") as visitor:
        page = visitor.page
        visitor.protect(("astronaut.jpg", photo))
        stage = page.locator(".stage")
        expect(stage).to_contain_text("Computing the mask", timeout=120_000)
        expect(visitor.row("done")).to_have_count(1, timeout=SECONDS * 1000)
        expect(page.locator(".verdict")).not_to_have_count(0)
        expect(page.locator(".verdict[data-kind=good]")).not_to_have_count(0)
        slider = page.get_by_role("slider")
        slider.focus()
        slider.press("ArrowLeft")
        expect(page.locator(".stack .after")).to_have_css("clip-path", "inset(0px 0px 0px 49%)")
        expect(slider).to_have_attribute("aria-valuetext", "49 % before, 51 % after")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        result = Path(download.value.path()).read_bytes()
        if PICTURES:
            _picture(page.locator(".row").screenshot(), "page-desktop-light.png")
            page.set_viewport_size({"width": 360, "height": 740})
            page.emulate_media(color_scheme="dark")
            _picture(page.locator(".row").screenshot(), "page-phone-dark.png")
        visitor.button("Delete now").click()
        visitor.wait("deleted")
    return result


def _curl(doors: tuple[str, str], folder: Path) -> bytes:
    """By the documented commands: a job with its photo alone, followed to its end, and its result."""
    create, *others = (block for block in examples.curl() if re.search("photo-1|/events|/result|DELETE", block))
    job = create.partition("\n\n")[2].replace("strength=subtle", "strength=balanced")
    examples.run(examples.BASH, "\n".join([job, *others]), *doors, folder, SECONDS)
    return (folder / "protected.png").read_bytes()


def _python(doors: tuple[str, str], folder: Path) -> bytes:
    """As a job, by the documented program."""
    begin, _, *calls, _ = examples.python()
    examples.run((sys.executable, "-"), "\n".join([begin, *calls]), *doors, folder, SECONDS)
    return (folder / "protected-later.png").read_bytes()


def _grpcurl(doors: tuple[str, str], folder: Path) -> bytes:
    """At once, by the documented command."""
    return examples.photo(examples.run(examples.BASH, examples.grpcurl()["Protect"], *doors, folder, SECONDS))


def _picture(data: bytes, name: str) -> None:
    picture = Image.open(io.BytesIO(data)).convert("RGB").quantize(96)
    picture.save(Path(PICTURES) / name, optimize=True)
