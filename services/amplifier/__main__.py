"""python -m services.amplifier"""

from __future__ import annotations

from functools import partial

from faceoff.amplify import LocalAmplifier
from faceoff.rpc.server import run, serve
from faceoff.v1.amplifier_pb2_grpc import add_AmplifierServiceServicer_to_server
from services.amplifier.servicer import AmplifierServicer
from services.amplifier.settings import parse


def main() -> None:
    add = partial(add_AmplifierServiceServicer_to_server, AmplifierServicer(LocalAmplifier()))
    serve("faceoff.v1.AmplifierService", add, parse())


if __name__ == "__main__":
    run(main)
