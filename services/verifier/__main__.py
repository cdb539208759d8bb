"""python -m services.verifier"""

from __future__ import annotations

from functools import partial

import numpy as np

from faceoff.detect import MtcnnDetector
from faceoff.networks import catalogue
from faceoff.networks.home import default_home
from faceoff.rpc.server import run, serve
from faceoff.rpc.serving import ServingNetworks
from faceoff.types import Photo
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from faceoff.verify.verifier import LocalVerifier
from services.verifier.servicer import VerifierServicer
from services.verifier.settings import parse


def main() -> None:
    settings = parse()
    detector = MtcnnDetector()
    verifier = LocalVerifier(ServingNetworks(settings.model_server), detector, catalogue.all_cards(default_home()))
    add = partial(add_VerifierServiceServicer_to_server, VerifierServicer(verifier))
    blank = Photo(np.zeros((64, 64, 3), np.float32), "PNG", b"")
    serve("faceoff.v1.VerifierService", add, settings.server, warm_up=lambda: detector.detect(blank))


if __name__ == "__main__":
    run(main)
