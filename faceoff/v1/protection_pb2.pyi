import datetime

from faceoff.v1 import types_pb2 as _types_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProtectionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROTECTION_STATE_UNSPECIFIED: _ClassVar[ProtectionState]
    PROTECTION_STATE_QUEUED: _ClassVar[ProtectionState]
    PROTECTION_STATE_RUNNING: _ClassVar[ProtectionState]
    PROTECTION_STATE_SUCCEEDED: _ClassVar[ProtectionState]
    PROTECTION_STATE_FAILED: _ClassVar[ProtectionState]
    PROTECTION_STATE_CANCELLED: _ClassVar[ProtectionState]
PROTECTION_STATE_UNSPECIFIED: ProtectionState
PROTECTION_STATE_QUEUED: ProtectionState
PROTECTION_STATE_RUNNING: ProtectionState
PROTECTION_STATE_SUCCEEDED: ProtectionState
PROTECTION_STATE_FAILED: ProtectionState
PROTECTION_STATE_CANCELLED: ProtectionState

class ProtectRequest(_message.Message):
    __slots__ = ("header", "chunk", "reference")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    header: ProtectHeader
    chunk: bytes
    reference: ReferenceChunk
    def __init__(self, header: _Optional[_Union[ProtectHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ..., reference: _Optional[_Union[ReferenceChunk, _Mapping]] = ...) -> None: ...

class ReferenceChunk(_message.Message):
    __slots__ = ("number", "chunk")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    number: int
    chunk: bytes
    def __init__(self, number: _Optional[int] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ProtectHeader(_message.Message):
    __slots__ = ("plan", "strength", "encoding", "faces", "victims", "priority", "consent", "views")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    VICTIMS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    plan: _types_pb2.Plan
    strength: str
    encoding: _types_pb2.Encoding
    faces: _containers.RepeatedScalarFieldContainer[int]
    victims: _containers.RepeatedScalarFieldContainer[str]
    priority: _types_pb2.Priority
    consent: _containers.RepeatedScalarFieldContainer[str]
    views: _containers.RepeatedScalarFieldContainer[_types_pb2.View]
    def __init__(self, plan: _Optional[_Union[_types_pb2.Plan, _Mapping]] = ..., strength: _Optional[str] = ..., encoding: _Optional[_Union[_types_pb2.Encoding, _Mapping]] = ..., faces: _Optional[_Iterable[int]] = ..., victims: _Optional[_Iterable[str]] = ..., priority: _Optional[_Union[_types_pb2.Priority, str]] = ..., consent: _Optional[_Iterable[str]] = ..., views: _Optional[_Iterable[_Union[_types_pb2.View, str]]] = ...) -> None: ...

class ProtectResponse(_message.Message):
    __slots__ = ("progress", "result", "chunk")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    progress: _types_pb2.Progress
    result: ProtectResult
    chunk: bytes
    def __init__(self, progress: _Optional[_Union[_types_pb2.Progress, _Mapping]] = ..., result: _Optional[_Union[ProtectResult, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ProtectResult(_message.Message):
    __slots__ = ("faces", "verdicts", "visibility", "encoding", "size")
    FACES_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    faces: _containers.RepeatedCompositeFieldContainer[ProtectedFace]
    verdicts: _containers.RepeatedCompositeFieldContainer[_types_pb2.Verdict]
    visibility: _types_pb2.Visibility
    encoding: _types_pb2.Encoding
    size: int
    def __init__(self, faces: _Optional[_Iterable[_Union[ProtectedFace, _Mapping]]] = ..., verdicts: _Optional[_Iterable[_Union[_types_pb2.Verdict, _Mapping]]] = ..., visibility: _Optional[_Union[_types_pb2.Visibility, _Mapping]] = ..., encoding: _Optional[_Union[_types_pb2.Encoding, _Mapping]] = ..., size: _Optional[int] = ...) -> None: ...

class ProtectedFace(_message.Message):
    __slots__ = ("face", "outcome", "iterations", "trace", "alpha", "visibility")
    FACE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    face: _types_pb2.Face
    outcome: _types_pb2.MaskOutcome
    iterations: int
    trace: _containers.RepeatedScalarFieldContainer[float]
    alpha: float
    visibility: _types_pb2.Visibility
    def __init__(self, face: _Optional[_Union[_types_pb2.Face, _Mapping]] = ..., outcome: _Optional[_Union[_types_pb2.MaskOutcome, str]] = ..., iterations: _Optional[int] = ..., trace: _Optional[_Iterable[float]] = ..., alpha: _Optional[float] = ..., visibility: _Optional[_Union[_types_pb2.Visibility, _Mapping]] = ...) -> None: ...

class CreateProtectionRequest(_message.Message):
    __slots__ = ("header", "chunk", "reference")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    header: ProtectHeader
    chunk: bytes
    reference: ReferenceChunk
    def __init__(self, header: _Optional[_Union[ProtectHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ..., reference: _Optional[_Union[ReferenceChunk, _Mapping]] = ...) -> None: ...

class WatchProtectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchProtectionResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class GetResultRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetResultResponse(_message.Message):
    __slots__ = ("result", "chunk")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    result: ProtectResult
    chunk: bytes
    def __init__(self, result: _Optional[_Union[ProtectResult, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class DeleteProtectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteProtectionResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: DeletionReceipt
    def __init__(self, receipt: _Optional[_Union[DeletionReceipt, _Mapping]] = ...) -> None: ...

class DeletionReceipt(_message.Message):
    __slots__ = ("name", "delete_time", "photos", "keys")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    PHOTOS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    name: str
    delete_time: _timestamp_pb2.Timestamp
    photos: int
    keys: int
    def __init__(self, name: _Optional[str] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., photos: _Optional[int] = ..., keys: _Optional[int] = ...) -> None: ...

class ProtectionMetadata(_message.Message):
    __slots__ = ("state", "progress", "attempts", "create_time", "expire_time", "priority", "has_result")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    HAS_RESULT_FIELD_NUMBER: _ClassVar[int]
    state: ProtectionState
    progress: _types_pb2.Progress
    attempts: int
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    priority: _types_pb2.Priority
    has_result: bool
    def __init__(self, state: _Optional[_Union[ProtectionState, str]] = ..., progress: _Optional[_Union[_types_pb2.Progress, _Mapping]] = ..., attempts: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., priority: _Optional[_Union[_types_pb2.Priority, str]] = ..., has_result: _Optional[bool] = ...) -> None: ...
