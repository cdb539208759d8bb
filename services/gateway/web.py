"""The gateway over HTTP: the same jobs as over gRPC, in forms and JSON."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from faceoff import __version__
from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Operation
from faceoff.rpc import convert, traces
from faceoff.tenants.principal import Principal
from services.gateway import models, options, problems, upload
from services.gateway.door import MOST_LISTED, Door
from services.gateway.middleware import Around
from services.gateway.models import HealthModel, OperationModel, OperationsModel, ReceiptModel
from services.gateway.options import Options
from services.gateway.page import pages
from services.gateway.page.reports import Reports
from services.gateway.places import Places

_UPLOADS, _WATCHERS = 8, 64  # at once
_HEARTBEAT = 10.0
_LOOK = 1.0  # seconds between two looks whether a watcher is still there
_TYPES = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
_ABOUT = """Adds a small mask to the faces of a photo, so that face recognition no longer knows them, and checks that it worked.

A photo becomes an operation, which is followed until it is done. Photos and results are kept encrypted, and deleted after the
time that `expires` says, or at once with DELETE. It lowers the chance of recognition; it cannot promise it."""


@dataclass(frozen=True)
class Entrance:
    """What the routes stand on. An upload may hold a photo and its references in memory, a download a result, for as long as
    its caller takes to read it; a watcher holds a thread."""

    door: Door
    uploads: Places = field(default_factory=lambda: Places(_UPLOADS))
    downloads: Places = field(default_factory=lambda: Places(16))
    watchers: Places = field(default_factory=lambda: Places(_WATCHERS))
    uploading: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_UPLOADS))
    watching: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_WATCHERS))


@dataclass(frozen=True)
class Caller:
    entrance: Entrance
    principal: Principal

    async def watch(self, job: str) -> AsyncGenerator[Operation, None]:
        """The job every second or when it changes, until it has ended."""
        with self.entrance.watchers.one(self.principal.tenant):
            changes = self.entrance.door.watch(self.principal, job, _LOOK)
            while operation := await to_thread.run_sync(next, changes, None, limiter=self.entrance.watching):
                yield operation


_bearer = HTTPBearer(auto_error=False, description="An API key, or a token of the operator's identity provider.")


async def _enter(request: Request, _: Annotated[object, Depends(_bearer)]) -> Caller:
    return await _entered(request, "")


async def _enter_again(request: Request, _: Annotated[object, Depends(_bearer)]) -> Caller:
    return await _entered(request, request.headers.get("idempotency-key", ""))


async def _entered(request: Request, idempotency_key: str) -> Caller:
    entrance: Entrance = request.app.state.entrance
    return Caller(entrance, await run_in_threadpool(entrance.door.enter, request.headers.items(), idempotency_key))


class CreateQuery(Options):
    wait: Annotated[
        str, Field(pattern=r"^([0-9]|[1-5][0-9]|60)s$", description="How long to wait for the end, up to 60s.")
    ] = "0s"


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = MOST_LISTED
    after: Annotated[
        str, Field(max_length=64, description="The `next` of the page before, whose operations may be gone meanwhile.")
    ] = ""


_Entered = Annotated[Caller, Depends(_enter)]


async def _download(caller: _Entered) -> AsyncGenerator[Caller, None]:
    """The caller, who has a place until the whole answer is sent."""
    with caller.entrance.downloads.one(caller.principal.tenant):
        yield caller


_Downloading = Annotated[Caller, Depends(_download)]
_Job = Annotated[str, Path(description="The operation's id.", max_length=64)]
_PROBLEMS = (401, 403, 404, 422, 429, 503)
router = APIRouter(responses=problems.documented(*_PROBLEMS))
public = APIRouter()


def _body() -> dict[str, Any]:
    """What OpenAPI says of an upload, which FastAPI does not read itself."""
    binary = {"type": "string", "format": "binary"}
    schema = Options.model_json_schema()
    files = {
        upload.PHOTO: {**binary, "description": "At most 25 MB."},
        upload.REFERENCE: {
            "type": "array",
            "items": binary,
            "maxItems": convert.MOST_REFERENCES,
            "description": "Other photos of the person: does the result still match the best of them?",
        },
    }
    form = {**schema, "properties": files | schema["properties"], "required": [upload.PHOTO]}
    raw = {"schema": binary}
    types = ("image/png", "image/jpeg", "image/webp", "application/octet-stream")
    return {"requestBody": {"required": True, "content": {upload.FORM: {"schema": form}} | dict.fromkeys(types, raw)}}


@router.post(
    "/v1/protections",
    name="CreateProtection",
    status_code=202,
    response_model=OperationModel,
    responses={
        200: {"model": OperationModel, "description": "It was done within `wait`."},
        202: {
            "description": "It was accepted.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Where the operation is."}},
        },
        **problems.documented(409, 413, 415, 504),
    },
    openapi_extra=_body(),
)
async def create(
    request: Request,
    response: Response,
    caller: Annotated[Caller, Depends(_enter_again)],
    query: Annotated[CreateQuery, Query()],
    idempotency_key: Annotated[
        str,
        Header(
            pattern="^[!-~]{1,255}$",
            description="The same key with the same request is the same operation, with another it is refused (409).",
        ),
    ] = "",
) -> OperationModel:
    """Protect a photo. Options are query parameters or fields of the form."""
    with caller.entrance.uploads.one(caller.principal.tenant):
        sent = await upload.read(request)
        request_ = options.with_fields(query, sent.fields).request(sent.references)
        parent = {name: value for name, value in request.headers.items() if name == "traceparent"}
        with traces.call("http/CreateProtection", parent, current=True):
            operation = await to_thread.run_sync(
                caller.entrance.door.submit,
                caller.principal,
                request_,
                sent.photo,
                idempotency_key,
                limiter=caller.entrance.uploading,
            )
    del sent, request_  # waiting needs no photo
    seconds = int(query.wait[:-1])
    if seconds and not operation.state.terminal:
        operation = await _waited(request, caller, operation, seconds)
    response.headers["Location"] = f"/v1/operations/{operation.id}"
    response.status_code = 200 if operation.state.terminal else 202
    return models.operation(operation)


@router.get("/v1/operations", name="ListOperations", response_description="A page of them.")
def list_operations(caller: _Entered, query: Annotated[PageQuery, Query()]) -> OperationsModel:
    """The caller's operations, the newest first."""
    page, token = caller.entrance.door.list(caller.principal, query.limit, query.after)
    return OperationsModel(operations=[models.operation(operation) for operation in page], next=token or None)


@router.get("/v1/operations/{operation}", name="GetOperation", response_description="The operation.")
def get_operation(caller: _Entered, operation: _Job) -> OperationModel:
    """How far it is, and what came of it."""
    return models.operation(caller.entrance.door.get(caller.principal, operation))


@router.get(
    "/v1/operations/{operation}/events",
    name="WatchOperation",
    response_class=StreamingResponse,
    responses={200: {"description": "Events `operation`, then `done`.", "content": {"text/event-stream": {}}}},
)
async def events(caller: _Entered, operation: _Job) -> StreamingResponse:
    """The operation now and whenever it changes, as server-sent events, until it is done."""
    await run_in_threadpool(caller.entrance.door.get, caller.principal, operation)  # a problem, not a broken stream
    return StreamingResponse(_events(caller, operation), media_type="text/event-stream")


@router.get(
    "/v1/operations/{operation}/result",
    name="GetResult",
    response_class=Response,
    responses={
        200: {
            "description": "The protected photo.",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind, _ in _TYPES.values()},
        },
        **problems.documented(409),
    },
)
def result(caller: _Downloading, operation: _Job) -> Response:
    """The protected photo. Of an operation that has failed, its problem."""
    known = caller.entrance.door.get(caller.principal, operation)
    if known.error:
        return problems.response(known.error.error(), 409)
    known, photo = caller.entrance.door.result(caller.principal, operation)
    kind, suffix = _TYPES[models.operation(known).result.format.upper()]  # type: ignore[union-attr]
    headers = {
        "Content-Disposition": f'attachment; filename="protected.{suffix}"',
        "Content-Length": str(len(photo)),
    }
    return StreamingResponse(convert.to_chunks(photo), media_type=kind, headers=headers)


@router.post(
    "/v1/operations/{operation}:cancel",
    name="CancelOperation",
    response_description="The operation.",
)
def cancel(caller: _Entered, operation: _Job) -> OperationModel:
    """Stop it and destroy its photo. What is done stays as it is."""
    return models.operation(caller.entrance.door.cancel(caller.principal, operation))


@router.delete("/v1/operations/{operation}", name="DeleteOperation", response_description="The receipt.")
def delete(caller: _Entered, operation: _Job) -> ReceiptModel:
    """Stop it if need be, and destroy photo, result and key; the answer is the receipt."""
    return models.receipt(caller.entrance.door.delete(caller.principal, operation))


@public.get("/healthz", name="Health", response_description="It takes photos.", responses=problems.documented(503))
def health() -> HealthModel:
    """Whether the gateway is there and not about to end (503); nobody needs a key for it."""
    return HealthModel(status="ok")


async def _waited(request: Request, caller: Caller, operation: Operation, seconds: int) -> Operation:
    end = time.monotonic() + seconds
    try:
        async with aclosing(caller.watch(operation.id)) as changes:
            async for last in changes:
                operation = last
                if time.monotonic() >= end or await request.is_disconnected():
                    break
    except FaceOffError:
        pass  # it was accepted: that it cannot be waited for here is no failure
    return operation


async def _events(caller: Caller, job: str) -> AsyncGenerator[str, None]:
    last, said = None, time.monotonic()
    yield "retry: 2000\n\n"
    try:
        async with aclosing(caller.watch(job)) as changes:
            async for operation in changes:
                if operation != last:
                    last, said = operation, time.monotonic()
                    event = "done" if operation.state.terminal else "operation"
                    yield f"event: {event}\ndata: {models.operation(operation).model_dump_json()}\n\n"
                elif time.monotonic() - said > _HEARTBEAT:
                    said = time.monotonic()
                    yield ": still here\n\n"
    except FaceOffError as error:
        yield f'event: problem\ndata: {{"reason": "{error.reason}"}}\n\n'


def _problem(request: Request, error: Exception) -> JSONResponse:
    match error:
        case FaceOffError():
            return problems.response(error)
        case RequestValidationError():
            return problems.response(options.invalid([detail["loc"] for detail in error.errors()]))
        case HTTPException(status_code=405):
            refused = FaceOffError(Reason.INVALID_ARGUMENT, "This path does not take this method.")
            response = problems.response(refused, 405)
            response.headers.update(error.headers or {})
            return response
        case HTTPException(status_code=404):
            return problems.response(FaceOffError(Reason.NOT_FOUND, "There is nothing at this path."))
    raise error


def create_app(door: Door, reports: Reports | None = None) -> FastAPI:
    """The routes over ``door``, with their description at /openapi.json, and the page."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # What it would tell by itself has paths and queries in it, which hold whatever a caller writes into them.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.entrance = Entrance(door)
    app.include_router(router)
    app.include_router(public)
    app.include_router(pages(door, reports))
    app.add_middleware(Around)
    for kind in (FaceOffError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _problem)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    return app


def openapi(app: FastAPI) -> dict[str, Any]:
    if not app.openapi_schema:
        schema = get_openapi(title="Face-Off", version=__version__, description=_ABOUT, routes=app.routes)
        schema["components"]["schemas"]["Problem"] = problems.SCHEMA
        app.openapi_schema = schema
    return app.openapi_schema
