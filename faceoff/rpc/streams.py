"""Work that reports, as a stream of responses: what a servicer yields while a room is at work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import grpc

from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Report
from faceoff.types import Progress

_T = TypeVar("_T")


def stream(context: grpc.ServicerContext, work: Callable[[Report], _T]) -> Iterator[Progress | _T]:
    """Run ``work`` in a thread and yield every progress it reports, then what it returns.

    What ``work`` raises is raised here. When the call ends early (its client went away, its deadline passed) the next
    report raises CANCELLED in ``work``; this does not return before ``work`` has.
    """
    reports: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
    result: Future[_T] = Future()
    over = threading.Event()

    def report(progress: Progress) -> None:
        if over.is_set():
            raise FaceOffError(Reason.CANCELLED, "The call has ended.")
        reports.put(progress)

    def run() -> None:
        try:
            result.set_result(work(report))
        except BaseException as error:
            result.set_exception(error)
        reports.put(None)

    thread = threading.Thread(target=run, name="stream", daemon=True)
    thread.start()
    if not context.add_callback(over.set):
        over.set()
    try:
        yield from iter(reports.get, None)
        yield result.result()
    finally:
        over.set()
        thread.join()
