"""Continuous batching: faces of different requests that ask the same of the same networks share a call.

Every face joins and leaves between two chunks of steps, so a batch has no end to wait for: a finished face's place is taken
by the next one, a cancelled request is gone within a chunk, and more urgent faces go first. Nobody runs in the background:
of the threads that wait for their faces, one at a time leads a call for all.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from faceoff.attacks.task import Answer, Call, Steps
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Networks
from faceoff.types import Priority

T = TypeVar("T")

_LONGEST = 60.0  # seconds of one call, after which the networks' server is taken to hang


@dataclass(frozen=True)
class Job(Generic[T]):
    """One face's work on the networks of ``model``; ``steps`` is the most that it will make."""

    model: str
    work: Steps[T]
    steps: int = 0


class Batcher:
    """``sizes`` are how many faces a call may have: they bound the memory, and a compiled graph is compiled for each.
    ``observe`` hears how many every call had."""

    def __init__(
        self, networks: Networks, sizes: Sequence[int], observe: Callable[[int], None] = lambda faces: None
    ) -> None:
        self._networks = networks
        self._observe = observe
        self._sizes = sorted(sizes, reverse=True)
        self._waiting: list[_Face] = []
        self._arrived = 0
        self._leading = False
        self._changed = threading.Condition()

    def run(
        self,
        jobs: Sequence[Job[T]],
        progress: Callable[[int], None] = lambda steps: None,
        priority: Priority = Priority.INTERACTIVE,
        end: float = math.inf,
    ) -> list[T]:
        """Every job's result, in order. ``progress`` hears, between chunks, of the steps made by all of them, a finished job
        counting as whole; what it raises ends this request alone. Raises what a job or its networks raise, and
        DEADLINE_TOO_SHORT when it is not done by ``end`` (of ``time.monotonic()``). A call ends when nobody whose face is in
        it has time left, so the thread that leads may wait a while longer than its own request could."""
        faces = [_Face(job, priority, end) for job in jobs]
        try:
            for face in faces:
                face.advance(None)
            self._enqueue(faces)
            while True:
                status = _status(faces)
                for face in faces:
                    if face.error:
                        raise face.error
                progress(status.made)
                if status.finished == len(faces):
                    return [face.result for face in faces]
                if time.monotonic() >= end:
                    raise FaceOffError(
                        Reason.DEADLINE_TOO_SHORT,
                        "The time for this photo is over.",
                        "Allow more time, or ask for less work.",
                    )
                self._lead_or_wait(faces, status, end)
        finally:
            with self._changed:
                for face in faces:
                    face.gone = True
                self._waiting = [face for face in self._waiting if not face.gone]
                self._changed.notify_all()

    def _enqueue(self, faces: Sequence[_Face]) -> None:
        with self._changed:
            for face in faces:
                if face.call and not face.gone:
                    self._arrived += 1
                    face.turn = (face.priority, self._arrived)
                    self._waiting.append(face)

    def _lead_or_wait(self, mine: Sequence[_Face], status: _Status, end: float) -> None:
        """Make the next call for everybody, or wait until another thread's call has changed something for this one, or the time
        is over."""
        with self._changed:
            left = min(end - time.monotonic(), threading.TIMEOUT_MAX)
            self._changed.wait_for(lambda: not self._leading or _status(mine) != status, left)
            if self._leading or _status(mine) != status:
                return
            batch = self._take()
            self._leading = True
        try:
            self._call(batch)
        finally:
            self._enqueue(batch)
            with self._changed:
                self._leading = False
                self._changed.notify_all()

    def _take(self) -> list[_Face]:
        """The most urgent face that waits, the longest-waiting first, and those that can share its call."""
        self._waiting.sort(key=lambda face: face.turn)
        fitting = [face for face in self._waiting if face.key == self._waiting[0].key]
        batch = fitting[: next(size for size in self._sizes if size <= len(fitting))]
        self._waiting = [face for face in self._waiting if face not in batch]
        return batch

    def _call(self, batch: Sequence[_Face]) -> None:
        """One call, its answers given to the faces. Where a batch is refused, each face is asked for alone, so that a bad one
        harms no other."""
        first = batch[0]
        left = max(face.end for face in batch) - time.monotonic()
        try:
            inputs = {name: np.stack([face.asks.inputs[name] for face in batch]) for name in first.asks.inputs}
            answer = self._networks.call(
                first.job.model, first.asks.signature, inputs, first.asks.outputs, max(0.0, min(left, _LONGEST))
            )
        except Exception as error:
            alone = len(batch) == 1 or (
                isinstance(error, FaceOffError) and error.reason is Reason.SURROGATE_UNAVAILABLE
            )
            for face in batch:
                if alone:
                    face.fail(error)
                else:
                    self._call([face])
            return
        self._observe(len(batch))
        for row, face in enumerate(batch):
            face.made += face.asks.steps
            face.advance({name: value[row] for name, value in answer.items()})


@dataclass(eq=False)
class _Face:
    """A job under way. ``call`` is what it waits for, None once there is a result; ``made`` counts its steps; ``gone`` once
    its request has ended."""

    job: Job[Any]
    priority: Priority
    end: float
    call: Call | None = None
    key: tuple[Any, ...] = ()
    turn: tuple[int, int] = (0, 0)
    made: int = 0
    result: Any = None
    error: Exception | None = None
    gone: bool = False

    @property
    def asks(self) -> Call:
        if self.call is None:
            raise RuntimeError("a finished face was asked for its next call")
        return self.call

    def advance(self, answer: Answer | None) -> None:
        """Let the work go on with the answer to its call, up to its next one."""
        try:
            self.call = self.job.work.send(answer)  # type: ignore[arg-type]
        except StopIteration as end:
            self.call, self.result, self.made = None, end.value, self.job.steps
        except Exception as error:
            self.fail(error)
        else:
            shapes = sorted((name, np.shape(value)) for name, value in self.call.inputs.items())
            self.key = (self.job.model, self.call.signature, self.call.outputs, tuple(shapes))

    def fail(self, error: Exception) -> None:
        self.call, self.error = None, error


class _Status(NamedTuple):
    made: int
    finished: int


def _status(faces: Sequence[_Face]) -> _Status:
    return _Status(sum(face.made for face in faces), sum(face.call is None for face in faces))
