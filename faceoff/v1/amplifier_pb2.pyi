from faceoff.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AmplifyRequest(_message.Message):
    __slots__ = ("photo", "crops", "masks", "plan", "encoding")
    PHOTO_FIELD_NUMBER: _ClassVar[int]
    CROPS_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    photo: bytes
    crops: _containers.RepeatedCompositeFieldContainer[_types_pb2.Crop]
    masks: _containers.RepeatedCompositeFieldContainer[_types_pb2.Mask]
    plan: _types_pb2.Plan
    encoding: _types_pb2.Encoding
    def __init__(self, photo: _Optional[bytes] = ..., crops: _Optional[_Iterable[_Union[_types_pb2.Crop, _Mapping]]] = ..., masks: _Optional[_Iterable[_Union[_types_pb2.Mask, _Mapping]]] = ..., plan: _Optional[_Union[_types_pb2.Plan, _Mapping]] = ..., encoding: _Optional[_Union[_types_pb2.Encoding, _Mapping]] = ...) -> None: ...

class AmplifyResponse(_message.Message):
    __slots__ = ("candidate",)
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    candidate: _types_pb2.Candidate
    def __init__(self, candidate: _Optional[_Union[_types_pb2.Candidate, _Mapping]] = ...) -> None: ...
