"""The researchers' page: campaign reports of the operator's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from faceoff.amplify import LocalAmplifier
from faceoff.campaign.report import report
from faceoff.campaign.run import run
from faceoff.pipeline import Rooms
from faceoff.tenants.principal import Headers, Principal, Scope
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from tests.services.house import ByName, House, house
from tests.unit.campaign import fakes
from tests.web.visitor import visiting


class Research(ByName):
    """Ada is a researcher; everybody else is not."""

    def authenticate(self, headers: Headers) -> Principal:
        known = super().authenticate(headers)
        return Principal(known.tenant, frozenset(Scope), known.key) if known.tenant == "ada" else known


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One report as it is written, one in the folder of its run, and what is no report."""
    root = tmp_path_factory.mktemp("reports")
    work = tmp_path_factory.mktemp("runs")
    run(
        fakes.campaign(fakes.folder(work / "people"), alphas=[1, 3], encodings=[{"format": "png"}]),
        work / "small",
        fakes.house,
        quiet=True,
    )
    report(work / "small", root / "alpha")
    report(work / "small", root / "beta" / "report")
    (root / "beta" / "rows.jsonl").write_text("secret")
    (root / "notes.txt").write_text("secret")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "table.csv").write_text("secret")
    (root / "empty").mkdir()
    return root


@pytest.fixture(scope="module")
def there(reports: Path) -> Iterator[House]:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with house(lambda _: rooms, Research(), reports=reports) as there:
        yield there


@pytest.mark.parametrize(("size", "scheme"), [(360, "dark"), (1280, "light")])
def test_a_researcher_looks(browser: Browser, there: House, reports: Path, size: int, scheme: str) -> None:
    window = {"viewport": {"width": size, "height": 800}, "color_scheme": scheme}
    with visiting(browser, there.http, "/campaigns", **window) as visitor:
        page = visitor.page
        key = page.get_by_label("Your key")
        key.fill("bob")
        key.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("needs the scope research")
        expect(page.locator("#list")).to_be_hidden()
        key.fill("ada")
        key.press("Enter")
        expect(page.get_by_label("Reports").get_by_role("button")).to_have_text(["alpha", "beta"])
        visitor.button("alpha").click()
        expect(page.get_by_role("heading", name="small")).to_be_focused()
        lines = (reports / "alpha" / "table.csv").read_text().splitlines()
        expect(page.locator("tbody tr")).to_have_count(len(lines) - 1)
        expect(page.locator("thead th")).to_have_text(lines[0].split(","))
        plots = page.locator("#plots img")
        assert plots.count() > 1
        page.wait_for_function("[...document.querySelectorAll('#plots img')].every((one) => one.naturalWidth > 100)")
        visitor.check_access()
        with page.expect_download() as download:
            page.get_by_role("link", name="Table (CSV)").click()
        assert Path(download.value.path()).read_bytes() == (reports / "alpha" / "table.csv").read_bytes()


def test_an_open_gateway_asks_for_nothing(browser: Browser, reports: Path) -> None:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with house(lambda _: rooms, reports=reports) as there, visiting(browser, there.http) as visitor:
        visitor.page.get_by_role("link", name="Campaigns").click()
        visitor.button("beta").click()
        expect(visitor.page.locator("tbody tr")).not_to_have_count(0)
        visitor.check_access()


def test_only_reports_and_only_to_researchers(there: House, reports: Path) -> None:
    base = "/campaigns/reports"
    with httpx2.Client(base_url=there.http) as http:
        http.headers["Authorization"] = "Bearer ada"
        assert http.get(base).json() == {"reports": ["alpha", "beta"]}
        page = http.get(f"{base}/beta/index.html")
        assert page.content == (reports / "beta" / "report" / "index.html").read_bytes()
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert policy.endswith("sandbox")
        plot = http.get(f"{base}/alpha/plot-1.svg")
        assert (plot.status_code, plot.headers["content-type"]) == (200, "image/svg+xml")
        for path in (
            "/empty", "/notes.txt", "/.hidden", "/%2e%2e", "/%2e%2e%2fbeta", "/alpha/../../notes.txt", "/alpha/%2e%2e",
            "/alpha/..%2f..%2fnotes.txt", "/beta/rows.jsonl", "/beta/report", "/alpha/plot-0.svg", "/alpha/plot-99.svg",
            "/alpha/plot-1.svg%00", "/beta%2freport", "/%2fetc",
        ):  # fmt: skip
            assert http.get(base + path).status_code == 404, path
        for credential, status in (("", 401), ("Bearer 123", 401), ("Bearer bob", 403)):
            http.headers["Authorization"] = credential
            for path in ("", "/alpha", "/alpha/table.csv", "/nothing"):
                assert http.get(base + path).status_code == status
        assert "campaigns" not in http.get("/openapi.json").text
