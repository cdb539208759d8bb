"""DetectorService over a room."""

from __future__ import annotations

import grpc

from faceoff import image
from faceoff.rooms import Detector
from faceoff.rpc import convert
from faceoff.v1 import detector_pb2, detector_pb2_grpc


class DetectorServicer(detector_pb2_grpc.DetectorServiceServicer):
    """``decode`` reads the photos that come in."""

    def __init__(self, detector: Detector, decode: image.Decode = image.decode) -> None:
        self._detector, self._decode = detector, decode

    def Detect(  # noqa: N802
        self, request: detector_pb2.DetectRequest, context: grpc.ServicerContext
    ) -> detector_pb2.DetectResponse:
        photo = self._decode(request.photo)
        crops = self._detector.detect(photo)
        return convert.to_detected(crops)
