"""What an adapter says of one call to a commercial victim, and what it is given to make its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from faceoff.types import Outcome
from faceoff.verify.scores import TAU

_Result = TypeVar("_Result")


class Bill(StrEnum):
    """Whether a call costs money. What is unknown counts as spent: the service may have charged it."""

    CHARGED = "charged"
    FREE = "free"
    UNKNOWN = "unknown"


class Fault(Exception):
    """A call that brought no score. ``words`` are ours, never the service's, whose words may quote a key.

    ``retry``: the service asked for another try, after ``retry_after`` seconds if it said so. ``failing``: the service is
    out of order, which counts for the circuit breaker.
    """

    def __init__(
        self,
        outcome: Outcome,
        words: str,
        bill: Bill = Bill.FREE,
        *,
        retry: bool = False,
        retry_after: float | None = None,
        failing: bool = False,
    ) -> None:
        super().__init__(words)
        self.outcome = outcome
        self.words = words
        self.bill = bill
        self.retry = retry
        self.retry_after = retry_after
        self.failing = failing


class NoFace(Fault):
    """The service says that one of the two pictures has no face, but not which."""

    def __init__(self, words: str) -> None:
        super().__init__(Outcome.ERROR, words, Bill.UNKNOWN)


@dataclass(frozen=True)
class Finding:
    """What the victim found: a normalised score in [0, 1] with its own figures, or in which picture it found no face."""

    score: float | None = None
    raw_score: float | None = None
    raw_threshold: float | None = None
    failure: Outcome | None = None
    note: str = ""


class Call(Protocol):
    """Makes one call under the budget, the rate, the breaker and the deadline, and repeats it where a repeat is free."""

    def __call__(self, send: Callable[[float], _Result], /) -> _Result:
        """``send`` gets the seconds it may take and raises Fault. So does this."""


@dataclass(frozen=True)
class Limits:
    """What pictures a service takes: bytes and the pixels of a side, both ends included, PNG or JPEG."""

    most_bytes: int
    least_bytes: int = 1
    least_side: int = 1
    most_side: int = 16384


class Adapter(Protocol):
    """One service's wire. It keeps nothing between answers. Safe to call from several threads."""

    @property
    def version(self) -> str:
        """The service's model and options: what an answer depends on besides the pictures."""

    @property
    def limits(self) -> Limits: ...

    def compare(self, reference: bytes, probe: bytes, call: Call) -> Finding:
        """The finding on two pictures that fit ``limits``. Every request goes through ``call``. Raises Fault."""


def piecewise(raw: float, threshold: float, top: float) -> float:
    """A raw score in [0, ``top``] as one in [0, 1]: linear from 0 to TAU at the threshold, and from there to 1."""
    if raw < threshold:
        return TAU * raw / threshold
    return 1.0 if threshold >= top else TAU + (1 - TAU) * (raw - threshold) / (top - threshold)


def malformed(victim: str) -> Fault:
    """A success that does not say what it should: it was processed, so it was charged."""
    return Fault(Outcome.ERROR, f"{victim} answered without what an answer must have.", Bill.CHARGED)


def without_face(reference: bytes, probe: bytes, compare: Callable[[bytes, bytes], object], words: str) -> Finding:
    """Which picture has no face, where the service only says that one has none: the reference against itself tells, at the
    price of one more call. Raises Fault when that call brings no answer."""
    try:
        if reference == probe:
            raise NoFace(words)
        compare(reference, reference)
    except NoFace:
        return Finding(failure=Outcome.NO_FACE_REFERENCE, note=words)
    return Finding(failure=Outcome.NO_FACE_PROTECTED, note=words)
