"""A person's photo through the page of `faceoff serve`, once, with real networks."""

from __future__ import annotations

import io
import os
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
from tests.real.conftest import array
from tests.web.conftest import browser
from tests.web.visitor import visiting

__all__ = ["browser"]

PICTURES = os.environ.get("FACEOFF_PICTURES", "")
"""A folder to put pictures of the page into."""

_SERVE = (sys.executable, "-m", "faceoff.cli", "serve", "--port", "0", "--http-port", "0")


@pytest.fixture(scope="module")
def url(home: Home) -> Iterator[str]:
    with subprocess.Popen(_SERVE, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout
            line = serving.stdout.readline()
            assert line.startswith("Face-Off serves at "), line
            yield line.split()[-1]
        finally:
            serving.send_signal(signal.SIGTERM)
            serving.wait(60)


def test_the_astronaut_through_the_page(browser: Browser, url: str, astronaut: bytes) -> None:
    with visiting(browser, url, viewport={"width": 1280, "height": 900}, color_scheme="light") as visitor:
        page = visitor.page
        visitor.protect(("astronaut.png", astronaut))
        stage = page.locator(".stage")
        expect(stage).to_contain_text("Computing the mask", timeout=120_000)
        expect(visitor.row("done")).to_have_count(1, timeout=240_000)
        expect(page.locator(".verdict")).not_to_have_count(0)
        expect(page.locator(".verdict[data-kind=good]")).not_to_have_count(0)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        before, after = array(astronaut), array(Path(download.value.path()).read_bytes())
        changed = np.abs(before.astype(int) - after).max(axis=-1)
        assert after.shape == before.shape
        assert 0 < (changed > 0).mean() < 0.5, "only the face changes"
        if PICTURES:
            _picture(page.locator(".row").screenshot(), "page-desktop-light.png")
            page.set_viewport_size({"width": 360, "height": 740})
            page.emulate_media(color_scheme="dark")
            _picture(page.locator(".row").screenshot(), "page-phone-dark.png")
        visitor.button("Delete now").click()
        visitor.wait("deleted")


def _picture(data: bytes, name: str) -> None:
    picture = Image.open(io.BytesIO(data)).convert("RGB").quantize(96)
    picture.save(Path(PICTURES) / name, optimize=True)
