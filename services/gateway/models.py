"""What the gateway says in JSON."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from faceoff.jobs.engine import Operation, Receipt, State
from faceoff.rpc import convert
from faceoff.types import Against, Face, Mask, MaskOutcome, Outcome, Progress, Verdict, View, Visibility
from faceoff.v1 import protection_pb2


class ProgressModel(BaseModel):
    stage: str = Field(description="detect, attack, amplify or verify")
    done: int
    total: int


class BoxModel(BaseModel):
    """In the photo's pixels; it may reach over the border."""

    x: float
    y: float
    width: float
    height: float


class FaceModel(BaseModel):
    box: BoxModel
    score: float = Field(description="The detector's confidence.")
    outcome: MaskOutcome = Field(description="Whether the mask reached its goal on the surrogates.")
    iterations: int
    alpha: float
    rms: float = Field(description="The change on the face, in 8-bit levels.")
    ssim: float


class VerdictModel(BaseModel):
    """The two photos show the same person, says the victim, when the score is at or above the threshold."""

    face: int
    victim: str
    version: str
    date: str
    clean_score: float | None
    protected_score: float | None
    threshold: float
    outcome: Outcome
    against: Against
    view: View
    note: str


class ResultModel(BaseModel):
    format: str
    size: int = Field(description="In bytes.")
    href: str
    faces: list[FaceModel]
    verdicts: list[VerdictModel]


class ErrorModel(BaseModel):
    reason: str = Field(description="A stable name, as in problems.")
    detail: str
    hint: str


class OperationModel(BaseModel):
    id: str
    state: State
    done: bool
    priority: str
    attempts: int = Field(description="How often the work was begun.")
    created: datetime
    expires: datetime = Field(
        description="When everything of it is deleted; while it is not done, when it is given up."
    )
    progress: ProgressModel | None
    error: ErrorModel | None
    result: ResultModel | None


class OperationsModel(BaseModel):
    operations: list[OperationModel] = Field(description="Newest first, without faces and verdicts.")
    next: str | None = Field(description="`after` of the next page.")


class ReceiptModel(BaseModel):
    """What was deleted: ``keys`` were destroyed, without which no copy of the photos can be read."""

    id: str
    deleted: datetime
    photos: int
    keys: int


class HealthModel(BaseModel):
    status: str


def operation(value: Operation) -> OperationModel:
    error = value.error
    return OperationModel(
        id=value.id,
        state=value.state,
        done=value.state.terminal,
        priority=value.priority.name.lower(),
        attempts=value.attempts,
        created=_time(value.created),
        expires=_time(value.expires),
        progress=_progress(value.progress),
        error=ErrorModel(reason=error.reason.value, detail=error.message, hint=error.hint) if error else None,
        result=_result(value) if value.has_result else None,
    )


def receipt(value: Receipt) -> ReceiptModel:
    return ReceiptModel(id=value.id, deleted=_time(value.deleted), photos=value.photos, keys=value.keys)


def _result(value: Operation) -> ResultModel:
    """Lists leave faces and verdicts out: the detail is then empty, and so are they."""
    message = protection_pb2.ProtectResult.FromString(value.detail)
    candidate = convert.from_result(message, b"")
    known = [convert.from_protected_face(face) for face in message.faces]
    return ResultModel(
        format=candidate.encoding.format.lower(),
        size=message.size,
        href=f"/v1/operations/{value.id}/result",
        faces=[
            _face(face, mask, alpha, seen)
            for (face, mask), alpha, seen in zip(known, candidate.alphas, candidate.faces, strict=True)
        ],
        verdicts=[_verdict(convert.from_verdict(verdict)) for verdict in message.verdicts],
    )


def _face(face: Face, mask: Mask, alpha: float, seen: Visibility) -> FaceModel:
    box = BoxModel(x=face.box.x, y=face.box.y, width=face.box.width, height=face.box.height)
    return FaceModel(
        box=box,
        score=face.score,
        outcome=mask.outcome,
        iterations=mask.iterations,
        alpha=alpha,
        rms=seen.rms,
        ssim=seen.ssim,
    )


def _verdict(value: Verdict) -> VerdictModel:
    return VerdictModel(**{name: getattr(value, name) for name in VerdictModel.model_fields})


def _progress(value: Progress | None) -> ProgressModel | None:
    return ProgressModel(stage=value.stage, done=value.done, total=value.total) if value else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
