"""Token buckets that all processes share."""

from __future__ import annotations

import time
from collections.abc import Callable

from faceoff.ledger.store import Store

TABLE = "CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, due REAL) WITHOUT ROWID;"


class Buckets:
    """A bucket for each name, kept as the time at which it will be full again. The store has TABLE."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def take(self, name: str, rate: float, burst: int, patience: float = 0.0) -> float:
        """The seconds to wait before the token that was taken may be used: ``rate`` a second, ``burst`` at once. None is taken
        when that is over ``patience``."""
        with self._store.transaction() as db:
            row = db.execute("SELECT due FROM buckets WHERE name = ?", (name,)).fetchone()
            now = self._clock()
            due = max(row[0], now) if row else now
            wait = max(0.0, due - now - (burst - 1) / rate)
            if wait <= patience:
                db.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?)", (name, due + 1 / rate))
            return wait
