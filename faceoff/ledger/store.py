"""A file that is shared by threads and processes, and safe against kill -9."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceoff.errors import FaceOffError, Reason

PATIENCE = 10.0
"""Seconds to wait while another process writes. Transactions take milliseconds."""


class Store:
    """The SQLite file ``path`` with ``tables`` (CREATE ... IF NOT EXISTS); without a path, one that ends with the process.
    Raises FaceOffError INVALID_ARGUMENT when it cannot be written.

    A process has one connection, which its threads take turns with; a forked child opens its own.
    """

    def __init__(self, path: Path | None, tables: str) -> None:
        self._path = path
        self._tables = tables
        self._lock = threading.Lock()
        self._connections: dict[int, sqlite3.Connection] = {}
        """By process: what a child inherited is never touched there, not even closed."""
        try:
            if path:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock:
                self._connection()
        except (OSError, sqlite3.Error) as error:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"State cannot be kept in {path}: {error}.",
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
            connection = sqlite3.connect(
                self._path or ":memory:", timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(self._tables)
            self._connections[os.getpid()] = connection
        return self._connections[os.getpid()]
