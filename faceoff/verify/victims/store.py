"""The file that budget, rates and cache are kept in."""

from __future__ import annotations

from pathlib import Path

from faceoff.ledger import bucket, store

_TABLES = f"""
CREATE TABLE IF NOT EXISTS settled (
    tenant TEXT, victim TEXT, currency TEXT, day TEXT,
    charged INTEGER, charged_calls INTEGER, unknown INTEGER, unknown_calls INTEGER,
    PRIMARY KEY (tenant, victim, currency, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT, victim TEXT, currency TEXT, day TEXT, price INTEGER
);
{bucket.TABLE}
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, at REAL, answer TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (at);
"""


class Store(store.Store):
    """``folder``/victims.db. Raises FaceOffError INVALID_ARGUMENT when it cannot be written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "victims.db", _TABLES)
