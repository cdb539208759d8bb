"""The rooms over gRPC: each offers faceoff.rooms' protocol and asks a service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import grpc

from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Rooms
from faceoff.rooms import Report
from faceoff.rpc import convert
from faceoff.rpc.connect import Deadline, Peer, calling, reading
from faceoff.types import Candidate, Crop, Encoding, Gallery, Mask, Photo, Plan, Priority, Terms, Verdict
from faceoff.v1 import amplifier_pb2, attacker_pb2, detector_pb2, verifier_pb2
from faceoff.v1.amplifier_pb2_grpc import AmplifierServiceStub
from faceoff.v1.attacker_pb2_grpc import AttackerServiceStub
from faceoff.v1.detector_pb2_grpc import DetectorServiceStub
from faceoff.v1.verifier_pb2_grpc import VerifierServiceStub


def remote_rooms(detector: Peer, attacker: Peer, amplifier: Peer, verifier: Peer, deadline: Deadline) -> Rooms:
    """Rooms whose every call ends by ``deadline``. They are cheap: make them for each photo, over the same peers."""
    return Rooms(
        RemoteDetector(detector, deadline),
        RemoteAttacker(attacker, deadline),
        RemoteAmplifier(amplifier, deadline),
        RemoteVerifier(verifier, deadline),
    )


@dataclass(frozen=True)
class RemoteDetector:
    peer: Peer
    deadline: Deadline

    def detect(self, photo: Photo) -> list[Crop]:
        request = detector_pb2.DetectRequest(photo=photo.source)
        with calling(self.peer):
            response = DetectorServiceStub(self.peer.channel).Detect(request, timeout=self.deadline.left())
        with reading(self.peer):
            return convert.from_crops(response.crops, photo)


@dataclass(frozen=True)
class RemoteAttacker:
    peer: Peer
    deadline: Deadline

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        request = attacker_pb2.AttackRequest(
            crops=map(convert.to_crop, crops),
            plan=convert.to_plan(plan),
            gallery=convert.to_gallery(gallery),
            priority=convert.to_priority(priority),
        )
        masks = None
        with calling(self.peer):
            call = AttackerServiceStub(self.peer.channel).Attack(request, timeout=self.deadline.left())
            try:
                for response in call:  # to its end: what is cancelled does not count as done
                    if response.WhichOneof("part") == "masks":
                        with reading(self.peer):
                            masks = convert.from_masks(response.masks.masks, crops)
                    else:
                        report(convert.from_progress(response.progress))
            finally:
                call.cancel()  # where report raised; a call that has ended does not mind
        if masks is None:
            raise FaceOffError(Reason.INTERNAL, f"The attacker at {self.peer.address} sent no masks.")
        return masks

    def check(self, surrogates: Sequence[str]) -> None:
        request = attacker_pb2.AttackerServiceCheckRequest(surrogates=surrogates)
        with calling(self.peer), _checking():
            AttackerServiceStub(self.peer.channel).Check(request, timeout=self.deadline.left())


@dataclass(frozen=True)
class RemoteAmplifier:
    peer: Peer
    deadline: Deadline

    def amplify(
        self, photo: Photo, crops: Sequence[Crop], masks: Sequence[Mask], plan: Plan, encoding: Encoding
    ) -> Candidate:
        request = amplifier_pb2.AmplifyRequest(
            photo=photo.source,
            crops=map(convert.to_crop, crops),
            masks=map(convert.to_mask, masks),
            plan=convert.to_plan(plan),
            encoding=convert.to_encoding(encoding),
        )
        with calling(self.peer):
            response = AmplifierServiceStub(self.peer.channel).Amplify(request, timeout=self.deadline.left())
        with reading(self.peer):
            return convert.from_candidate(response.candidate)


@dataclass(frozen=True)
class RemoteVerifier:
    peer: Peer
    deadline: Deadline

    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        request = verifier_pb2.VerifyRequest(
            photo=photo.source,
            protected=protected,
            crops=map(convert.to_crop, crops),
            surrogates=surrogates,
            victims=victims,
            references=terms.references,
            consent=terms.consent,
            views=convert.to_views(terms),
            tenant=terms.tenant,
        )
        with calling(self.peer):
            response = VerifierServiceStub(self.peer.channel).Verify(request, timeout=self.deadline.left())
        with reading(self.peer):
            return [convert.from_verdict(verdict) for verdict in response.verdicts]

    def check(self, surrogates: Sequence[str], victims: Sequence[str], consent: Sequence[str]) -> None:
        request = verifier_pb2.CheckRequest(surrogates=surrogates, victims=victims, consent=consent)
        with calling(self.peer), _checking():
            VerifierServiceStub(self.peer.channel).Check(request, timeout=self.deadline.left())


@contextmanager
def _checking() -> Iterator[None]:
    """Inside, a service of an older version, which cannot be asked, refuses nothing: it does when it has the work to do."""
    try:
        yield
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
