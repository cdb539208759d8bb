"""DetectorService over a room."""

from __future__ import annotations

import grpc

from faceoff import image
from faceoff.rooms import Detector
from faceoff.rpc import convert
from faceoff.v1 import detector_pb2, detector_pb2_grpc


class DetectorServicer(detector_pb2_grpc.DetectorServiceServicer):
    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def Detect(  # noqa: N802
        self, request: detector_pb2.DetectRequest, context: grpc.ServicerContext
    ) -> detector_pb2.DetectResponse:
        photo = image.decode(request.photo)
        crops = self._detector.detect(photo)
        return convert.to_detected(crops)
