"""How much a tenant may ask for: requests by a token bucket, work by a daily quota that is reserved before it is accepted.

A reservation that is never settled (a process that was killed) stays counted for its day: no tenant gets more than its quota.
"""

from __future__ import annotations

import math
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from faceoff.errors import FaceOffError, Reason
from faceoff.ledger import bucket
from faceoff.ledger.bucket import Buckets
from faceoff.ledger.store import Store
from faceoff.tenants.settings import Limits
from faceoff.types import Method, Plan

_TABLES = f"""
CREATE TABLE IF NOT EXISTS used (day TEXT, tenant TEXT, amount INTEGER, PRIMARY KEY (day, tenant)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (id TEXT PRIMARY KEY, day TEXT, tenant TEXT, amount INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reserved_by_day ON reserved (day);
{bucket.TABLE}
"""

_MILLION = 1_000_000
_MOST = 2**62
"""What SQLite can count to, and add to."""


def cost(width: int, height: int, plan: Plan) -> float:
    """The megapixel-iterations of a photo of ``width`` x ``height`` pixels: an upper bound, since the attack may end early."""
    rounds = plan.search_steps if plan.method in (Method.CW_L2, Method.CW_LINF) else 1
    return width * height * (plan.iterations * rounds + plan.warm_start) / _MILLION


def utc_now() -> datetime:
    return datetime.now(UTC)


class Limiter:
    """Shared by threads, and by the processes that have one file; without a file, it forgets with the process."""

    def __init__(
        self, file: Path | None, limits: Callable[[str], Limits], now: Callable[[], datetime] = utc_now
    ) -> None:
        """Raises INVALID_ARGUMENT when ``file`` cannot be written."""
        self._store = Store(file, _TABLES)
        self._limits = limits
        self._now = now
        self._buckets = Buckets(self._store, lambda: self._now().timestamp())

    def admit(self, tenant: str) -> None:
        """Count one request. Raises QUOTA_EXCEEDED, with the seconds until the next one is taken."""
        limits = self._limits(tenant)
        with _counting():
            wait = self._buckets.take(tenant, limits.rate, limits.burst)
        if wait > 0:
            raise FaceOffError(
                Reason.QUOTA_EXCEEDED, "These are more requests than you may send.", "Send fewer a second.", wait
            )

    def reserve(self, tenant: str, amount: float) -> str:
        """Set ``amount`` megapixel-iterations of the day's quota aside, before the work is accepted; the reservation's id.

        Raises QUOTA_EXCEEDED, with the seconds until the next day unless it is more than any day's.
        """
        quota, pixels = self._limits(tenant).quota, _pixels(amount)
        if amount > quota:
            raise FaceOffError(
                Reason.QUOTA_EXCEEDED,
                "This is more work than your quota for a whole day.",
                "Use a smaller photo or a weaker strength, or ask the operator for a larger quota.",
            )
        now = self._now()
        day, name = now.date().isoformat(), secrets.token_hex(16)
        with _counting(), self._store.transaction() as db:
            yesterday = (now.date() - timedelta(days=1)).isoformat()  # its jobs may still run
            db.execute("DELETE FROM used WHERE day < ?", (yesterday,))
            db.execute("DELETE FROM reserved WHERE day < ?", (yesterday,))
            row = db.execute("SELECT amount FROM used WHERE day = ? AND tenant = ?", (day, tenant)).fetchone()
            total = (row[0] if row else 0) + pixels
            fits = total <= min(quota * _MILLION, _MOST)
            if fits:
                db.execute("INSERT OR REPLACE INTO used VALUES (?, ?, ?)", (day, tenant, total))
                db.execute("INSERT INTO reserved VALUES (?, ?, ?, ?)", (name, day, tenant, pixels))
        if not fits:
            raise FaceOffError(
                Reason.QUOTA_EXCEEDED,
                "Your quota for today is used up.",
                "Try again tomorrow (UTC), or ask the operator for a larger quota.",
                _until_tomorrow(now),
            )
        return name

    def settle(self, reservation: str, spent: float | None = None) -> None:
        """Say what became of reserved work: ``spent`` megapixel-iterations, 0 for a job that failed or was cancelled, None for
        all. The rest is given back. A second settling of the same reservation changes nothing."""
        with _counting(), self._store.transaction() as db:
            row = db.execute(
                "DELETE FROM reserved WHERE id = ? RETURNING day, tenant, amount", (reservation,)
            ).fetchone()
            if row and spent is not None:
                day, tenant, amount = row
                rest = amount - min(_pixels(spent), amount)
                db.execute("UPDATE used SET amount = amount - ? WHERE day = ? AND tenant = ?", (rest, day, tenant))

    def used(self, tenant: str) -> float:
        """Megapixel-iterations of today, those included that are reserved."""
        with _counting(), self._store.transaction() as db:
            row = db.execute(
                "SELECT amount FROM used WHERE day = ? AND tenant = ?", (self._now().date().isoformat(), tenant)
            ).fetchone()
        return row[0] / _MILLION if row else 0.0


def _pixels(amount: float) -> int:
    """As a whole number, which adds up exactly."""
    return max(0, min(math.ceil(min(amount, _MOST) * _MILLION), _MOST))


def _until_tomorrow(now: datetime) -> float:
    return (datetime.combine(now.date() + timedelta(days=1), time(), UTC) - now).total_seconds()


@contextmanager
def _counting() -> Iterator[None]:
    """What cannot be counted is not let in."""
    try:
        yield
    except sqlite3.Error:
        raise FaceOffError(
            Reason.SERVICE_UNAVAILABLE, "Quotas cannot be counted at the moment.", "Try again in a while."
        ) from None
