"""A campaign's report in a real browser, as a file: on a phone and a desk, light and dark, by keyboard, and for axe."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from faceoff.campaign.folder import Folder
from faceoff.campaign.journal import Journal, Row
from faceoff.campaign.report import report
from faceoff.types import Outcome
from tests.web.visitor import Visitor

SHA = "6acdd8fb3a3fb2b54257abdd1879246a3fcbe18fbe53a41c751e141abe63a0af"
PEOPLE = ("ada", "bea", "cleo", "dora")
MANIFEST = {
    "format": 1, "name": "does-alpha-matter", "claim": "Confidence falls with alpha, whole and cropped.", "config": {},
    "seed": 0, "versions": {"faceoff": "1.0.0", "python": "3.11.9"}, "commit": "0123abc",
    "hardware": "2 x86_64 cores, 8 GiB of memory, no GPU", "surrogates": {"facenet": SHA},
    "victims": {"dlib": SHA, "sface": SHA}, "photos": {name: {"0.png": SHA, "1.png": SHA} for name in PEOPLE},
    "photos_without_face": 1, "runs": [
        {"number": 0, "started": "2026-01-01", "complete": True},
        {"number": 1, "started": "2026-07-01", "complete": False, "commit": "4567def", "versions": {"faceoff": "1.1.0"},
         "victims": {"dlib": SHA, "sface": SHA}},
    ],
}  # fmt: skip


def rows() -> Iterator[Row]:
    """Two runs: each alpha brings the faces down; one is not found, and one victim is busy later."""
    for run, encoding, victim, person in product(
        (0, 1), ("png", "png-cropped", "jpeg-75-420"), ("dlib", "sface"), PEOPLE
    ):
        cell = f"{encoding} {victim} {person}"
        shown: Row = {
            "run": run, "cell": cell, "look": cell, "line": "clean", "person": person, "photo": 0, "labels": 4,
            "encoding": encoding, "victim": victim, "version": "1", "date": f"2026-0{1 + 6 * run}-01",
            "outcome": Outcome.NOT_TRANSFERRED, "score": 0.9, "rank": 1,
        }  # fmt: skip
        yield shown
        for kappa, alpha in product((0.0, 0.25), (1.0, 2.0, 4.0)):
            score = round(0.85 - 0.1 * alpha - 0.3 * kappa + 0.03 * PEOPLE.index(person), 3)
            outcome = Outcome.TRANSFERRED if score < 0.5 else Outcome.NOT_TRANSFERRED
            if (person, alpha) == ("dora", 4.0):
                outcome = Outcome.THROTTLED if run else Outcome.NO_FACE_PROTECTED
            mask: Row = {
                "cell": f"{cell} {kappa} {alpha}", "line": "mask", "target": "bea" if person != "bea" else "ada",
                "series": "a-rather-long-name-of-a-plan", "method": "cw_l2", "loss": "hinge",
                "surrogates": ["facenet"], "iterations": 100, "epsilon": 0.0, "kappa": kappa, "search_steps": 5,
                "rms_budget": 0.0, "alpha": alpha, "outcome": outcome, "score": score, "clean_score": 0.9, "clean_rank": 1,
                "target_score": round(0.9 - score, 3), "rank": 1 + (score < 0.5), "target_rank": 2 - (score < 0.4),
                "l2": 2 * alpha, "rms": 2.5 * alpha, "ssim": round(1 - 0.03 * alpha, 3), "alpha_used": alpha,
                "r_surrogate": 0.2 * alpha, "r_victim": 0.1 * alpha, "reached": True, "spent": 80,
                "seconds": 12.5 + kappa, "batch": 8,
            }  # fmt: skip
            yield shown | mask


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    Folder(folder).write_manifest(MANIFEST)
    Journal(folder / "rows.jsonl").add(*rows())
    (folder / "labels.csv").write_text("person,label\nada,x\nbea,y\ncleo,x\ndora,y\n")
    return report(folder, folder / "report", folder / "labels.csv")[0]


def opened(browser: Browser, index: Path, width: int, scheme: str) -> Page:
    # The page's policy lets no script in, axe's neither.
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
    )
    page = context.new_page()
    page.goto(index.as_uri())
    return page


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(browser: Browser, index: Path, width: int, scheme: str) -> None:
    page = opened(browser, index, width, scheme)
    Visitor(page, index.as_uri()).check_access()
    titles = page.locator("h2").all_inner_texts()
    for paper in (
        "Figures 3 and 4",
        "Tables 5 and 6",
        "Figure 14",
        "A.5, Figures 16 to 19",
        "section 8.1",
        "section 6.2",
    ):
        assert any(f"(paper {paper})" in title for title in titles), paper
    if scheme == "dark":
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 24)"
    page.context.close()


def test_a_phone_shows_a_panel_whole_and_the_curves_names(browser: Browser, index: Path) -> None:
    page = opened(browser, index, 360, "light")
    for figure in page.locator("figure").all():
        for text in figure.locator("svg text").all():
            if text.text_content() in ("kappa 0", "dlib"):
                box = text.bounding_box()
                assert box is not None
                assert 0 < box["x"] < box["x"] + box["width"] < 360
    page.context.close()


def test_what_is_wide_is_scrolled_by_keyboard(browser: Browser, index: Path) -> None:
    page = opened(browser, index, 360, "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Outcomes"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "img"
    page.context.close()
