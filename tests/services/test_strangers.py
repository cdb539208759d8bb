"""A service that decodes in child processes, and photos that are made to end it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.decoding.pool import Decoder
from faceoff.decoding.upright import read
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Networks
from faceoff.rpc.connect import Deadline, Peer, connect
from faceoff.rpc.remote import RemoteAmplifier, RemoteDetector, RemoteVerifier
from faceoff.testing import BoxDetector, picture, served
from faceoff.testing.lookalike import LookAlike, settings
from faceoff.types import Encoding, Mask, MaskOutcome, Outcome, Photo, Plan, Terms, Verdict, View
from faceoff.v1.amplifier_pb2_grpc import add_AmplifierServiceServicer_to_server
from faceoff.v1.detector_pb2_grpc import add_DetectorServiceServicer_to_server
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from faceoff.verify.panel import Panel
from faceoff.verify.verifier import LocalVerifier
from faceoff.verify.victims.settings import victims_from
from services.amplifier.servicer import AmplifierServicer
from services.detector.servicer import DetectorServicer
from services.verifier.servicer import VerifierServicer
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


Ask = Callable[[bytes, bytes, Terms], list[Verdict]]


@pytest.fixture
def verify(decoder: Decoder, tmp_path: Path) -> Iterator[Ask]:
    """A verifier with a commercial victim, which finds no face in any picture."""
    with LookAlike(lambda _: []) as look_alike:
        victims = victims_from(settings(tmp_path, look_alike.url, look_alike.keys), decoder.decode)
        panel = Panel(LocalVerifier(Mock(spec=Networks), BoxDetector(), [], decoder.decode), victims)
        add = partial(add_VerifierServiceServicer_to_server, VerifierServicer(panel, decoder.decode))
        with served("faceoff.v1.VerifierService", add) as server:
            peer = connect(f"127.0.0.1:{server.port}")
            shown = photo()
            crops = BoxDetector().detect(shown)

            def ask(original: bytes, protected: bytes, terms: Terms) -> list[Verdict]:
                sent = Photo(shown.pixels, "PNG", original)
                return RemoteVerifier(peer, Deadline.after(60)).verify(sent, protected, crops, (), ("facepp",), terms)

            yield ask
            peer.close()


def photo(seed: int = 0) -> Photo:
    pixels = picture(seed=seed)
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


@pytest.mark.parametrize("role", ["original", "protected", "reference"])
def test_the_verifier_outlives_photos_that_end_their_decoder(verify: Ask, role: str) -> None:
    def ask(data: bytes) -> list[Verdict]:
        sent = {name: photo(seed).source for seed, name in enumerate(("original", "protected", "reference"))}
        sent[role] = data
        return verify(sent["original"], sent["protected"], Terms((sent["reference"],), ("facepp",)))

    for data, reason in (
        (png(1, 1, b"\0abc", extra=chunk(b"abCd", b"") * 2_000_000), Reason.IMAGE_TOO_LARGE),
        (png(30000, 30000, b""), Reason.IMAGE_TOO_LARGE),
        (b"\xff\xd8\xff" + bytes(99), Reason.IMAGE_CORRUPT),
    ):
        with pytest.raises(FaceOffError) as caught:
            ask(data)
        assert caught.value.reason is reason
        assert caught.value.hint
    assert [verdict.outcome for verdict in ask(photo(9).source)] == [Outcome.NO_FACE_REFERENCE]


def test_the_verifier_decodes_no_strangers_photo_itself(verify: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    original, protected, reference = (photo(seed).source for seed in range(3))
    decoded: list[bytes] = []

    def spy(data: bytes, *arguments: int) -> object:
        decoded.append(data)
        return read(data, *arguments)

    monkeypatch.setattr("faceoff.image.read", spy)
    image.decode(original)
    assert decoded.pop() == original  # the spy sees what it is there to see
    (one,) = verify(original, protected, Terms((reference, original), ("facepp",)))
    assert one.outcome is Outcome.NO_FACE_REFERENCE
    assert not decoded
    assert len(verify(original, protected, Terms((reference, original), ("facepp",), tuple(View)))) == len(View)
    assert decoded
    assert not {original, protected, reference} & set(decoded)
