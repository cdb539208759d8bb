"""Scores that were paid for already. Keys are keyed hashes: whoever reads the file learns nothing of the photos."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from faceoff.verify.victims.store import Store
from faceoff.verify.victims.victim import Answer, Picture


class Cache:
    """The ``most`` newest answers of the last ``seconds``. Only answers with a score are kept."""

    def __init__(
        self, store: Store, secret: bytes, seconds: float, most: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._secret = secret
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._busy: set[bytes] = set()
        self._changed = threading.Condition()

    @contextmanager
    def alone(self, key: bytes, seconds: float) -> Iterator[None]:
        """One asker of a pair at a time in this process: who waited finds what the other one paid for. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: key not in self._busy, seconds):
                raise TimeoutError
            self._busy.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._busy.discard(key)
                self._changed.notify_all()

    def key(self, reference: Picture, probe: Picture, *about: str) -> bytes:
        """Of two pictures and everything else that the answer depends on."""
        code = hmac.new(self._secret, digestmod=hashlib.sha256)
        for part in (reference.data, probe.data, *(text.encode() for text in about)):
            code.update(len(part).to_bytes(8, "big") + part)
        return code.digest()

    def get(self, key: bytes) -> Answer | None:
        with self._store.transaction() as db:
            row = db.execute(
                "SELECT answer FROM answers WHERE key = ? AND at > ?", (key, self._clock() - self._seconds)
            ).fetchone()
        return Answer(**json.loads(row[0])) if row else None

    def put(self, key: bytes, answer: Answer) -> None:
        with self._store.transaction() as db:
            now = self._clock()
            db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, now, json.dumps(asdict(answer))))
            db.execute("DELETE FROM answers WHERE at <= ?", (now - self._seconds,))
            db.execute(
                "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY at DESC LIMIT -1 OFFSET ?)",
                (self._most,),
            )
