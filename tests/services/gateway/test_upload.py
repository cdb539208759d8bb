"""Bodies to photos: forms as browsers write them, and whatever else bytes may be."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from services.gateway import upload
from services.gateway.upload import Upload

BOUNDARY = "x-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
SIZES = st.lists(st.integers(1, 60), max_size=30)
FIELD_NAMES = st.sampled_from(["strength", "format", "faces", "other"])


def form(*parts: tuple[str, bytes]) -> bytes:
    body = b""
    for name, data in parts:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="me.jpg"\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def read(body: bytes, content_type: str = FORM, sizes: Sequence[int] = (), length: int | None = None) -> Upload:
    """The upload of ``body``, which comes in chunks of ``sizes`` and then the rest."""
    ends = [end for end in accumulate(sizes) if end < len(body)]
    chunks = [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True)]
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    coming = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, object]:
        return next(coming)

    headers = [(b"content-type", content_type.encode("latin-1"))]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return asyncio.run(
        upload.read(Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive))
    )


def outcome(body: bytes, content_type: str, sizes: Sequence[int]) -> Reason | None:
    try:
        read(body, content_type, sizes)
    except FaceOffError as error:
        return error.reason
    return None


def refused(body: bytes, content_type: str = FORM, length: int | None = None) -> Reason:
    with pytest.raises(FaceOffError) as caught:
        read(body, content_type, length=length)
    assert caught.value.hint
    return caught.value.reason


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.binary(max_size=300), st.lists(st.binary(max_size=80), max_size=3), SIZES)
def test_a_form_is_read_however_it_is_cut(photo: bytes, references: list[bytes], sizes: list[int]) -> None:
    body = form(("strength", b"subtle"), ("photo", photo), *(("reference", data) for data in references))
    if any(f"--{BOUNDARY}".encode() in data for data in (photo, *references)):
        return
    assert read(body, sizes=sizes) == Upload(photo, tuple(references), {"strength": ["subtle"]})


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.binary(max_size=400),
    st.integers(0, 400),
    st.binary(max_size=6),
    SIZES,
    st.sampled_from([FORM, "multipart/form-data", "image/png"]),
)
def test_any_bytes_are_read_or_refused(noise: bytes, place: int, wedge: bytes, sizes: list[int], kind: str) -> None:
    whole = form(("photo", noise), ("strength", b"subtle"))
    for body in (noise, whole[:place] + wedge + whole[place:], whole[:place]):
        assert outcome(body, kind, sizes) in (None, Reason.INVALID_ARGUMENT)


def test_a_photo_alone_and_its_type() -> None:
    assert read(b"abc", "image/jpeg") == Upload(b"abc")
    assert read(b"abc", "application/octet-stream") == Upload(b"abc")
    assert refused(b"{}", "application/json") is Reason.UNSUPPORTED_FORMAT
    assert refused(b"a=b", "application/x-www-form-urlencoded") is Reason.UNSUPPORTED_FORMAT
    assert refused(b"", "") is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    "body",
    [
        form(("strength", b"subtle")),
        form(("photo", b"a"), ("photo", b"b")),
        form(("photo", b"a"), *(("reference", b"b"),) * 9),
        form(("photo", b"a"), *(("strength", b"b"),) * 200),
        form(("photo", b"a"), ("strength", bytes(2000))),
        form(("photo", b"a"), ("strength", b"\xff")),
        form(("photo", b"a"), ("", b"b")),
        form(("photo", b"a"))[:-4],
        b"",
    ],
)
def test_forms_that_are_none(body: bytes) -> None:
    assert refused(body) is Reason.INVALID_ARGUMENT


def test_boundaries_that_are_none() -> None:
    for boundary in ("", "x" * 300):
        assert refused(form(("photo", b"a")), f"multipart/form-data; boundary={boundary}") is Reason.INVALID_ARGUMENT


def test_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = bytes(image.MAX_BYTES)
    assert len(read(limit, "image/png").photo) == image.MAX_BYTES
    assert refused(limit + b"x", "image/png") is Reason.IMAGE_TOO_LARGE
    assert refused(form(("photo", limit + b"x"))) is Reason.IMAGE_TOO_LARGE
    assert refused(form(("photo", b"x"), ("reference", limit + b"x"))) is Reason.IMAGE_TOO_LARGE
    assert refused(form(("photo", limit), *(("reference", limit),) * 3)) is Reason.IMAGE_TOO_LARGE
    assert refused(b"", "image/png", length=10**9) is Reason.IMAGE_TOO_LARGE


def test_nothing_is_written_to_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError

    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, forbidden)
    monkeypatch.setattr(io, "open", forbidden)
    assert len(read(form(("photo", bytes(5_000_000)), ("reference", bytes(2_000_000)))).photo) == 5_000_000


def test_a_sender_that_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "SECONDS", 0.05)

    async def never() -> dict[str, object]:
        await asyncio.sleep(10)
        return {}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", b"image/png")]}
    with pytest.raises(FaceOffError) as caught:
        asyncio.run(upload.read(Request(scope, never)))
    assert caught.value.reason is Reason.DEADLINE_TOO_SHORT
