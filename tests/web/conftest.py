"""A real browser before a real gateway. The browser is the system's Chromium: none is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from faceoff import image
from faceoff.testing import picture
from faceoff.types import Encoding, Photo

SECONDS = 30.0
"""For anything that the page does: a loaded machine takes its time."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)


# Of a module, as playwright keeps an event loop in this thread, beside which tests of other kinds cannot have theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"there is no browser here: none of {', '.join(_NAMES)} (Debian: apt install chromium)")
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags, timeout=60_000)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def photo() -> bytes:
    return encoded("JPEG")


def encoded(kind: str, height: int = 240, width: int = 320) -> bytes:
    pixels = picture(height, width)
    return image.encode(pixels, Photo(pixels, kind, b""), Encoding(kind))
