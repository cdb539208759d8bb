"""The four rooms over gRPC: real servers and stubs say what the same room says in process."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn
from unittest.mock import Mock

import grpc
import numpy as np
import pytest
from prometheus_client import REGISTRY
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.attacks.attacker import LocalAttacker
from faceoff.errors import FaceOffError, Reason
from faceoff.rpc.connect import Deadline, Peer, connect
from faceoff.rpc.remote import RemoteAmplifier, RemoteAttacker, RemoteDetector, RemoteVerifier
from faceoff.rpc.server import Settings
from faceoff.rpc.serving import ServingNetworks
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker, picture, served
from faceoff.types import Encoding, Mask, MaskOutcome, Photo, Plan, Progress
from faceoff.v1 import attacker_pb2, attacker_pb2_grpc
from faceoff.v1.amplifier_pb2_grpc import add_AmplifierServiceServicer_to_server
from faceoff.v1.attacker_pb2_grpc import add_AttackerServiceServicer_to_server
from faceoff.v1.detector_pb2_grpc import add_DetectorServiceServicer_to_server
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from services.amplifier.servicer import AmplifierServicer
from services.attacker.servicer import AttackerServicer
from services.detector.servicer import DetectorServicer
from services.verifier.servicer import VerifierServicer
from tests.services.test_convert import plain
from tests.unit import tiny

PLAN = Plan(iterations=5, epsilon=0.05)
Start = Callable[[str, Callable[[grpc.Server], None]], Peer]


def ignore(progress: Progress) -> None:
    """A report that nobody reads."""


@pytest.fixture(scope="module")
def photo() -> Photo:
    pixels = picture()
    return image.decode(image.encode(pixels, Photo(pixels, "PNG", b""), Encoding()))


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(20)


@pytest.fixture
def start() -> Iterator[Start]:
    """Serves a servicer and connects to it."""
    ends: list[Callable[[], object]] = []

    def begin(service: str, add: Callable[[grpc.Server], None]) -> Peer:
        running = served(f"faceoff.v1.{service}Service", add, Settings(grace=1.0))
        peer = connect(f"127.0.0.1:{running.__enter__().port}")
        ends.extend((lambda: running.__exit__(None, None, None), peer.close))
        return peer

    yield begin
    for end in reversed(ends):
        end()


def attacker_at(start: Start, room: NoiseAttacker) -> Peer:
    servicer = AttackerServicer(lambda _: room)
    return start("Attacker", lambda server: add_AttackerServiceServicer_to_server(servicer, server))


def test_the_detector(start: Start, photo: Photo, deadline: Deadline) -> None:
    room = BoxDetector(2)
    peer = start("Detector", lambda server: add_DetectorServiceServicer_to_server(DetectorServicer(room), server))
    assert plain(RemoteDetector(peer, deadline).detect(photo)) == plain(room.detect(photo))


def test_a_photo_without_a_face_is_an_answer(start: Start, photo: Photo, deadline: Deadline) -> None:
    room = BoxDetector(0)
    peer = start("Detector", lambda server: add_DetectorServiceServicer_to_server(DetectorServicer(room), server))
    assert RemoteDetector(peer, deadline).detect(photo) == []


def test_a_broken_photo_is_the_callers_fault(start: Start, deadline: Deadline) -> None:
    peer = start(
        "Detector", lambda server: add_DetectorServiceServicer_to_server(DetectorServicer(BoxDetector()), server)
    )
    with pytest.raises(FaceOffError) as caught:
        RemoteDetector(peer, deadline).detect(Photo(picture(), "PNG", b"not a photo"))
    assert caught.value.reason is Reason.UNSUPPORTED_FORMAT
    assert caught.value.hint


def test_the_attacker_reports_and_then_answers(start: Start, photo: Photo, deadline: Deadline) -> None:
    room, crops = NoiseAttacker(), BoxDetector(2).detect(photo)
    seen: list[Progress] = []
    masks = RemoteAttacker(attacker_at(start, room), deadline).attack(crops, PLAN, seen.append)
    assert plain(masks) == plain(room.attack(crops, PLAN, ignore))
    assert seen == [Progress("attack", done, PLAN.iterations) for done in range(PLAN.iterations)]
    labels = {"surrogates": "facenet+faceplugin+mobilefacenet+sface", "method": "pgd_l2"}
    assert (REGISTRY.get_sample_value("faceoff_attack_iterations_total", labels) or 0) >= 2 * PLAN.iterations


def test_the_attacker_is_given_the_gallery(start: Start, photo: Photo, deadline: Deadline) -> None:
    room = Mock(spec=NoiseAttacker)
    room.attack.return_value = []
    gallery = {"a": BoxDetector(1).detect(photo), "b": BoxDetector(2).detect(photo)}
    RemoteAttacker(attacker_at(start, room), deadline).attack([], PLAN, ignore, gallery)
    given = room.attack.call_args.args[3]
    assert [(label, plain(crops)) for label, crops in given.items()] == [
        (label, plain(crops)) for label, crops in gallery.items()
    ]


def test_a_report_that_raises_stops_the_attackers_work(start: Start, photo: Photo, deadline: Deadline) -> None:
    room = NoiseAttacker(pause=0.02)

    def interrupt(progress: Progress) -> None:
        if progress.done == 3:
            raise FaceOffError(Reason.CANCELLED, "Enough.")

    with pytest.raises(FaceOffError, match="Enough"):
        RemoteAttacker(attacker_at(start, room), deadline).attack(
            BoxDetector().detect(photo), Plan(iterations=10_000), interrupt
        )
    assert room.stopped.wait(2)


def test_a_deadline_stops_the_attackers_work(start: Start, photo: Photo) -> None:
    room = NoiseAttacker(pause=0.02)
    began = time.monotonic()
    with pytest.raises(FaceOffError) as caught:
        RemoteAttacker(attacker_at(start, room), Deadline.after(0.5)).attack(
            BoxDetector().detect(photo), Plan(iterations=10_000), ignore
        )
    assert caught.value.reason is Reason.DEADLINE_TOO_SHORT
    assert time.monotonic() - began < 3
    assert room.stopped.wait(2)


class Hanging(PredictionServiceServicer):
    """Answers nobody until it is ``released``; ``given`` has the seconds that each call may take."""

    def __init__(self) -> None:
        self.given: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.released = threading.Event()

    def Predict(self, request: object, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        self.given.put(context.time_remaining())
        self.released.wait(60)
        context.abort(grpc.StatusCode.INTERNAL, "it never knew")


def test_the_networks_are_given_no_more_time_than_the_caller_has(start: Start) -> None:
    """Over a model server that hangs, the attacker is the real one."""
    hanging, model_server = Hanging(), grpc.server(ThreadPoolExecutor(4))
    add_PredictionServiceServicer_to_server(hanging, model_server)
    address = f"127.0.0.1:{model_server.add_insecure_port('127.0.0.1:0')}"
    model_server.start()
    plan, crops = Plan(surrogates=("a",)), tiny.crops(1)
    with ServingNetworks(address) as networks, ThreadPoolExecutor(1) as pool:
        room = LocalAttacker(networks, {"a": tiny.card("a", depth=6)}.__getitem__)
        servicer = AttackerServicer(room.within)
        peer = start("Attacker", lambda server: add_AttackerServiceServicer_to_server(servicer, server))
        short = pool.submit(RemoteAttacker(peer, Deadline.after(5)).attack, crops, plan, ignore)
        assert 0 < hanging.given.get(timeout=30) < 5.5, "gRPC rounds up"
        assert isinstance(error := short.exception(30), FaceOffError)
        assert error.reason is Reason.DEADLINE_TOO_SHORT
        long = pool.submit(RemoteAttacker(peer, Deadline.after(500)).attack, crops, plan, ignore)
        assert 30 < hanging.given.get(timeout=30) < 60.5
        hanging.released.set()
        assert isinstance(error := long.exception(30), FaceOffError)
        assert error.reason is Reason.INTERNAL
    model_server.stop(None).wait()


def test_an_attacker_that_sends_too_few_masks(start: Start, photo: Photo, deadline: Deadline) -> None:
    class Short(attacker_pb2_grpc.AttackerServiceServicer):
        def Attack(self, request: object, context: object) -> Iterator[attacker_pb2.AttackResponse]:  # noqa: N802
            yield attacker_pb2.AttackResponse(masks=attacker_pb2.Masks())

    class Silent(attacker_pb2_grpc.AttackerServiceServicer):
        def Attack(self, request: object, context: object) -> Iterator[attacker_pb2.AttackResponse]:  # noqa: N802
            yield from ()

    for servicer in (Short(), Silent()):
        peer = start("Attacker", lambda server, one=servicer: add_AttackerServiceServicer_to_server(one, server))  # type: ignore[misc]
        with pytest.raises(FaceOffError) as caught:
            RemoteAttacker(peer, deadline).attack(BoxDetector().detect(photo), PLAN, ignore)
        assert caught.value.reason is Reason.INTERNAL


@pytest.mark.parametrize("encoding", [Encoding(), Encoding("JPEG", 90), Encoding("WEBP")])
def test_the_amplifier(start: Start, photo: Photo, deadline: Deadline, encoding: Encoding) -> None:
    room, crops = LocalAmplifier(), BoxDetector(2).detect(photo)
    masks = NoiseAttacker().attack(crops, PLAN, ignore)
    peer = start("Amplifier", lambda server: add_AmplifierServiceServicer_to_server(AmplifierServicer(room), server))
    remote = RemoteAmplifier(peer, deadline).amplify(photo, crops, masks, PLAN, encoding)
    assert plain(remote) == plain(room.amplify(photo, crops, masks, PLAN, encoding))


def test_many_faces_pass_between_the_services(start: Start, photo: Photo, deadline: Deadline) -> None:
    crops = BoxDetector().detect(photo) * 30
    masks = [Mask(np.zeros_like(crop.pixels), MaskOutcome.REACHED, 1) for crop in crops]
    peer = start(
        "Amplifier", lambda server: add_AmplifierServiceServicer_to_server(AmplifierServicer(LocalAmplifier()), server)
    )
    assert len(RemoteAmplifier(peer, deadline).amplify(photo, crops, masks, PLAN, Encoding()).faces) == 30


def test_the_verifier(start: Start, photo: Photo, deadline: Deadline) -> None:
    room, crops = FixedVerifier(), BoxDetector(2).detect(photo)
    peer = start("Verifier", lambda server: add_VerifierServiceServicer_to_server(VerifierServicer(room), server))
    remote = RemoteVerifier(peer, deadline)
    labels = {"victim": "arcface", "outcome": "transferred"}
    before = REGISTRY.get_sample_value("faceoff_verifications_total", labels) or 0.0
    assert remote.verify(photo, b"x", crops, ("facenet",), ("arcface", "dlib")) == room.verify(
        photo, b"x", crops, ("facenet",), ("arcface", "dlib")
    )
    assert remote.verify(photo, b"x", [], (), ()) == []
    assert REGISTRY.get_sample_value("faceoff_verifications_total", labels) == before + 2
    assert REGISTRY.get_sample_value("faceoff_verification_confidence_count", {"victim": "arcface"})


def test_a_service_without_check_refuses_nothing(start: Start, deadline: Deadline) -> None:
    """As one of an older version beside a newer gateway."""

    def old(service: str, method: str) -> Peer:
        name = f"faceoff.v1.{service}Service"
        known: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
        handler = grpc.method_handlers_generic_handler(name, {method: known})
        return start(service, lambda server: server.add_generic_rpc_handlers((handler,)))

    RemoteAttacker(old("Attacker", "Attack"), deadline).check(("nobody",))
    RemoteVerifier(old("Verifier", "Verify"), deadline).check((), ("nobody",), ())


def test_what_a_check_refuses_arrives(start: Start, deadline: Deadline) -> None:
    refused = FaceOffError(Reason.UNKNOWN_NETWORK, "There is no network nobody.", "Known: dlib.")
    attacker, verifier = Mock(spec=NoiseAttacker), Mock(spec=FixedVerifier)
    attacker.check.side_effect = verifier.check.side_effect = refused
    servicer = VerifierServicer(verifier)
    peer = start("Verifier", lambda server: add_VerifierServiceServicer_to_server(servicer, server))
    checks: tuple[Callable[[], None], ...] = (
        lambda: RemoteAttacker(attacker_at(start, attacker), deadline).check(("nobody",)),
        lambda: RemoteVerifier(peer, deadline).check((), ("nobody",), ()),
    )
    for check in checks:
        with pytest.raises(FaceOffError) as caught:
            check()
        assert (caught.value.reason, str(caught.value)) == (refused.reason, str(refused))


def test_calls_of_many_threads(start: Start, photo: Photo, deadline: Deadline) -> None:
    peer = attacker_at(start, NoiseAttacker())
    crops, answers = BoxDetector().detect(photo), []

    def work(seed: int) -> None:
        answers.append((seed, RemoteAttacker(peer, deadline).attack(crops, Plan(iterations=2, seed=seed), ignore)))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, masks in answers:
        assert plain(masks) == plain(NoiseAttacker().attack(crops, Plan(iterations=2, seed=seed), ignore))
    assert len(answers) == 8
