"""Jobs <-> long-running operations."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from google.longrunning import operations_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Failure, Operation, Receipt, State
from faceoff.pipeline import Protection, Request
from faceoff.rpc import convert, errors
from faceoff.v1 import protection_pb2

SERVICE = "google.longrunning.Operations"
PREFIX = "operations/"


def to_job(request: Request) -> bytes:
    """What a worker is told beside the photo and its references."""
    return _header(request)


def from_job(job: bytes, tenant: str, references: tuple[bytes, ...]) -> Request:
    """``tenant`` is whose job it is."""
    header = convert.from_header(protection_pb2.ProtectHeader.FromString(job))
    return replace(header, terms=replace(header.terms, references=references, tenant=tenant))


def fingerprint(request: Request, parts: Sequence[bytes]) -> bytes:
    """What two submissions of the same have in common."""
    whole = hashlib.sha256()
    for part in (_header(request), *parts):
        whole.update(hashlib.sha256(part).digest())
    return whole.digest()


def _header(request: Request) -> bytes:
    return convert.to_header(request).SerializeToString(deterministic=True)


def to_detail(protection: Protection) -> bytes:
    """What a job keeps of its result beside the photo."""
    return convert.to_result(protection).SerializeToString()


def to_name(job: str) -> str:
    return PREFIX + job


def from_name(name: str) -> str:
    """Raises NOT_FOUND for what is no operation's name."""
    job = name.removeprefix(PREFIX)
    if not job or job == name:
        raise FaceOffError(Reason.NOT_FOUND, "There is no such operation.", f"Names are {PREFIX}ID.")
    return job


def to_operation(operation: Operation) -> operations_pb2.Operation:
    metadata = protection_pb2.ProtectionMetadata(
        state=f"PROTECTION_STATE_{operation.state.name}",
        progress=convert.to_progress(operation.progress) if operation.progress else None,
        attempts=operation.attempts,
        create_time=_to_time(operation.created),
        expire_time=_to_time(operation.expires),
        priority=convert.to_priority(operation.priority),
        has_result=operation.has_result,
    )
    message = operations_pb2.Operation(name=to_name(operation.id), done=operation.state.terminal)
    message.metadata.Pack(metadata)
    if operation.error:
        message.error.CopyFrom(errors.to_message(operation.error.error()))
    elif operation.state is State.SUCCEEDED:
        message.response.Pack(protection_pb2.ProtectResult.FromString(operation.detail))
    return message


def from_operation(message: operations_pb2.Operation) -> Operation:
    """Whose it is stays empty: it is the caller's own. Raises INVALID_ARGUMENT for what is none of ours."""
    metadata, result = protection_pb2.ProtectionMetadata(), protection_pb2.ProtectResult()
    try:
        message.metadata.Unpack(metadata)
        message.response.Unpack(result)
        state = State[protection_pb2.ProtectionState.Name(metadata.state).removeprefix("PROTECTION_STATE_")]
    except (DecodeError, KeyError, ValueError):
        raise FaceOffError(Reason.INVALID_ARGUMENT, "The operation is not a photo's protection.") from None
    error = errors.from_message(message.error) if message.HasField("error") else None
    return Operation(
        from_name(message.name),
        "",
        convert.from_priority(metadata.priority),
        state,
        _from_time(metadata.create_time),
        _from_time(metadata.expire_time),
        metadata.attempts,
        convert.from_progress(metadata.progress) if metadata.HasField("progress") else None,
        Failure(error.reason, error.message, error.hint) if error else None,
        result.SerializeToString(),
        metadata.has_result,
    )


def to_receipt(receipt: Receipt) -> protection_pb2.DeletionReceipt:
    return protection_pb2.DeletionReceipt(
        name=to_name(receipt.id),
        delete_time=_to_time(receipt.deleted),
        photos=receipt.photos,
        keys=receipt.keys,
    )


def from_receipt(message: protection_pb2.DeletionReceipt) -> Receipt:
    return Receipt(from_name(message.name), _from_time(message.delete_time), message.photos, message.keys)


def _to_time(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp


def _from_time(stamp: Timestamp) -> float:
    return float(stamp.ToMicroseconds()) / 1e6
