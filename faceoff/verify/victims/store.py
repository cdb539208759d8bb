"""The file that budget, rates and cache are kept in: shared by threads and processes, safe against kill -9."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceoff.errors import FaceOffError, Reason

_PATIENCE = 10.0
"""Seconds to wait while another process writes. Transactions take milliseconds."""

_TABLES = """
CREATE TABLE IF NOT EXISTS settled (
    tenant TEXT, victim TEXT, currency TEXT, day TEXT,
    charged INTEGER, charged_calls INTEGER, unknown INTEGER, unknown_calls INTEGER,
    PRIMARY KEY (tenant, victim, currency, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT, victim TEXT, currency TEXT, day TEXT, price INTEGER
);
CREATE TABLE IF NOT EXISTS pace (victim TEXT PRIMARY KEY, due REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, at REAL, answer TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (at);
"""


class Store:
    """``folder``/victims.db. Raises FaceOffError INVALID_ARGUMENT when it cannot be written.

    A process has one connection, which its threads take turns with; a forked child opens its own.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "victims.db"
        self._lock = threading.Lock()
        self._connections: dict[int, sqlite3.Connection] = {}
        """By process: what a child inherited is never touched there, not even closed."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock:
                self._connection().executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"The victims' state cannot be kept in {folder}: {error}.",
                "Choose a folder on a local disk that you may write to.",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other one overlaps, of any process; on disk when it ends. Raises sqlite3.Error."""
        with self._lock:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        if os.getpid() not in self._connections:
            connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._connections[os.getpid()] = connection
        return self._connections[os.getpid()]
