"""python -m services.verifier"""

from __future__ import annotations

from functools import partial

import numpy as np

from faceoff.decoding.pool import Decoder
from faceoff.detect import MtcnnDetector
from faceoff.networks import catalogue
from faceoff.networks.home import default_home
from faceoff.rpc import metrics
from faceoff.rpc.server import run, serve
from faceoff.rpc.serving import ServingNetworks
from faceoff.types import Photo
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from faceoff.verify.panel import Panel
from faceoff.verify.verifier import LocalVerifier
from faceoff.verify.victims.settings import spent, victims_from
from services.verifier.servicer import VerifierServicer
from services.verifier.settings import parse


def main() -> None:
    settings = parse()
    detector = MtcnnDetector()
    networks, cards = ServingNetworks(settings.model_server), catalogue.all_cards(default_home())
    if settings.victims:
        metrics.export_spending(partial(spent, settings.victims))
    blank = Photo(np.zeros((64, 64, 3), np.float32), "PNG", b"")
    with Decoder() as decoder:
        commercial = victims_from(settings.victims, decoder.decode) if settings.victims else {}
        panel = Panel(LocalVerifier(networks, detector, cards, decoder.decode), commercial)
        add = partial(add_VerifierServiceServicer_to_server, VerifierServicer(panel, decoder.decode))
        serve("faceoff.v1.VerifierService", add, settings.server, warm_up=lambda: detector.detect(blank))


if __name__ == "__main__":
    run(main)
