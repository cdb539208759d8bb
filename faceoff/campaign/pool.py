"""Who works: this process, or several with networks of their own. A task is given to one of them, and its rows come back."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType

from faceoff.campaign.config import Campaign
from faceoff.campaign.folder import Folder
from faceoff.campaign.house import House
from faceoff.campaign.journal import Row
from faceoff.campaign.people import Person
from faceoff.campaign.worker import Task, Worker
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Report
from faceoff.types import Progress

Settings = tuple[Campaign, Sequence[Person], Path, int, bytes]
"""What a worker is made of besides its networks."""

During = Callable[[float, int], None]
"""Told which share of a task's attack is done, and how many cells the task has."""


class Pool:
    """``house`` is used where one worker works in this process; else each of ``workers`` processes builds its own. A process
    whose parent has gone ends with what it is at."""

    def __init__(self, house: House | None, build: Callable[[], House], settings: Settings, workers: int) -> None:
        self._house, self._build, self._settings, self._workers = house, build, settings, workers
        self._processes: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> Pool:
        if self._house is None:
            context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
            for _ in range(self._workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, self._build), daemon=True)
                process.start()
                theirs.close()
                self._processes[ours] = process
            for connection in self._processes:
                self._send(connection, self._settings)  # too large for the pipe that arguments go through
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection, process in self._processes.items():
            process.terminate()
            process.join()
            connection.close()

    def work(self, tasks: Sequence[Task], during: During) -> Iterator[list[Row]]:
        """The rows of every task as they come, a job's together. Raises what a worker raises."""
        if self._house is not None:
            worker = _worker(self._house, self._settings)
            for task in tasks:
                yield from worker.rows(task, _told(during, sum(map(len, task.wanted.values()))))
            return
        waiting, busy = deque(tasks), set[Connection]()
        for connection in self._processes:
            self._give(connection, waiting, busy)
        while busy:
            ready = set(wait(list(busy)))
            for connection in [connection for connection in self._processes if connection in ready]:
                answer = self._answer(connection)
                if answer is None:
                    busy.discard(connection)
                    self._give(connection, waiting, busy)
                else:
                    yield answer

    def _give(self, connection: Connection, waiting: deque[Task], busy: set[Connection]) -> None:
        if waiting:
            self._send(connection, waiting.popleft())
            busy.add(connection)

    def _send(self, connection: Connection, value: Task | Settings) -> None:
        try:
            connection.send(value)
        except (BrokenPipeError, ConnectionResetError):
            raise self._ended(connection) from None

    def _answer(self, connection: Connection) -> list[Row] | None:
        """Rows, or None at a task's end."""
        try:
            answer = connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._ended(connection) from None
        if isinstance(answer, tuple):
            raise FaceOffError(*answer)
        rows: list[Row] | None = answer
        return rows

    def _ended(self, connection: Connection) -> FaceOffError:
        process = self._processes[connection]
        process.join()
        return FaceOffError(
            Reason.INTERNAL,
            f"A worker ended (exit code {process.exitcode}).",
            "Its memory may not have sufficed: give fewer --workers. What is done is kept.",
        )


def _serve(connection: Connection, build: Callable[[], House]) -> None:
    """A worker's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    parent = os.getppid()

    def report(progress: Progress) -> None:
        if os.getppid() != parent:
            raise SystemExit

    try:
        worker = _worker(build(), connection.recv())
        while True:
            for rows in worker.rows(connection.recv(), report):
                connection.send(rows)
            connection.send(None)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except FaceOffError as error:
        connection.send((error.reason, error.message, error.hint))
    except Exception as error:
        traceback.print_exc()
        connection.send((Reason.INTERNAL, f"Unexpected {type(error).__name__}: {error}", "The traceback is above."))


def _worker(house: House, settings: Settings) -> Worker:
    campaign, people, root, run, secret = settings
    return Worker(campaign, people, house, Folder(root), run, secret)


def _told(during: During, size: int) -> Report:
    def report(progress: Progress) -> None:
        during(progress.done / max(progress.total, 1), size)

    return report
