"""Tells a tenant's own server that a job has ended, as Standard Webhooks says it: signed, with an id that stays the same when
it is told again.

What is told is the job's name and how it ended: no picture, no name, no verdict. It is told from threads of its own
and kept in memory, so no job ever waits for it. A process that ends forgets what it had yet to tell: who notifies hears how
far it came, and sees to it that somebody else does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import Counter
from standardwebhooks import Webhook

from faceoff.rpc import logs
from faceoff.tenants.outbound import Outbound, Unreachable, public

WEBHOOKS = Counter("faceoff_webhooks_total", "Deliveries to tenants' webhooks.", ("outcome",))

BACKOFF = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Seconds before each repeat, and a fifth more or less. After the last one it is given up."""

WAITING = 1000
WAITING_OF_ONE = 100
"""Deliveries that may wait, of all tenants and of one."""

_SECONDS = 10.0
_GONE = 410
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]+={0,2}")
_LEAST_BYTES = 24


@dataclass(frozen=True)
class Endpoint:
    """Where a tenant is told, and with which secrets: each signs, so that the other side can change over."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)


Heard = Callable[[float | None], None]
"""Told after every try: the seconds until the next one; None when there will be none."""


@dataclass(frozen=True)
class _Delivery:
    tenant: str
    id: str
    body: str
    due: float
    heard: Heard
    tries: int = 0


class Webhooks:
    """``endpoint`` is asked at every try, so what the operator changes holds for what still waits; None: the tenant has none.
    It may raise OSError and ValueError."""

    def __init__(
        self,
        endpoint: Callable[[str], Endpoint | None],
        outbound: Outbound = Outbound(public, _SECONDS),  # noqa: B008  (frozen)
        backoff: tuple[float, ...] = BACKOFF,
        threads: int = 4,
    ) -> None:
        self._endpoint = endpoint
        self._outbound = outbound
        self._backoff = backoff
        self._most_threads = threads
        self._threads: list[threading.Thread] = []
        self._waiting: list[_Delivery] = []
        self._busy: set[str] = set()
        """Tenants that are being told something: one at a time each, so that a slow server holds up its own tenant only."""
        self._changed = threading.Condition()
        self._closed = False

    def notify(self, tenant: str, operation: str, outcome: str, heard: Heard = lambda _: None) -> None:
        """Say that the job ``operation`` ended as ``outcome``: ``succeeded``, ``failed`` or ``cancelled``. Never waits, never
        fails; where too much waits, ``heard`` is not called."""
        kind = f"protection.{outcome}"
        body = json.dumps(
            {
                "type": kind,
                "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
                "data": {"operation": operation},
            }
        )
        name = hashlib.sha256(json.dumps([tenant, operation, kind]).encode()).hexdigest()[:32]
        with self._changed:
            of_one = sum(delivery.tenant == tenant for delivery in self._waiting)
            if self._closed or len(self._waiting) >= WAITING or of_one >= WAITING_OF_ONE:
                WEBHOOKS.labels("dropped").inc()
                return
            self._waiting.append(_Delivery(tenant, f"msg_{name}", body, time.monotonic(), heard))
            if len(self._threads) < self._most_threads:
                thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Tell nothing more; what is being told is let end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while delivery := self._next():
            try:
                outcome = self._tell(delivery)
            except Exception as error:  # a mistake of ours must not end the thread
                logs.event("webhook_failed", error=type(error).__name__, where=logs.where(error))
                outcome = "failed"
            self._settle(delivery, outcome)

    def _next(self) -> _Delivery | None:
        with self._changed:
            while not self._closed:
                free = [delivery for delivery in self._waiting if delivery.tenant not in self._busy]
                first = min(free, key=lambda delivery: delivery.due, default=None)
                wait = first.due - time.monotonic() if first else None
                if first and wait is not None and wait <= 0:
                    self._waiting.remove(first)
                    self._busy.add(first.tenant)
                    return first
                self._changed.wait(wait)
            return None

    def _tell(self, delivery: _Delivery) -> str:
        try:
            endpoint = self._endpoint(delivery.tenant)
            if endpoint is None:
                return "none"
            headers = signed(endpoint, delivery.id, delivery.body)
            answer = self._outbound.send("POST", endpoint.url, delivery.body.encode(), headers, most=0)
        except (OSError, ValueError, Unreachable):
            return "failed"
        if 200 <= answer.status < 300:
            return "delivered"
        return "given_up" if answer.status == _GONE else "failed"

    def _settle(self, delivery: _Delivery, outcome: str) -> None:
        if outcome == "failed" and delivery.tries >= len(self._backoff):
            outcome = "given_up"
        if outcome != "none":
            WEBHOOKS.labels(outcome).inc()
        pause = self._backoff[delivery.tries] * random.uniform(0.8, 1.2) if outcome == "failed" else None  # noqa: S311
        with self._changed:
            self._busy.discard(delivery.tenant)
            if pause is not None:
                due = time.monotonic() + pause
                self._waiting.append(replace(delivery, due=due, tries=delivery.tries + 1))
            self._changed.notify_all()
        delivery.heard(pause)


def signed(endpoint: Endpoint, name: str, body: str) -> Mapping[str, str]:
    """The headers that go with ``body``."""
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "faceoff",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(name, now, body) for secret in endpoint.secrets),
    }


def secrets_in(path: Path) -> tuple[str, ...]:
    """The secrets in a mounted file, one line each. Raises OSError, and ValueError, which quotes none."""
    lines = tuple(path.read_text("ascii").split())
    if not 1 <= len(lines) <= 2 or not all(map(_is_secret, lines)):
        raise ValueError("the webhook's secret file needs one or two lines whsec_BASE64 of 24 bytes or more")
    return lines


def _is_secret(line: str) -> bool:
    return bool(_SECRET.fullmatch(line)) and len(base64.b64decode(f"{line[6:]}==")) >= _LEAST_BYTES
