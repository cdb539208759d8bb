"""The page for people and, where the operator has campaign reports, for researchers. What it does with photos it does over
the same HTTP API as everybody else; here are only its documents, its scripts and the reports."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from faceoff.errors import FaceOffError, Reason
from faceoff.presets import STRENGTHS
from faceoff.rpc.convert import MOST_REFERENCES
from faceoff.tenants.principal import Headers, Scope
from services.gateway.door import Door
from services.gateway.page.reports import ReportModel, Reports, ReportsModel

_T = TypeVar("_T")
_HERE = Path(__file__).parent
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_REPORT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".svg": "image/svg+xml",
}
_REPORT_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; sandbox"
"""A report brings its styles along, and has no scripts."""

_STRENGTHS = (
    ("subtle", "Hardest to see. For portraits that will be looked at closely."),
    ("balanced", "Hard to see on most photos. A good first choice."),
    ("strong", "May be seen on smooth skin. For when recognition matters more than looks."),
)


def pages(door: Door, reports: Reports | None) -> APIRouter:
    """The routes of the page, on which no key is asked: it is the API behind that asks."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    static = {
        path.name: (path.read_bytes(), _TYPES[path.suffix])
        for path in (_HERE / "static").iterdir()
        if path.suffix in _TYPES
    }
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )

    def rendered(name: str, **values: object) -> HTMLResponse:
        page = templates.get_template(name).render(
            key_needed=_key_needed(door), campaigns=reports is not None, **values
        )
        return HTMLResponse(page, headers=_HEADERS)

    @router.get("/", name="Page")
    def index() -> HTMLResponse:
        return rendered(
            "index.html",
            strengths=[(name, words, STRENGTHS[name].rms) for name, words in _STRENGTHS],
            most_megabytes=round(door.largest.bytes / 1e6, 1),
            most_references=MOST_REFERENCES,
        )

    @router.get("/static/{name}", name="Static")
    def file(name: str) -> Response:
        if name not in static:
            raise _not_there()
        content, kind = static[name]
        return Response(content, media_type=kind)

    if reports is not None:
        router.include_router(_campaigns(door, reports))

        @router.get("/campaigns", name="CampaignsPage")
        def campaigns() -> HTMLResponse:
            return rendered("campaigns.html")

    return router


def _campaigns(door: Door, reports: Reports) -> APIRouter:
    async def researcher(request: Request) -> None:
        await run_in_threadpool(_enter, door, request.headers.items())

    router = APIRouter(prefix="/campaigns/reports", dependencies=[Depends(researcher)])

    @router.get("", name="Campaigns", response_model=ReportsModel, response_class=Response)
    def listed() -> Response:
        return _json(ReportsModel(reports=reports.names()))

    @router.get("/{name}", name="Campaign", response_class=Response)
    def one(name: str) -> Response:
        return _json(_found(reports.read(name)))

    @router.get("/{name}/{file}", name="CampaignFile", response_class=Response)
    def file(name: str, file: str) -> Response:
        content = _found(reports.file(name, file))
        headers = {"Content-Security-Policy": _REPORT_CSP}
        return Response(content, media_type=_REPORT_TYPES[Path(file).suffix], headers=headers)

    return router


def _enter(door: Door, headers: Headers) -> None:
    principal = door.gate.authenticator.authenticate(headers)
    principal.require(Scope.RESEARCH)
    door.gate.limiter.admit(principal.tenant)


def _key_needed(door: Door) -> bool:
    try:
        door.gate.authenticator.authenticate(())
    except FaceOffError:
        return True
    return False


def _json(model: ReportModel | ReportsModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


def _found(value: _T | None) -> _T:
    if value is None:
        raise _not_there()
    return value


def _not_there() -> FaceOffError:
    return FaceOffError(Reason.NOT_FOUND, "There is nothing at this path.")
