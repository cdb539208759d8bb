"""What is done again and again in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from faceoff.errors import FaceOffError
from faceoff.rpc import logs


class Regularly:
    """``turn`` every ``seconds``, from the beginning of a ``with`` block to its end. One that fails is logged as ``failed`` and
    does not end the thread: the next one does what is left."""

    def __init__(self, name: str, turn: Callable[[], object], seconds: float, failed: str) -> None:
        self._turn, self._seconds, self._failed = turn, seconds, failed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def attempt(self) -> None:
        """One turn, now."""
        try:
            self._turn()
        except FaceOffError as error:
            logs.event(self._failed, reason=error.reason.value)
        except Exception as error:  # a mistake of ours
            logs.event(self._failed, error=type(error).__name__, where=logs.where(error))

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self.attempt()
