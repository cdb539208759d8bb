"""python -m services.gateway"""

from __future__ import annotations

from functools import partial

from faceoff.rpc.connect import connect
from faceoff.rpc.remote import remote_rooms
from faceoff.rpc.server import run, serve
from faceoff.v1.protection_pb2_grpc import add_ProtectionServiceServicer_to_server
from services.gateway.servicer import ProtectionServicer
from services.gateway.settings import parse


def main() -> None:
    settings = parse()
    rooms = partial(
        remote_rooms,
        connect(settings.detector),
        connect(settings.attacker),
        connect(settings.amplifier),
        connect(settings.verifier),
    )
    add = partial(add_ProtectionServiceServicer_to_server, ProtectionServicer(rooms))
    serve("faceoff.v1.ProtectionService", add, settings.server)


if __name__ == "__main__":
    run(main)
