from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.ledger import bucket
from faceoff.ledger.bucket import Buckets
from faceoff.ledger.store import Store


def clock() -> float:
    return 1000.0


def test_a_bucket_gives_its_burst_and_says_when_the_next_token_comes(tmp_path: Path) -> None:
    for store in (Store(None, bucket.TABLE), Store(tmp_path / "state.db", bucket.TABLE)):
        buckets = Buckets(store, clock)
        assert [buckets.take("a", 0.5, 3) for _ in range(5)] == pytest.approx([0, 0, 0, 2, 2])
        assert buckets.take("a", 0.5, 3, patience=2.0) == pytest.approx(2)
        assert buckets.take("a", 0.5, 3) == pytest.approx(4)


def test_threads_and_processes_share_a_bucket(tmp_path: Path) -> None:
    taken: list[float] = []

    def take() -> None:
        taken.append(Buckets(Store(tmp_path / "state.db", bucket.TABLE), clock).take("a", 1.0, 5))

    child = os.fork()
    if not child:
        take()
        os._exit(0 if taken == [0.0] else 1)
    assert os.waitpid(child, 0)[1] == 0
    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wait > 0 for wait in taken) == [False] * 4 + [True] * 4


def test_a_transaction_that_fails_changes_nothing() -> None:
    store = Store(None, bucket.TABLE)
    with pytest.raises(sqlite3.Error), store.transaction() as db:
        db.executemany("INSERT INTO buckets VALUES (?, 1)", [("a",), ("a",)])
    with store.transaction() as db:
        assert db.execute("SELECT count(*) FROM buckets").fetchone() == (0,)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "garbage").write_bytes(b"no database" * 100)
    for path in (tmp_path / "file" / "state.db", tmp_path / "garbage"):
        with pytest.raises(FaceOffError, match="State cannot be kept") as caught:
            Store(path, bucket.TABLE)
        assert caught.value.reason is Reason.INVALID_ARGUMENT
        assert isinstance(caught.value.__cause__, OSError | sqlite3.Error)
