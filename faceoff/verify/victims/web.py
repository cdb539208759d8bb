"""One HTTP request to a victim, and what its failure means for the answer and for the bill."""

from __future__ import annotations

import ipaddress
import json
import logging
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx2

from faceoff.types import Outcome
from faceoff.verify.victims.calls import Bill, Fault

_MOST_BYTES = 1_000_000
"""The longest answer that is read."""

# At debug level httpcore2 logs the headers of answers, in which a service may quote what it was sent.
logging.getLogger("httpcore2").setLevel(logging.INFO)


@dataclass(frozen=True)
class Reply:
    status: int
    retry_after: float | None
    body: bytes

    def json(self) -> Any:
        """The decoded body; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Web:
    """HTTP to one endpoint: no redirects, no cookies, answers of limited size, every wait bounded."""

    def __init__(self, victim: str, endpoint: str) -> None:
        self._victim = victim
        self._endpoint = endpoint.rstrip("/")
        self._client = httpx2.Client(
            follow_redirects=False,
            verify=_authorities(),
            trust_env=not loopback(endpoint),  # the operator's proxy is for the world, not for this machine
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"Accept-Encoding": "identity"},  # a packed answer could unpack to any size
        )

    def post(self, path: str, seconds: float, **content: Any) -> Reply:
        """The reply, whatever its status. ``content`` is httpx2's. Raises Fault when none came."""
        ends = time.monotonic() + seconds
        body = bytearray()
        try:
            with self._client.stream("POST", self._endpoint + path, timeout=seconds, **content) as response:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise Fault(Outcome.ERROR, f"{self._victim} sent an answer without end.", Bill.UNKNOWN)
                    if time.monotonic() > ends:
                        raise httpx2.ReadTimeout("")
                return Reply(response.status_code, retry_after(response.headers.get("Retry-After")), bytes(body))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError):
            raise unreachable(self._victim) from None
        except httpx2.HTTPError:
            raise lost(self._victim) from None

    def fault(self, reply: Reply, code: str = "") -> Fault:
        """What a reply other than a success means. ``code`` is the service's error code, if it is one of those we know."""
        return fault(self._victim, reply.status, code or f"HTTP {reply.status}", reply.retry_after)


@cache
def _authorities() -> ssl.SSLContext:
    """Shared: reading the certificates takes longer than all the rest."""
    return httpx2.create_ssl_context()


def fault(victim: str, status: int, code: str, retry_after: float | None) -> Fault:
    """What an HTTP ``status`` other than 200 means.

    500 and 503 are the service's own word that it failed, so a repeat is free. 502 and 504 are a gateway's, which does
    not know what became of the request: not repeated, and unknown to the ledger. So is a request that was refused for
    what it held, since some services charge for looking.
    """
    words = f"{victim} answered {code}."
    if status == 429:
        return Fault(Outcome.THROTTLED, words, retry=True, retry_after=retry_after)
    if status in (502, 504):
        return Fault(Outcome.ERROR, words, Bill.UNKNOWN, failing=True)
    if status >= 500:
        return Fault(Outcome.ERROR, words, retry=True, retry_after=retry_after, failing=True)
    if status in (401, 403):
        return Fault(Outcome.REFUSED, words)
    return Fault(Outcome.ERROR, words, Bill.FREE if 300 <= status < 400 or status == 413 else Bill.UNKNOWN)


def unreachable(victim: str) -> Fault:
    return Fault(Outcome.ERROR, f"{victim} cannot be reached.", failing=True)


def lost(victim: str) -> Fault:
    """Not repeated: the service may have done its work, and charge for it."""
    words = f"The connection to {victim} broke before its answer came; it may have been charged."
    return Fault(Outcome.ERROR, words, Bill.UNKNOWN, failing=True)


def loopback(endpoint: str) -> bool:
    """Whether an endpoint is on this machine."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header: a number, or a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value)) if value.strip().isdigit() else _until(value)
    except ValueError:
        return None


def _until(date: str) -> float:
    when = parsedate_to_datetime(date)
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
