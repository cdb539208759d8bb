"""The gateway over gRPC: ProtectionService, and google.longrunning.Operations over the same jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import empty_pb2

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Operation
from faceoff.pipeline import Protection, Request, Rooms, protect
from faceoff.rpc import convert, operations
from faceoff.rpc.connect import Deadline
from faceoff.rpc.server import remaining
from faceoff.rpc.streams import stream
from faceoff.v1 import protection_pb2, protection_pb2_grpc
from services.gateway import upload
from services.gateway.door import Door
from services.gateway.places import Places
from services.gateway.pool import Pool

_LOOK = 1.0  # seconds between two looks whether a watcher is still there


class ProtectionServicer(protection_pb2_grpc.ProtectionServiceServicer):
    """``rooms`` gives the rooms that work until a deadline. What may last takes one of ``places``, as many as calls at once,
    and a photo that is protected within its call one of ``at_once``, too."""

    def __init__(
        self, door: Door, rooms: Callable[[Deadline], Rooms], pool: Pool, places: Places, at_once: Places
    ) -> None:
        self._door = door
        self._rooms = rooms
        self._pool = pool
        self._places = places
        self._at_once = at_once

    def Protect(  # noqa: N802
        self, requests: Iterator[protection_pb2.ProtectRequest], context: grpc.ServicerContext
    ) -> Iterator[protection_pb2.ProtectResponse]:
        caller = self._door.enter(context.invocation_metadata())
        rooms = self._rooms(Deadline.after(remaining(context)))
        with self._places.one(caller.tenant), self._at_once.one(caller.tenant):
            request, data = _uploaded(requests, context)
            with self._door.paid(caller, request, data) as (photo, reservation):
                request = replace(
                    request,
                    gallery=self._pool.people(request.plan, rooms.detector),
                    terms=replace(request.terms, tenant=caller.tenant),
                )
                for part in stream(context, lambda report: protect(data, request, rooms, report, lambda _: photo)):
                    if isinstance(part, Protection):
                        # Paid when it is done, as a job is: whoever hangs up from here on has his photo, or most of it.
                        self._door.accounts.settle(reservation, done=True)
                    yield from convert.to_protect(part)

    def CreateProtection(  # noqa: N802
        self, requests: Iterator[protection_pb2.CreateProtectionRequest], context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        headers = context.invocation_metadata()
        key = "".join(str(value) for name, value in headers if name == "idempotency-key")
        caller = self._door.enter(headers, key)
        with self._places.one(caller.tenant):
            request, data = _uploaded(requests, context)
            return operations.to_operation(self._door.submit(caller, request, data, key))

    def WatchProtection(  # noqa: N802
        self, request: protection_pb2.WatchProtectionRequest, context: grpc.ServicerContext
    ) -> Iterator[protection_pb2.WatchProtectionResponse]:
        caller = self._door.enter(context.invocation_metadata())
        last: Operation | None = None
        with self._places.one(caller.tenant):
            for operation in self._door.watch(caller, operations.from_name(request.name), _LOOK):
                if not context.is_active():
                    return
                if operation != last:
                    yield protection_pb2.WatchProtectionResponse(operation=operations.to_operation(operation))
                last = operation

    def GetResult(  # noqa: N802
        self, request: protection_pb2.GetResultRequest, context: grpc.ServicerContext
    ) -> Iterator[protection_pb2.GetResultResponse]:
        caller = self._door.enter(context.invocation_metadata())
        with self._places.one(caller.tenant):
            operation, photo = self._door.result(caller, operations.from_name(request.name))
            yield protection_pb2.GetResultResponse(result=protection_pb2.ProtectResult.FromString(operation.detail))
            for chunk in convert.to_chunks(photo):
                yield protection_pb2.GetResultResponse(chunk=chunk)

    def DeleteProtection(  # noqa: N802
        self, request: protection_pb2.DeleteProtectionRequest, context: grpc.ServicerContext
    ) -> protection_pb2.DeleteProtectionResponse:
        caller = self._door.enter(context.invocation_metadata())
        receipt = self._door.delete(caller, operations.from_name(request.name))
        return protection_pb2.DeleteProtectionResponse(receipt=operations.to_receipt(receipt))


class OperationsServicer(operations_pb2_grpc.OperationsServicer):
    """``places`` are those of ProtectionServicer."""

    def __init__(self, door: Door, places: Places) -> None:
        self._door = door
        self._places = places

    def GetOperation(  # noqa: N802
        self, request: operations_pb2.GetOperationRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        caller = self._door.enter(context.invocation_metadata())
        return operations.to_operation(self._door.get(caller, operations.from_name(request.name)))

    def ListOperations(  # noqa: N802
        self, request: operations_pb2.ListOperationsRequest, context: grpc.ServicerContext
    ) -> operations_pb2.ListOperationsResponse:
        caller = self._door.enter(context.invocation_metadata())
        if request.filter:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT, "Operations cannot be filtered.", "Leave the filter out.", field="filter"
            )
        page, token = self._door.list(caller, request.page_size, request.page_token)
        return operations_pb2.ListOperationsResponse(
            operations=map(operations.to_operation, page), next_page_token=token
        )

    def CancelOperation(  # noqa: N802
        self, request: operations_pb2.CancelOperationRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        caller = self._door.enter(context.invocation_metadata())
        self._door.cancel(caller, operations.from_name(request.name))
        return empty_pb2.Empty()

    def DeleteOperation(  # noqa: N802
        self, request: operations_pb2.DeleteOperationRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        caller = self._door.enter(context.invocation_metadata())
        self._door.delete(caller, operations.from_name(request.name))
        return empty_pb2.Empty()

    def WaitOperation(  # noqa: N802
        self, request: operations_pb2.WaitOperationRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """As it is when it has ended, or when the timeout or the call's own deadline is over."""
        caller = self._door.enter(context.invocation_metadata())
        seconds = remaining(context) - _LOOK
        if request.HasField("timeout"):
            seconds = min(seconds, request.timeout.ToNanoseconds() / 1e9)
        end = time.monotonic() + seconds
        job = operations.from_name(request.name)
        with self._places.one(caller.tenant):
            for operation in self._door.watch(caller, job, min(_LOOK, max(seconds, 0.0))):
                last = operation
                if time.monotonic() >= end or not context.is_active():
                    break
        return operations.to_operation(last)


def _uploaded(
    requests: Iterator[protection_pb2.ProtectRequest] | Iterator[protection_pb2.CreateProtectionRequest],
    context: grpc.ServicerContext,
) -> tuple[Request, bytes]:
    """As faceoff.rpc.convert.from_upload; the call of a sender who is as slow as HTTP's may not be ends."""
    clock = threading.Timer(upload.SECONDS, context.cancel)
    clock.daemon = True
    clock.start()
    try:
        return convert.from_upload(requests)
    finally:
        clock.cancel()
