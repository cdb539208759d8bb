"""A worker process with a quick pipeline, for tests that kill it: python -m tests.services.jobs.work URL SETTINGS."""

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import sys
import threading
import time
from collections.abc import Sequence

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Limits
from faceoff.jobs.jetstream import connect
from faceoff.jobs.worker import Worker
from faceoff.rooms import Report
from faceoff.types import Progress

_TURNS = itertools.count(1)


def protect(request: bytes, parts: Sequence[bytes]) -> tuple[bytes, bytes]:
    """A pure function of the request and its photos."""
    digest = hashlib.sha256(request + b"".join(parts)).digest()
    return digest[:8], digest + parts[0][::-1]


def work(_: str, request: bytes, parts: Sequence[bytes], report: Report) -> tuple[bytes, bytes]:
    """Of every five photos one finds a room away."""
    if next(_TURNS) % 5 == 0:
        raise FaceOffError(Reason.SERVICE_UNAVAILABLE, "A room is away.")
    steps = int(request.decode())
    for step in range(steps):
        report(Progress("attack", step, steps))
        time.sleep(0.02)
    return protect(request, parts)


def main() -> None:
    url, limits = sys.argv[1], Limits(**json.loads(sys.argv[2]))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine = connect(url, limits)
    with Worker(engine, work, threads=2, grace=1.0):
        stop.wait()
    engine.close()


if __name__ == "__main__":
    main()
