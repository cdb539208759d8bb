"""What may be spent, and what was: reserve before a call, settle after it.

A reservation that is never settled (kill -9, power cut, a hung call) stays: it counts as spent and is reported as
unknown. So no sum is ever less than what the services can have charged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from faceoff.verify.victims.calls import Bill
from faceoff.verify.victims.store import Store

_MICRO = Decimal(1_000_000)


@dataclass(frozen=True)
class Price:
    """Of one call. ``as_of`` is the day (ISO) on which the operator read it."""

    amount: Decimal
    currency: str
    as_of: str


@dataclass(frozen=True)
class Allowance:
    """The most that one tenant may spend on one victim, by UTC day and month, in the price's currency."""

    daily: Decimal
    monthly: Decimal


@dataclass(frozen=True)
class Spending:
    """Money and calls. ``unknown`` are those that may have been charged, calls under way included."""

    currency: str
    charged: Decimal
    charged_calls: int
    unknown: Decimal
    unknown_calls: int


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


class Budget:
    """Shared by everything that spends. Money is kept in millionths, as integers."""

    def __init__(self, store: Store, today: Callable[[], str] = _today) -> None:
        self._store = store
        self._today = today

    def reserve(self, tenant: str, victim: str, price: Price, allowance: Allowance) -> int | None:
        """The number of a reservation for one call; None when it would pass the day's or the month's allowance."""
        day, micros = self._today(), micro(price.amount)
        whose = (tenant, victim, price.currency)
        with self._store.transaction() as db:
            (spent_today, spent_in_month) = db.execute(
                """
                SELECT coalesce(sum(amount) FILTER (WHERE day = ?), 0), coalesce(sum(amount), 0) FROM (
                    SELECT day, charged + unknown AS amount FROM settled
                        WHERE tenant = ? AND victim = ? AND currency = ? AND substr(day, 1, 7) = ?
                    UNION ALL
                    SELECT day, price FROM reserved
                        WHERE tenant = ? AND victim = ? AND currency = ? AND substr(day, 1, 7) = ?
                )
                """,
                (day, *whose, day[:7], *whose, day[:7]),
            ).fetchone()
            if spent_today + micros > micro(allowance.daily) or spent_in_month + micros > micro(allowance.monthly):
                return None
            cursor = db.execute(
                "INSERT INTO reserved (tenant, victim, currency, day, price) VALUES (?, ?, ?, ?, ?)",
                (*whose, day, micros),
            )
            return cursor.lastrowid

    def settle(self, reservation: int, bill: Bill) -> None:
        """Say what became of a reserved call. A second settling of the same call changes nothing."""
        with self._store.transaction() as db:
            row = db.execute(
                "DELETE FROM reserved WHERE id = ? RETURNING tenant, victim, currency, day, price", (reservation,)
            ).fetchone()
            if row is None or bill is Bill.FREE:
                return
            *where, price = row
            amounts = (price, 1, 0, 0) if bill is Bill.CHARGED else (0, 0, price, 1)
            db.execute(
                """
                INSERT INTO settled VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                    charged = charged + excluded.charged, charged_calls = charged_calls + excluded.charged_calls,
                    unknown = unknown + excluded.unknown, unknown_calls = unknown_calls + excluded.unknown_calls
                """,
                (*where, *amounts),
            )

    def spent(self) -> dict[str, list[Spending]]:
        """By victim, over all tenants and days: one entry a currency."""
        with self._store.transaction() as db:
            rows = db.execute(
                """
                SELECT victim, currency, sum(charged), sum(charged_calls), sum(unknown), sum(unknown_calls) FROM (
                    SELECT victim, currency, charged, charged_calls, unknown, unknown_calls FROM settled
                    UNION ALL
                    SELECT victim, currency, 0, 0, price, 1 FROM reserved
                ) GROUP BY victim, currency ORDER BY victim, currency
                """
            ).fetchall()
        spending: dict[str, list[Spending]] = {}
        for victim, currency, charged, charged_calls, unknown, unknown_calls in rows:
            entry = Spending(currency, charged / _MICRO, charged_calls, unknown / _MICRO, unknown_calls)
            spending.setdefault(victim, []).append(entry)
        return spending


def micro(amount: Decimal) -> int:
    """Money in millionths, rounded up to a whole one."""
    return int((amount * _MICRO).to_integral_value("ROUND_CEILING"))
