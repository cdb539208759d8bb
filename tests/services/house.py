"""The services of a house in this process, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from faceoff.pipeline import Rooms
from faceoff.rpc.connect import connect
from faceoff.rpc.remote import remote_rooms
from faceoff.rpc.server import Settings
from faceoff.testing import served
from faceoff.v1.amplifier_pb2_grpc import add_AmplifierServiceServicer_to_server
from faceoff.v1.attacker_pb2_grpc import add_AttackerServiceServicer_to_server
from faceoff.v1.detector_pb2_grpc import add_DetectorServiceServicer_to_server
from faceoff.v1.protection_pb2_grpc import add_ProtectionServiceServicer_to_server
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from services.amplifier.servicer import AmplifierServicer
from services.attacker.servicer import AttackerServicer
from services.detector.servicer import DetectorServicer
from services.gateway.servicer import ProtectionServicer
from services.gateway.settings import MESSAGE_LIMIT
from services.verifier.servicer import VerifierServicer


@contextmanager
def gateway(rooms: Rooms) -> Iterator[str]:
    """The address of a gateway whose services work in ``rooms``."""
    adders = {
        "Detector": partial(add_DetectorServiceServicer_to_server, DetectorServicer(rooms.detector)),
        "Attacker": partial(add_AttackerServiceServicer_to_server, AttackerServicer(rooms.attacker)),
        "Amplifier": partial(add_AmplifierServiceServicer_to_server, AmplifierServicer(rooms.amplifier)),
        "Verifier": partial(add_VerifierServiceServicer_to_server, VerifierServicer(rooms.verifier)),
    }
    with ExitStack() as stack:
        peers = {}
        for name, add in adders.items():
            server = stack.enter_context(served(f"faceoff.v1.{name}Service", add))
            peers[name.lower()] = connect(f"127.0.0.1:{server.port}")
            stack.callback(peers[name.lower()].close)
        servicer = ProtectionServicer(lambda deadline: remote_rooms(**peers, deadline=deadline))
        add = partial(add_ProtectionServiceServicer_to_server, servicer)
        settings = Settings(grace=1.0, message_limit=MESSAGE_LIMIT)
        yield f"127.0.0.1:{stack.enter_context(served('faceoff.v1.ProtectionService', add, settings)).port}"
