"""Photos from HTTP bodies, read as they come and kept in memory: at no moment is one on a disk.

What a framework offers for forms spools files above a megabyte to the disk, so the body is parsed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.rpc.convert import MOST_BYTES, MOST_REFERENCES

PHOTO, REFERENCE = "photo", "reference"
RAW = ("application/octet-stream", "image/")
FORM = "multipart/form-data"
SECONDS = 120.0
"""For a whole body to come in: slower senders are cut off."""

_MOST_FIELD = 1000  # bytes of a form field's value
_MOST_PARTS = 100
_MOST_FORM = MOST_BYTES + 1_000_000


@dataclass
class Upload:
    """``fields`` are the form's other parts, each name with its values."""

    photo: bytes = field(default=b"", repr=False)
    references: tuple[bytes, ...] = field(default=(), repr=False)
    fields: Mapping[str, list[str]] = field(default_factory=dict)


async def read(request: Request) -> Upload:
    """The body of ``request``: a form with the part ``photo``, or the photo itself.

    Raises FaceOffError UNSUPPORTED_FORMAT (another type of body), IMAGE_TOO_LARGE at the first byte too many,
    INVALID_ARGUMENT (not a form, or one without a photo), DEADLINE_TOO_SHORT, CANCELLED (the sender has gone).
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    content_type = kind.decode("latin-1")
    if int(request.headers.get("content-length") or 0) > _MOST_FORM:
        raise _too_large()
    try:
        async with asyncio.timeout(SECONDS):
            if content_type == FORM:
                return await _form(request, options.get(b"boundary", b""))
            if content_type.startswith(RAW):
                return await _raw(request)
    except TimeoutError:
        raise FaceOffError(
            Reason.DEADLINE_TOO_SHORT,
            f"The upload did not end within {SECONDS:.0f} seconds.",
            "Send a smaller photo, or over a faster line.",
        ) from None
    except ClientDisconnect:
        raise FaceOffError(Reason.CANCELLED, "The upload broke off.") from None
    raise FaceOffError(
        Reason.UNSUPPORTED_FORMAT,
        "A body of this type is not read.",
        f"Send {FORM} with a part `{PHOTO}`, or the photo itself as image/* or {RAW[0]}.",
    )


async def _raw(request: Request) -> Upload:
    data = bytearray()
    async for chunk in request.stream():
        _append(data, chunk)
    return Upload(photo=bytes(data))


async def _form(request: Request, boundary: bytes) -> Upload:
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks()) if boundary else None  # type: ignore[arg-type]
    except FormParserError:
        parser = None
    if parser is None:
        raise _invalid("Its Content-Type names a boundary of at most 256 characters.")
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > _MOST_FORM:
                raise _too_large()
            parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise _invalid("Its parts are separated and ended by the boundary.") from None
    return form.upload()


class _Form:
    """What the parser has found so far. Sizes are checked as the bytes come."""

    def __init__(self) -> None:
        self._photos: list[bytearray] = []
        self._references: list[bytearray] = []
        self._fields: dict[str, list[bytearray]] = {}
        self._headers: dict[str, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._part = bytearray()
        self._parts = 0
        self._file = False
        self._ended = False

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def upload(self) -> Upload:
        if not self._ended:
            raise _invalid("It ends with its boundary.")
        if len(self._photos) != 1:
            raise _invalid(f"It has one part `{PHOTO}`.")
        try:
            fields = {name: [value.decode() for value in values] for name, values in self._fields.items()}
        except UnicodeDecodeError:
            raise _invalid("Its fields are UTF-8.") from None
        return Upload(bytes(self._photos[0]), tuple(map(bytes, self._references)), fields)

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _invalid(f"It has at most {_MOST_PARTS} parts.")
        self._headers = {}

    def _header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _open(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", b""))
        try:
            name = options.get(b"name", b"").decode()
        except UnicodeDecodeError:
            name = ""
        if disposition != b"form-data" or not name:
            raise _invalid("Each part is form-data with a name.")
        self._part = bytearray()
        self._file = name in (PHOTO, REFERENCE)
        if name == PHOTO:
            self._photos.append(self._part)
        elif name == REFERENCE:
            self._references.append(self._part)
            if len(self._references) > MOST_REFERENCES:
                raise _invalid(f"It has at most {MOST_REFERENCES} parts `{REFERENCE}`.")
        else:
            self._fields.setdefault(name, []).append(self._part)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file:
            _append(self._part, memoryview(data)[start:end])
        elif len(self._part) + end - start > _MOST_FIELD:
            raise _invalid(f"A field has at most {_MOST_FIELD} bytes.")
        else:
            self._part.extend(memoryview(data)[start:end])

    def _end(self) -> None:
        self._ended = True


def _append(photo: bytearray, chunk: bytes | memoryview) -> None:
    if len(photo) + len(chunk) > image.MAX_BYTES:
        raise _too_large()
    photo.extend(chunk)


def _too_large() -> FaceOffError:
    return FaceOffError(
        Reason.IMAGE_TOO_LARGE,
        f"A photo is larger than {image.MAX_BYTES // 1_000_000} MB, or all are than {MOST_BYTES // 1_000_000} MB.",
        "Save it smaller or with a stronger compression.",
    )


def _invalid(hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, "The form is not valid.", hint)
