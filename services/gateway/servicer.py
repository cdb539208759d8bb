"""ProtectionService: the straight line of one photo over the rooms' services."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc

from faceoff.pipeline import Rooms, protect
from faceoff.rpc import convert
from faceoff.rpc.connect import Deadline
from faceoff.rpc.server import remaining
from faceoff.rpc.streams import stream
from faceoff.v1 import protection_pb2, protection_pb2_grpc


class ProtectionServicer(protection_pb2_grpc.ProtectionServiceServicer):
    """``rooms`` gives the rooms that work until a deadline."""

    def __init__(self, rooms: Callable[[Deadline], Rooms]) -> None:
        self._rooms = rooms

    def Protect(  # noqa: N802
        self, requests: Iterator[protection_pb2.ProtectRequest], context: grpc.ServicerContext
    ) -> Iterator[protection_pb2.ProtectResponse]:
        rooms = self._rooms(Deadline.after(remaining(context)))
        request, data = convert.from_upload(requests)
        for part in stream(context, lambda report: protect(data, request, rooms, report)):
            yield from convert.to_protect(part)
