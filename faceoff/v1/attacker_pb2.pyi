from faceoff.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttackRequest(_message.Message):
    __slots__ = ("crops", "plan", "gallery", "priority")
    CROPS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    crops: _containers.RepeatedCompositeFieldContainer[_types_pb2.Crop]
    plan: _types_pb2.Plan
    gallery: _containers.RepeatedCompositeFieldContainer[Person]
    priority: _types_pb2.Priority
    def __init__(self, crops: _Optional[_Iterable[_Union[_types_pb2.Crop, _Mapping]]] = ..., plan: _Optional[_Union[_types_pb2.Plan, _Mapping]] = ..., gallery: _Optional[_Iterable[_Union[Person, _Mapping]]] = ..., priority: _Optional[_Union[_types_pb2.Priority, str]] = ...) -> None: ...

class Person(_message.Message):
    __slots__ = ("label", "crops")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CROPS_FIELD_NUMBER: _ClassVar[int]
    label: str
    crops: _containers.RepeatedCompositeFieldContainer[_types_pb2.Crop]
    def __init__(self, label: _Optional[str] = ..., crops: _Optional[_Iterable[_Union[_types_pb2.Crop, _Mapping]]] = ...) -> None: ...

class AttackResponse(_message.Message):
    __slots__ = ("progress", "masks")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    progress: _types_pb2.Progress
    masks: Masks
    def __init__(self, progress: _Optional[_Union[_types_pb2.Progress, _Mapping]] = ..., masks: _Optional[_Union[Masks, _Mapping]] = ...) -> None: ...

class Masks(_message.Message):
    __slots__ = ("masks",)
    MASKS_FIELD_NUMBER: _ClassVar[int]
    masks: _containers.RepeatedCompositeFieldContainer[_types_pb2.Mask]
    def __init__(self, masks: _Optional[_Iterable[_Union[_types_pb2.Mask, _Mapping]]] = ...) -> None: ...

class AttackerServiceCheckRequest(_message.Message):
    __slots__ = ("surrogates",)
    SURROGATES_FIELD_NUMBER: _ClassVar[int]
    surrogates: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, surrogates: _Optional[_Iterable[str]] = ...) -> None: ...

class AttackerServiceCheckResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
