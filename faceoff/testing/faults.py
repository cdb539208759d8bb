"""The faults that faceoff.testing.lookalike can be told to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from faceoff.testing.wires import Aws, Azure, Compre, FacePP, Reply, Request, Wire


class Fault(StrEnum):
    """What a wire may do instead of answering."""

    BUSY = "busy"
    """429 with Retry-After (Rekognition: ThrottlingException), not billed."""
    CONCURRENCY = "concurrency"
    """Face++'s 403 that asks for another try (elsewhere as BUSY)."""
    FORBIDDEN = "forbidden"
    """403 for good: no Limited Access, AccessDeniedException, AUTHORIZATION_ERROR."""
    TOO_LARGE = "too_large"
    """413 in plain text, as a proxy before the service says it."""
    BROKEN = "broken"
    """500 of the service, not billed."""
    GATEWAY = "gateway"
    """504 of a proxy: the service did its work, and bills it."""
    SLOW = "slow"
    """The right answer, billed, after ``seconds``."""
    CUT = "cut"
    """The work is done and billed; the connection is cut before the answer."""
    EMPTY = "empty"
    """200, billed, without the confidence and all else that is expected."""
    GARBAGE = "garbage"
    """200, billed, with something that is no JSON."""
    REDIRECT = "redirect"
    """307 to another place."""
    ECHO = "echo"
    """400 whose code and words quote all headers and fields of the request, secrets too."""


def _after(seconds: float) -> dict[str, str]:
    return {"Retry-After": f"{seconds:.0f}"} if seconds else {}


def _busy(wire: Wire, _: Request, seconds: float) -> Reply:
    match wire:
        case Azure():
            reply = wire.error(429, "TooManyRequests")
        case Aws():
            reply = wire.error(400, "ThrottlingException")
        case FacePP():
            reply = wire.error(429, "QPS_LIMIT")
        case Compre():
            reply = wire.error(429, 0)
    return replace(reply, headers={**reply.headers, **_after(seconds)})


def _concurrency(wire: Wire, request: Request, seconds: float) -> Reply:
    if isinstance(wire, FacePP):
        return replace(wire.error(403, "CONCURRENCY_LIMIT_EXCEEDED"), headers=_after(seconds))
    return _busy(wire, request, seconds)


def _forbidden(wire: Wire, _: Request, __: float) -> Reply:
    match wire:
        case Azure():
            return wire.error(403, "InvalidRequest", inner="UnsupportedFeature")
        case Aws():
            return wire.error(400, "AccessDeniedException")
        case FacePP():
            return wire.error(403, "AUTHORIZATION_ERROR:<Denied by Client>")
        case Compre():
            return wire.error(403, 0)


def _broken(wire: Wire, _: Request, seconds: float) -> Reply:
    match wire:
        case Azure():
            reply = wire.error(500, "InternalServerError")
        case Aws():
            reply = wire.error(500, "InternalServerError")
        case FacePP():
            reply = wire.error(500, "INTERNAL_ERROR")
        case Compre():
            reply = wire.error(500, 41)
    return replace(reply, headers={**reply.headers, **_after(seconds)})


def _too_large(_: Wire, __: Request, ___: float) -> Reply:
    return Reply(413, b"Request Entity Too Large")


def _redirect(_: Wire, __: Request, ___: float) -> Reply:
    return Reply(307, b"", headers={"Location": "http://127.0.0.1:9/elsewhere"})


def _echo(wire: Wire, request: Request, _: float) -> Reply:
    fields = request.form() if wire.name == "facepp" else {}
    quoted = " ".join([*request.headers.values(), *(value.decode("latin-1") for value in fields.values())])
    error = {"code": quoted, "message": quoted, "innererror": {"code": quoted}}
    return Reply(400, {"error": error, "error_message": quoted, "__type": quoted, "message": quoted, "code": quoted})


INSTEAD: dict[Fault, Callable[[Wire, Request, float], Reply]] = {
    Fault.BUSY: _busy,
    Fault.CONCURRENCY: _concurrency,
    Fault.FORBIDDEN: _forbidden,
    Fault.TOO_LARGE: _too_large,
    Fault.BROKEN: _broken,
    Fault.REDIRECT: _redirect,
    Fault.ECHO: _echo,
}
"""The faults of requests that the service did no work for."""
