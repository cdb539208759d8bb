"""What talks to the gateway (faceoff.client), as `faceoff protect --server` and `faceoff jobs` do."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import crop
from faceoff.jobs.engine import Operation, Receipt
from faceoff.pipeline import Protection, Request
from faceoff.rooms import Report
from faceoff.rpc import convert, operations
from faceoff.rpc.connect import calling, connect, reading
from faceoff.rpc.server import LONGEST_CALL
from faceoff.types import Candidate, Face, Mask, Verdict
from faceoff.v1 import protection_pb2
from faceoff.v1.protection_pb2_grpc import ProtectionServiceStub

_SECONDS = 30.0  # for calls that only look something up
_PAGE = 100
_PATIENCE = 60.0  # seconds for which a gateway that was there is asked again
_PAUSE = 1.0  # seconds between two times, where it does not say itself
_Part = TypeVar("_Part", protection_pb2.ProtectRequest, protection_pb2.CreateProtectionRequest)


@dataclass(frozen=True)
class Result:
    """A protected photo and what is known of it, as in faceoff.pipeline.Protection; the masks' ``delta`` stay with the server:
    they are empty, [0, 0, 3]."""

    candidate: Candidate
    faces: tuple[Face, ...]
    masks: tuple[Mask, ...]
    verdicts: tuple[Verdict, ...]


class Client:
    """A gateway at ``address`` (``host:port``, or ``https://host:port`` where it is encrypted), which may ask for an API
    ``key``. Safe to share between threads; ``close`` it in the end.

    Every call raises FaceOffError: the gateway's own, SERVICE_UNAVAILABLE where none answers, UNAUTHENTICATED where it does not
    know the key, NOT_FOUND for a job that is not there or somebody else's."""

    def __init__(self, address: str, key: str = "") -> None:
        self._peer = connect(address, {"authorization": f"Bearer {key}"} if key else {})
        self._photos = ProtectionServiceStub(self._peer.channel)
        self._operations = OperationsStub(self._peer.channel)

    def protect(self, data: bytes, request: Request, report: Report, timeout: float | None = None) -> Protection:
        """As faceoff.pipeline.protect, but the masks' ``delta`` are as in Result.

        Raises also DEADLINE_TOO_SHORT (``timeout`` seconds are over), and TARGET_NOT_ALLOWED for a gallery: whom a server
        makes faces resemble is its operator's choice.
        """
        _refuse_gallery(request)
        photo = image.decode(data)
        parts = _upload(protection_pb2.ProtectRequest, data, request)
        with calling(self._peer):
            call = self._photos.Protect(parts, timeout=timeout or LONGEST_CALL)
            try:
                result = self._result(call, report)
            finally:
                call.cancel()  # where report raised; a call that has ended does not mind
        crops = tuple(crop(photo, face) for face in result.faces)
        return Protection(photo, result.candidate, crops, result.masks, result.verdicts)

    def submit(self, data: bytes, request: Request, idempotency_key: str = "") -> Operation:
        """Give a photo to the server and come back for it. The same idempotency key with the same photo and request is the same
        job, so that a call whose answer got lost can be repeated. Without a key one is drawn."""
        _refuse_gallery(request)
        # The channel itself repeats a call whose connection broke: also that is to be one job.
        metadata = (("idempotency-key", idempotency_key or secrets.token_hex(16)),)
        parts = _upload(protection_pb2.CreateProtectionRequest, data, request)
        with calling(self._peer):
            message = self._photos.CreateProtection(parts, timeout=LONGEST_CALL, metadata=metadata)
        return self._operation(message)

    def get(self, job: str) -> Operation:
        request = operations_pb2.GetOperationRequest(name=operations.to_name(job))
        with calling(self._peer):
            message = self._operations.GetOperation(request, timeout=_SECONDS)
        return self._operation(message)

    def list(self) -> Iterator[Operation]:
        """The caller's jobs, newest first, without what is known of their results."""
        token = ""
        while True:
            request = operations_pb2.ListOperationsRequest(name="operations", page_size=_PAGE, page_token=token)
            with calling(self._peer):
                page = self._operations.ListOperations(request, timeout=_SECONDS)
            yield from map(self._operation, page.operations)
            token = page.next_page_token
            if not token:
                return

    def watch(self, job: str) -> Iterator[Operation]:
        """The job now and whenever it changes, until it has ended. A gateway that goes away meanwhile, or is full, is asked
        again for a minute: the job goes on without it."""
        request = protection_pb2.WatchProtectionRequest(name=operations.to_name(job))
        patience = 0.0  # until when; there is none with who never answered
        while True:
            call = self._photos.WatchProtection(request, timeout=LONGEST_CALL)
            ended = False
            try:
                with calling(self._peer):
                    for response in call:  # to its end: what is cancelled does not count as answered
                        operation = self._operation(response.operation)
                        ended, patience = operation.state.terminal, math.inf
                        yield operation
            except FaceOffError as error:
                if not ended and error.reason is not Reason.DEADLINE_TOO_SHORT:
                    now = time.monotonic()
                    patience = min(patience, now + _PATIENCE)
                    if now > patience or error.reason not in (Reason.SERVICE_UNAVAILABLE, Reason.OVERLOADED):
                        raise
                    time.sleep(error.retry_after or _PAUSE)
            finally:
                call.cancel()
            if ended:
                return

    def wait(self, job: str) -> Operation:
        """The job when it has ended."""
        *_, last = self.watch(job)
        return last

    def result(self, job: str) -> Result:
        """Raises also NOT_READY before the job has succeeded, and the job's own error where it has failed."""
        request = protection_pb2.GetResultRequest(name=operations.to_name(job))
        with calling(self._peer):
            return self._result(self._photos.GetResult(request, timeout=LONGEST_CALL), lambda _: None)

    def cancel(self, job: str) -> Operation:
        """Stop a job and destroy its photo; one that has ended stays as it is."""
        request = operations_pb2.CancelOperationRequest(name=operations.to_name(job))
        with calling(self._peer):
            self._operations.CancelOperation(request, timeout=_SECONDS)
        return self.get(job)

    def delete(self, job: str) -> Receipt:
        """Stop a job if need be, and destroy everything of it."""
        request = protection_pb2.DeleteProtectionRequest(name=operations.to_name(job))
        with calling(self._peer):
            response = self._photos.DeleteProtection(request, timeout=_SECONDS)
        with reading(self._peer):
            return operations.from_receipt(response.receipt)

    def close(self) -> None:
        self._peer.close()

    def _operation(self, message: operations_pb2.Operation) -> Operation:
        with reading(self._peer):
            return operations.from_operation(message)

    def _result(
        self,
        responses: Iterator[protection_pb2.ProtectResponse] | Iterator[protection_pb2.GetResultResponse],
        report: Report,
    ) -> Result:
        result, received = None, []
        for response in responses:
            if isinstance(response, protection_pb2.ProtectResponse) and response.HasField("progress"):
                report(convert.from_progress(response.progress))
            elif response.HasField("result"):
                result = response.result
            else:
                received.append(response.chunk)
        protected = b"".join(received)
        if result is None or result.size != len(protected):
            raise FaceOffError(Reason.INTERNAL, f"The server at {self._peer.address} sent half a result.", "Try again.")
        with reading(self._peer):
            known = [convert.from_protected_face(face) for face in result.faces]
            return Result(
                convert.from_result(result, protected),
                tuple(face for face, _ in known),
                tuple(mask for _, mask in known),
                tuple(convert.from_verdict(verdict) for verdict in result.verdicts),
            )


def _refuse_gallery(request: Request) -> None:
    if request.gallery:
        raise FaceOffError(
            Reason.TARGET_NOT_ALLOWED,
            "A server does not take a gallery of other people.",
            "Protect the photo without --server, or use the dodge loss.",
        )


def _upload(part: Callable[..., _Part], data: bytes, request: Request) -> Iterator[_Part]:
    yield part(header=convert.to_header(request))
    for chunk in convert.to_chunks(data):
        yield part(chunk=chunk)
    for number, reference in enumerate(request.terms.references):
        for chunk in convert.to_chunks(reference):
            yield part(reference=protection_pb2.ReferenceChunk(number=number, chunk=chunk))
