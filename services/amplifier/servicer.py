"""AmplifierService over a room."""

from __future__ import annotations

import grpc

from faceoff.rooms import Amplifier
from faceoff.rpc import convert
from faceoff.v1 import amplifier_pb2, amplifier_pb2_grpc


class AmplifierServicer(amplifier_pb2_grpc.AmplifierServiceServicer):
    def __init__(self, amplifier: Amplifier) -> None:
        self._amplifier = amplifier

    def Amplify(  # noqa: N802
        self, request: amplifier_pb2.AmplifyRequest, context: grpc.ServicerContext
    ) -> amplifier_pb2.AmplifyResponse:
        photo, crops, masks, plan, encoding = convert.from_amplify(request)
        candidate = self._amplifier.amplify(photo, crops, masks, plan, encoding)
        return amplifier_pb2.AmplifyResponse(candidate=convert.to_candidate(candidate))
