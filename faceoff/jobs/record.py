"""A job as it is stored: one JSON object, replaced as a whole, only by whoever knows its newest revision."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields, replace

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import End, Failure, Operation, Position, State
from faceoff.types import Priority, Progress


@dataclass(frozen=True, slots=True)
class Record:
    """``size`` is the bytes submitted, ``message`` the number of the queue's message that the job was begun with (0: none yet),
    ``started`` when it first was, ``repeat`` the key of its idempotency entry.
    ``attempts`` only grows, so it tells one worker's turn from another's; ``spared`` of them were handed back untried.
    ``due`` is End's, ``account`` the operation's. ``trace`` is the trace that the job was submitted in, as a traceparent."""

    id: str
    tenant: str
    priority: Priority
    state: State
    created: float
    expires: float
    size: int
    repeat: str = ""
    attempts: int = 0
    spared: int = 0
    message: int = 0
    started: float = 0.0
    progress: Progress | None = None
    error: Failure | None = None
    account: str = field(default="", repr=False)
    due: float | None = 0.0
    trace: str = ""

    @property
    def tries(self) -> int:
        return self.attempts - self.spared

    @property
    def key(self) -> str:
        return f"{token(self.tenant)}.{self.id}"

    @property
    def position(self) -> Position:
        return Position(self.created, self.id)

    def operation(self, detail: bytes = b"") -> Operation:
        return Operation(
            self.id,
            self.tenant,
            self.priority,
            self.state,
            self.created,
            self.expires,
            self.tries,
            self.progress,
            self.error,
            detail,
            self.state is State.SUCCEEDED,
            self.account,
        )

    def end(self) -> End:
        return End(self.operation(), self.due)

    def begun(self, message: int, now: float) -> Record:
        return replace(
            self,
            state=State.RUNNING,
            attempts=self.attempts + 1,
            message=message,
            started=self.started or now,
            progress=None,
        )

    def progressed(self, progress: Progress) -> Record:
        return replace(self, progress=progress)

    def handed_back(self, tried: bool) -> Record:
        return replace(self, state=State.QUEUED, spared=self.spared + (not tried), progress=None)

    def succeeded(self, expires: float) -> Record:
        return replace(self, state=State.SUCCEEDED, expires=expires, progress=None)

    def failed(self, error: FaceOffError, expires: float) -> Record:
        failure = Failure(error.reason, error.message, error.hint)
        return replace(self, state=State.FAILED, error=failure, expires=expires, progress=None)

    def cancelled(self, expires: float) -> Record:
        failure = Failure(Reason.CANCELLED, "The job was cancelled.")
        return replace(self, state=State.CANCELLED, error=failure, expires=expires, progress=None)

    def dump(self) -> bytes:
        values = {part.name: getattr(self, part.name) for part in fields(self)} | {
            "progress": self.progress and vars(self.progress),
            "error": self.error and vars(self.error),
        }
        return json.dumps(values, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes) -> Record:
        known = {part.name for part in fields(cls)}  # a newer program's record may have more
        values = {name: value for name, value in json.loads(data).items() if name in known}
        progress, error = values["progress"], values["error"]
        return cls(
            **values
            | {
                "priority": Priority(values["priority"]),
                "state": State(values["state"]),
                "progress": Progress(**progress) if progress else None,
                "error": Failure(**error | {"reason": Reason(error["reason"])}) if error else None,
            }
        )


def token(text: str) -> str:
    """``text`` in letters that a subject's token may have."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
