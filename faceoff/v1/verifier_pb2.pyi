from faceoff.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VerifyRequest(_message.Message):
    __slots__ = ("photo", "protected", "crops", "surrogates", "victims", "references", "consent", "views", "tenant")
    PHOTO_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_FIELD_NUMBER: _ClassVar[int]
    CROPS_FIELD_NUMBER: _ClassVar[int]
    SURROGATES_FIELD_NUMBER: _ClassVar[int]
    VICTIMS_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    photo: bytes
    protected: bytes
    crops: _containers.RepeatedCompositeFieldContainer[_types_pb2.Crop]
    surrogates: _containers.RepeatedScalarFieldContainer[str]
    victims: _containers.RepeatedScalarFieldContainer[str]
    references: _containers.RepeatedScalarFieldContainer[bytes]
    consent: _containers.RepeatedScalarFieldContainer[str]
    views: _containers.RepeatedScalarFieldContainer[_types_pb2.View]
    tenant: str
    def __init__(self, photo: _Optional[bytes] = ..., protected: _Optional[bytes] = ..., crops: _Optional[_Iterable[_Union[_types_pb2.Crop, _Mapping]]] = ..., surrogates: _Optional[_Iterable[str]] = ..., victims: _Optional[_Iterable[str]] = ..., references: _Optional[_Iterable[bytes]] = ..., consent: _Optional[_Iterable[str]] = ..., views: _Optional[_Iterable[_Union[_types_pb2.View, str]]] = ..., tenant: _Optional[str] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("verdicts",)
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[_types_pb2.Verdict]
    def __init__(self, verdicts: _Optional[_Iterable[_Union[_types_pb2.Verdict, _Mapping]]] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ("surrogates", "victims", "consent")
    SURROGATES_FIELD_NUMBER: _ClassVar[int]
    VICTIMS_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    surrogates: _containers.RepeatedScalarFieldContainer[str]
    victims: _containers.RepeatedScalarFieldContainer[str]
    consent: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, surrogates: _Optional[_Iterable[str]] = ..., victims: _Optional[_Iterable[str]] = ..., consent: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
