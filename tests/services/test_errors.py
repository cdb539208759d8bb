"""One error type crosses the wire unchanged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from unittest.mock import Mock

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import errors
from faceoff.rpc.connect import Deadline, Peer, calling, connect
from faceoff.rpc.server import Server, Settings
from faceoff.testing import served
from faceoff.v1 import detector_pb2, detector_pb2_grpc


class Broken(detector_pb2_grpc.DetectorServiceServicer):
    """Raises ``error`` after ``pause`` seconds, counting the calls."""

    def __init__(self) -> None:
        self.error: Exception = RuntimeError()
        self.calls = 0
        self.pause = 0.0

    def Detect(self, request: detector_pb2.DetectRequest, context: grpc.ServicerContext) -> detector_pb2.DetectResponse:  # noqa: N802
        self.calls += 1
        time.sleep(self.pause)
        raise self.error


@pytest.fixture(scope="module")
def broken() -> Broken:
    return Broken()


@pytest.fixture(scope="module")
def peer(broken: Broken) -> Iterator[Peer]:
    def add(server: grpc.Server) -> None:
        detector_pb2_grpc.add_DetectorServiceServicer_to_server(broken, server)

    with served("faceoff.v1.DetectorService", add, Settings(grace=1.0, message_limit=10_000)) as server:
        peer = connect(f"127.0.0.1:{server.port}")
        yield peer
        peer.close()


def detect(peer: Peer, photo: bytes = b"", timeout: float = 5.0) -> FaceOffError:
    request = detector_pb2.DetectRequest(photo=photo)
    with pytest.raises(FaceOffError) as caught, calling(peer):
        detector_pb2_grpc.DetectorServiceStub(peer.channel).Detect(request, timeout=timeout)
    return caught.value


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("hint", ["", "Do it otherwise: ü."])
def test_every_reason_crosses_unchanged(broken: Broken, peer: Peer, reason: Reason, hint: str) -> None:
    broken.error, broken.calls = FaceOffError(reason, "Something happened: ß.", hint), 0
    error = detect(peer)
    assert (error.reason, error.message, error.hint) == (reason, "Something happened: ß.", hint)
    assert broken.calls == 1, "whatever failed in the middle is not repeated by the channel"


def test_the_details_are_googles(broken: Broken, peer: Peer) -> None:
    broken.error = FaceOffError(Reason.SURROGATE_UNAVAILABLE, "It is away.", "Wait.")
    with pytest.raises(grpc.RpcError) as caught:
        detector_pb2_grpc.DetectorServiceStub(peer.channel).Detect(detector_pb2.DetectRequest(), timeout=5)
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    info, hint, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.LocalizedMessage(),
        error_details_pb2.RetryInfo(),
    )
    for message, packed in zip((info, hint, retry), status.details, strict=True):
        assert packed.Unpack(message)
    assert (info.reason, info.domain, hint.message) == ("SURROGATE_UNAVAILABLE", "faceoff", "Wait.")
    assert retry.retry_delay.seconds == errors.RETRY_SECONDS


def test_the_field_that_is_not_valid_crosses(broken: Broken, peer: Peer) -> None:
    broken.error = FaceOffError(Reason.INVALID_ARGUMENT, "epsilon is 7.", field="plan.epsilon")
    assert detect(peer).field == "plan.epsilon"
    (detail,) = [
        packed
        for packed in errors.to_message(broken.error).details
        if packed.Is(error_details_pb2.BadRequest.DESCRIPTOR)
    ]
    bad = error_details_pb2.BadRequest()
    assert detail.Unpack(bad)
    assert [(one.field, one.description) for one in bad.field_violations] == [("plan.epsilon", "epsilon is 7.")]


def test_when_to_try_again_crosses(broken: Broken, peer: Peer) -> None:
    broken.error = FaceOffError(Reason.OVERLOADED, "Too much waits.", retry_after=2.5)
    assert detect(peer).retry_after == 2.5
    broken.error = FaceOffError(Reason.NOT_FOUND, "It is not there.")
    assert detect(peer).retry_after is None


def test_long_words_are_cut(broken: Broken, peer: Peer) -> None:
    broken.error = FaceOffError(Reason.INTERNAL, "ü" * 100_000, "ö" * 100_000)
    error = detect(peer)
    assert error.message.startswith("üüü")
    assert len(error.message) == len(error.hint) == 500


def test_what_nobody_expected_tells_callers_nothing(
    broken: Broken, peer: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    broken.error = ValueError("the pixels of a secret photo")
    error = detect(peer)
    log = capfd.readouterr().err
    assert error.reason is Reason.INTERNAL
    assert "secret" not in str(error) + log
    incident = error.message.partition("incident ")[2].rstrip(").")
    assert f'"incident": "{incident}"' in log
    assert '"error": "ValueError"' in log
    assert "test_errors.py" in log


def test_a_service_that_is_not_there() -> None:
    peer = connect("127.0.0.1:1")
    error = detect(peer)
    peer.close()
    assert error.reason is Reason.SERVICE_UNAVAILABLE
    assert "127.0.0.1:1" in error.hint


def test_a_server_without_the_service() -> None:
    server = Server("faceoff.v1.DetectorService", lambda _: None, Settings(grace=1.0))
    server.start()
    peer = connect(f"127.0.0.1:{server.port}")
    assert detect(peer).reason is Reason.SERVICE_UNAVAILABLE
    peer.close()
    server.stop()


def test_a_call_that_takes_too_long(broken: Broken, peer: Peer) -> None:
    broken.pause = 0.5
    assert detect(peer, timeout=0.1).reason is Reason.DEADLINE_TOO_SHORT
    broken.pause = 0.0
    with pytest.raises(FaceOffError) as caught:
        Deadline.after(-1).left()
    assert caught.value.reason is Reason.DEADLINE_TOO_SHORT


def test_a_message_over_the_limit(broken: Broken, peer: Peer) -> None:
    assert detect(peer, bytes(20_000)).reason is Reason.IMAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, Reason.SERVICE_UNAVAILABLE),
        (grpc.StatusCode.CANCELLED, Reason.SERVICE_UNAVAILABLE),  # by a server that stops, not by us
        (grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE_TOO_SHORT),
        (grpc.StatusCode.DATA_LOSS, Reason.INTERNAL),
    ],
)
def test_a_status_without_our_details(code: grpc.StatusCode, reason: Reason) -> None:
    call = Mock(spec=grpc.Call)
    call.code.return_value, call.details.return_value = code, "said by somebody else"
    call.trailing_metadata.return_value = (("grpc-status-details-bin", b"\xff not a status"),)
    error = errors.from_rpc_error(call, "here:1")
    assert error.reason is reason
    assert "somebody" not in str(error)


def test_a_call_that_was_cancelled_here(broken: Broken, peer: Peer) -> None:
    broken.pause = 1.0
    call = detector_pb2_grpc.DetectorServiceStub(peer.channel).Detect.future(detector_pb2.DetectRequest(), timeout=30)
    call.cancel()
    with pytest.raises(grpc.FutureCancelledError):
        call.result()
    assert errors.from_rpc_error(call, "here:1").reason is Reason.CANCELLED
    broken.pause = 0.0
