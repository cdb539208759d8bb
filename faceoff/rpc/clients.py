"""What talks to the gateway, as `faceoff protect --server` does."""

from __future__ import annotations

from collections.abc import Iterator

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import crop
from faceoff.pipeline import Protection, Request
from faceoff.rooms import Report
from faceoff.rpc import convert
from faceoff.rpc.connect import calling, connect, reading
from faceoff.rpc.server import LONGEST_CALL
from faceoff.v1 import protection_pb2
from faceoff.v1.protection_pb2_grpc import ProtectionServiceStub


class ProtectionClient:
    """A gateway at ``address`` (``host:port``). Safe to share between threads; ``close`` it in the end."""

    def __init__(self, address: str) -> None:
        self._peer = connect(address)
        self._stub = ProtectionServiceStub(self._peer.channel)

    def protect(self, data: bytes, request: Request, report: Report, timeout: float | None = None) -> Protection:
        """As faceoff.pipeline.protect, but the masks' ``delta`` stay with the server: they are empty, [0, 0, 3].

        Raises also SERVICE_UNAVAILABLE, DEADLINE_TOO_SHORT (``timeout`` seconds are over), and TARGET_NOT_ALLOWED for a
        gallery: whom a server makes faces resemble is its operator's choice.
        """
        if request.gallery:
            raise FaceOffError(
                Reason.TARGET_NOT_ALLOWED,
                "A server does not take a gallery of other people.",
                "Protect the photo without --server, or use the dodge loss.",
            )
        photo = image.decode(data)
        result, received = None, []
        with calling(self._peer):
            call = self._stub.Protect(_upload(data, request), timeout=timeout or LONGEST_CALL)
            try:
                for response in call:
                    match response.WhichOneof("part"):
                        case "progress":
                            report(convert.from_progress(response.progress))
                        case "result":
                            result = response.result
                        case "chunk":
                            received.append(response.chunk)
            finally:
                call.cancel()  # where report raised; a call that has ended does not mind
        protected = b"".join(received)
        if result is None or result.size != len(protected):
            raise FaceOffError(Reason.INTERNAL, f"The server at {self._peer.address} sent half a result.", "Try again.")
        with reading(self._peer):
            candidate = convert.from_result(result, protected)
            known = [convert.from_protected_face(face) for face in result.faces]
            verdicts = tuple(convert.from_verdict(verdict) for verdict in result.verdicts)
        crops = tuple(crop(photo, face) for face, _ in known)
        return Protection(photo, candidate, crops, tuple(mask for _, mask in known), verdicts)

    def close(self) -> None:
        self._peer.close()


def _upload(data: bytes, request: Request) -> Iterator[protection_pb2.ProtectRequest]:
    yield protection_pb2.ProtectRequest(header=convert.to_header(request))
    for chunk in convert.to_chunks(data):
        yield protection_pb2.ProtectRequest(chunk=chunk)
    for number, reference in enumerate(request.terms.references):
        for chunk in convert.to_chunks(reference):
            part = protection_pb2.ReferenceChunk(number=number, chunk=chunk)
            yield protection_pb2.ProtectRequest(reference=part)
