"""Gives up and deletes what has expired, from time to time. Every door runs one; that several do is no harm."""

from __future__ import annotations

import threading
from types import TracebackType

from faceoff.errors import FaceOffError
from faceoff.jobs.engine import Jobs
from faceoff.rpc import logs


class Sweeper:
    """Sweeps every ``seconds`` from the beginning of a ``with`` block to its end."""

    def __init__(self, jobs: Jobs, seconds: float = 10.0) -> None:
        self._jobs, self._seconds = jobs, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def __enter__(self) -> Sweeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            try:
                self._jobs.sweep()
            except FaceOffError as error:  # the next one sweeps what is left
                logs.event("not_swept", reason=error.reason.value)
            except Exception as error:  # a mistake of ours must not keep photos beyond their time
                logs.event("not_swept", error=type(error).__name__, where=logs.where(error))
