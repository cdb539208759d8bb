from faceoff.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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
