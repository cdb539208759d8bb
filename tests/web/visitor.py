"""Who looks at the page in the tests, and what is between the page and its gateway."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Locator, Page, Request, expect

from faceoff.rooms import Report
from faceoff.testing import FixedVerifier, NoiseAttacker
from faceoff.types import Crop, Gallery, Mask, Outcome, Photo, Plan, Priority, Progress, Terms, Verdict
from tests.web.conftest import SECONDS

AXE = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}}
_REFUSED = re.compile(r"^Failed to load resource: the server responded with a status of [45]")
_CUT = re.compile(r"^Failed to load resource: net::ERR_|net::ERR_(INCOMPLETE_CHUNKED_ENCODING|CONNECTION)")


class GatedAttacker:
    """Gets halfway, and on when the gate is opened: what a test sees meanwhile does not depend on the machine's speed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.stopped = threading.Event()

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        try:
            report(Progress("attack", plan.iterations // 2, plan.iterations))
            while not self.gate.wait(0.1):
                report(Progress("attack", plan.iterations // 2, plan.iterations))
        except BaseException:
            self.stopped.set()
            raise
        return NoiseAttacker().attack(crops, plan, lambda progress: None)

    def check(self, surrogates: Sequence[str]) -> None:
        """Every network is there."""


class Opinions(FixedVerifier):
    """A verdict of every kind. ``scores`` are a victim's before and after, if it has any, and its outcome."""

    SCORES = MappingProxyType(
        {
            "ada": (0.91, 0.23, Outcome.TRANSFERRED),
            "bea": (0.84, 0.62, Outcome.NOT_TRANSFERRED),
            "cleo": (0.31, 0.2, Outcome.CLEAN_MISMATCH),
            "dora": (None, 0.2, Outcome.NO_CLEAN_PAIR),
            "ella": (0.9, None, Outcome.NO_FACE_PROTECTED),
            "fay": (None, None, Outcome.NO_FACE_REFERENCE),
            "gina": (None, None, Outcome.THROTTLED),
            "hana": (None, None, Outcome.REFUSED),
            "ida": (None, None, Outcome.ERROR),
            "jane": (None, None, Outcome.OVER_BUDGET),
        }
    )

    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        return [
            Verdict(face, name, "1", "2026-01-01", was, now, 0.5, outcome)
            for name, (was, now, outcome) in self.SCORES.items()
            for face in range(len(crops))
        ]


@dataclass
class Visitor:
    """A browser's window at the page. ``said`` is what the page told the console, ``asked`` every request."""

    page: Page
    url: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def choose(self, *photos: tuple[str, bytes], into: str = "#files") -> None:
        files: list[FilePayload] = [
            {"name": name, "mimeType": "image/jpeg", "buffer": content} for name, content in photos
        ]
        self.page.set_input_files(into, files)

    def protect(self, *photos: tuple[str, bytes]) -> None:
        self.choose(*photos)
        self.page.click("#protect")

    def row(self, state: str) -> Locator:
        """The rows in that state."""
        return self.page.locator(f".row[data-state={state}]")

    def wait(self, state: str, count: int = 1) -> Locator:
        rows = self.row(state)
        expect(rows).to_have_count(count)
        return rows

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def check_access(self) -> None:
        """Nothing that axe finds, and nothing to scroll sideways for."""
        results = _axe().run(self.page, options=AXE).response
        assert results["violations"] == [], [
            (found["id"], [node["html"][:200] for node in found["nodes"]]) for found in results["violations"]
        ]
        self.check_width()

    def check_width(self) -> None:
        widths = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert widths[0] <= widths[1], widths


@cache
def _axe() -> Axe:
    return Axe()


@contextmanager
def visiting(browser: Browser, url: str, path: str = "/", **context: Any) -> Iterator[Visitor]:
    """A visitor in a window of its own. In the end: nothing broke in the page, nothing was blocked by its policy, and nothing
    was asked of anybody but the gateway."""
    expect.set_options(timeout=SECONDS * 1000)
    window = browser.new_context(accept_downloads=True, **context)
    window.set_default_timeout(SECONDS * 1000)
    page = window.new_page()
    visitor = Visitor(page, url)

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not (_REFUSED.search(message.text) or _CUT.search(message.text)):
            visitor.said.append(message.text)

    def request(request: Request) -> None:
        visitor.asked.append(request.url)

    page.on("console", console)
    page.on("pageerror", lambda error: visitor.said.append(str(error)))
    window.on("request", request)
    try:
        page.goto(url + path)
        yield visitor
        assert visitor.said == []
        elsewhere = [asked for asked in visitor.asked if not asked.startswith((f"{url}/", f"blob:{url}/"))]
        assert elsewhere == []
    finally:
        window.close()


class Wire:
    """A wire to ``port`` that can be cut and mended. ``sent`` is everything that went to the server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._whole = True
        self.sent = bytearray()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._whole = False
            for end in self._open:
                _close(end)
            self._open.clear()

    def mend(self) -> None:
        with self._lock:
            self._whole = True

    def close(self) -> None:
        self.cut()
        _close(self._server)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                with self._lock:
                    if self._whole:
                        self._open |= {near, far}
                    else:
                        _close(near)
                        _close(far)
                threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, from_: socket.socket, to: socket.socket, record: bool) -> None:
        with suppress(OSError):
            while data := from_.recv(65536):
                if record:
                    self.sent += data
                to.sendall(data)
        _close(from_)
        _close(to)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
