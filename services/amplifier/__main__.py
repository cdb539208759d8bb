"""python -m services.amplifier"""

from __future__ import annotations

from functools import partial

from faceoff.amplify import LocalAmplifier
from faceoff.decoding.pool import Decoder
from faceoff.rpc.server import run, serve
from faceoff.v1.amplifier_pb2_grpc import add_AmplifierServiceServicer_to_server
from services.amplifier.servicer import AmplifierServicer
from services.amplifier.settings import parse


def main() -> None:
    settings = parse()
    with Decoder() as decoder:
        add = partial(add_AmplifierServiceServicer_to_server, AmplifierServicer(LocalAmplifier(), decoder.decode))
        serve("faceoff.v1.AmplifierService", add, settings)


if __name__ == "__main__":
    run(main)
