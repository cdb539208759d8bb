"""python -m services.detector"""

from __future__ import annotations

from functools import partial

import numpy as np

from faceoff.decoding.pool import Decoder
from faceoff.detect import MtcnnDetector
from faceoff.rpc.server import run, serve
from faceoff.types import Photo
from faceoff.v1.detector_pb2_grpc import add_DetectorServiceServicer_to_server
from services.detector.servicer import DetectorServicer
from services.detector.settings import parse


def main() -> None:
    settings = parse()
    detector = MtcnnDetector()
    blank = Photo(np.zeros((64, 64, 3), np.float32), "PNG", b"")
    with Decoder() as decoder:
        add = partial(add_DetectorServiceServicer_to_server, DetectorServicer(detector, decoder.decode))
        serve("faceoff.v1.DetectorService", add, settings, warm_up=lambda: detector.detect(blank))


if __name__ == "__main__":
    run(main)
