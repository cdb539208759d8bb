"""A service that decodes in child processes, and photos that are made to end it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial

import psutil
import pytest

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.decoding.pool import Decoder
from faceoff.errors import FaceOffError, Reason
from faceoff.rpc.connect import Deadline, Peer, connect
from faceoff.rpc.remote import RemoteAmplifier, RemoteDetector
from faceoff.testing import BoxDetector, picture, served
from faceoff.types import Encoding, Mask, MaskOutcome, Photo, Plan
from faceoff.v1.amplifier_pb2_grpc import add_AmplifierServiceServicer_to_server
from faceoff.v1.detector_pb2_grpc import add_DetectorServiceServicer_to_server
from services.amplifier.servicer import AmplifierServicer
from services.detector.servicer import DetectorServicer
from tests.unit.decoding.files import chunk, png


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder(processes=1, seconds=2) as decoder:
        yield decoder


@pytest.fixture
def detector(decoder: Decoder) -> Iterator[Peer]:
    add = partial(add_DetectorServiceServicer_to_server, DetectorServicer(BoxDetector(), decoder.decode))
    with served("faceoff.v1.DetectorService", add) as server:
        peer = connect(f"127.0.0.1:{server.port}")
        yield peer
        peer.close()


def photo() -> Photo:
    pixels = picture()
    return image.decode(image.encode(pixels, Photo(pixels, "PNG", b""), Encoding()))


def refused(room: RemoteDetector, data: bytes) -> Reason:
    with pytest.raises(FaceOffError) as caught:
        room.detect(Photo(photo().pixels, "PNG", data))
    assert caught.value.hint
    return caught.value.reason


def test_the_detector_outlives_photos_that_end_their_decoder(detector: Peer) -> None:
    room = RemoteDetector(detector, Deadline.after(60))
    time_bomb = png(1, 1, b"\0abc", extra=chunk(b"abCd", b"") * 2_000_000)
    assert refused(room, time_bomb) is Reason.IMAGE_TOO_LARGE
    assert refused(room, png(30000, 30000, b"")) is Reason.IMAGE_TOO_LARGE
    assert refused(room, b"\xff\xd8\xff" + bytes(99)) is Reason.IMAGE_CORRUPT
    assert len(room.detect(photo())) == 1
    (child,) = psutil.Process().children()
    child.send_signal(signal.SIGSEGV)
    assert len(room.detect(photo())) == 1


def test_the_amplifier_says_the_same_as_in_process(decoder: Decoder) -> None:
    shown = photo()
    crops = BoxDetector().detect(shown)
    masks = [Mask(0.02 * crops[0].pixels, MaskOutcome.REACHED, 1)]
    add = partial(add_AmplifierServiceServicer_to_server, AmplifierServicer(LocalAmplifier(), decoder.decode))
    with served("faceoff.v1.AmplifierService", add) as server:
        peer = connect(f"127.0.0.1:{server.port}")
        there = RemoteAmplifier(peer, Deadline.after(60)).amplify(shown, crops, masks, Plan(), Encoding())
        peer.close()
    assert there.data == LocalAmplifier().amplify(shown, crops, masks, Plan(), Encoding()).data
