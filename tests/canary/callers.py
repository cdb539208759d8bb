"""Callers at every door, who keep all that they are told for the watch to see."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import httpx2
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub

from faceoff.pipeline import Request
from faceoff.rpc import convert
from faceoff.v1 import protection_pb2
from faceoff.v1.protection_pb2_grpc import ProtectionServiceStub
from tests.canary.house import House

METADATA_LIMIT = 64_000


class Grpc:
    """``results`` are the photos that came."""

    def __init__(self, house: House, results: list[bytes]) -> None:
        self._house, self._results = house, results
        self._channel = grpc.insecure_channel(house.grpc, (("grpc.max_metadata_size", METADATA_LIMIT),))
        self._photos, self._operations = ProtectionServiceStub(self._channel), OperationsStub(self._channel)
        self._code = grpc.StatusCode.OK

    def ended(self) -> grpc.StatusCode:
        """How the last call did."""
        return self._code

    def protect(self, photo: bytes, request: Request, timeout: float = 60, **metadata: str) -> list[Any]:
        parts = _upload(protection_pb2.ProtectRequest, photo, request)
        return self._told("Protect", self._photos.Protect, parts, timeout, metadata)

    def create(self, photo: bytes, request: Request, timeout: float = 60, **metadata: str) -> str:
        """The operation's name, or none where it was refused."""
        parts = _upload(protection_pb2.CreateProtectionRequest, photo, request)
        told = self._told("CreateProtection", self._photos.CreateProtection, parts, timeout, metadata)
        return str(told[0].name) if told else ""

    def watch(self, name: str) -> list[Any]:
        request = protection_pb2.WatchProtectionRequest(name=name)
        return self._told("WatchProtection", self._photos.WatchProtection, request)

    def result(self, name: str) -> list[Any]:
        return self._told("GetResult", self._photos.GetResult, protection_pb2.GetResultRequest(name=name))

    def delete(self, name: str) -> list[Any]:
        request = protection_pb2.DeleteProtectionRequest(name=name)
        return self._told("DeleteProtection", self._photos.DeleteProtection, request)

    def get(self, name: str) -> Any:
        return self._told("Get", self._operations.GetOperation, operations_pb2.GetOperationRequest(name=name))[0]

    def cancel(self, name: str) -> None:
        self._told("Cancel", self._operations.CancelOperation, operations_pb2.CancelOperationRequest(name=name))

    def page(self, token: str = "") -> list[Any]:
        request = operations_pb2.ListOperationsRequest(name="operations", page_token=token, filter=token)
        return self._told("List", self._operations.ListOperations, request)

    def raw(self, method: str, body: bytes) -> None:
        """Bytes that are no message."""
        call = self._channel.stream_unary(f"/faceoff.v1.ProtectionService/{method}", bytes, bytes)
        self._told(method, call, iter([body]))

    def close(self) -> None:
        self._channel.close()

    def _told(
        self, what: str, method: Any, request: Any, timeout: float = 60, metadata: dict[str, str] | None = None
    ) -> list[Any]:
        headers = {"authorization": f"Bearer {self._house.key}"} | {
            name.replace("_", "-"): value for name, value in (metadata or {}).items()
        }
        place, sent = f"answer of gRPC {what}", {"timeout": timeout, "metadata": tuple(headers.items())}
        call: Any
        told, photo = [], b""
        try:
            if hasattr(method, "with_call"):  # one message comes back
                message, call = method.with_call(request, **sent)
                messages = [message]
            else:
                messages = call = method(request, **sent)
            for message in messages:
                photo += getattr(message, "chunk", b"")
                if not getattr(message, "chunk", b""):
                    told.append(message)
        except grpc.RpcError as error:
            call = error
        self._code = call.code()
        for message in told:
            self._house.watch.say(place, message.SerializeToString() + str(message).encode())
        pairs = [*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())]
        values = [value if isinstance(value, bytes) else str(value).encode() for pair in pairs for value in pair]
        self._house.watch.say(place, b"\0".join([str(call.details()).encode(), *values]))
        if photo:
            self._results.append(photo)
        return told


class Http:
    def __init__(self, house: House, results: list[bytes]) -> None:
        self._house, self._results = house, results
        self._client = httpx2.Client(base_url=house.http, timeout=90)

    def __call__(self, method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self._house.key}"} | (headers or {})
        answer = self._client.request(method, path, headers=headers, **body)
        place = f"answer of HTTP {method} {path.partition('?')[0][:40]}"
        self._house.watch.say(place, repr(answer.headers.raw).encode())
        if answer.headers.get("content-type", "").startswith("image/"):
            self._results.append(answer.content)
        else:
            self._house.watch.say(place, answer.content)
        return answer

    def post(self, photo: bytes, query: str = "wait=60s", **headers: str) -> httpx2.Response:
        """The photo alone."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self("POST", f"/v1/protections?{query}", {"Content-Type": "image/jpeg", **headers}, content=photo)

    def close(self) -> None:
        self._client.close()


def faceoff(house: House, *words: str, code: int = 0) -> str:
    """What the command says on its standard output; ``code`` is what it ends with."""
    done = subprocess.run(
        [sys.executable, "-m", "faceoff.cli", *words],
        capture_output=True,
        cwd=house.folder / "cwd",
        env=house.environment() | {"FACEOFF_API_KEY": house.key},
        timeout=120,
    )
    house.watch.say(f"words of faceoff {words[0]}", done.stdout + done.stderr)
    assert done.returncode == code, (words[:2], done.stderr)
    return done.stdout.decode()


def _upload(part: Any, photo: bytes, request: Request) -> Iterator[Any]:
    yield part(header=convert.to_header(request))
    for chunk in convert.to_chunks(photo):
        yield part(chunk=chunk)
    for number, reference in enumerate(request.terms.references):
        yield part(reference=protection_pb2.ReferenceChunk(number=number, chunk=reference))
