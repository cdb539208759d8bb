"""AmplifierService over a room."""

from __future__ import annotations

import grpc

from faceoff import image
from faceoff.rooms import Amplifier
from faceoff.rpc import convert
from faceoff.v1 import amplifier_pb2, amplifier_pb2_grpc


class AmplifierServicer(amplifier_pb2_grpc.AmplifierServiceServicer):
    """``decode`` reads the photos that come in."""

    def __init__(self, amplifier: Amplifier, decode: image.Decode = image.decode) -> None:
        self._amplifier, self._decode = amplifier, decode

    def Amplify(  # noqa: N802
        self, request: amplifier_pb2.AmplifyRequest, context: grpc.ServicerContext
    ) -> amplifier_pb2.AmplifyResponse:
        photo, crops, masks, plan, encoding = convert.from_amplify(request, self._decode)
        candidate = self._amplifier.amplify(photo, crops, masks, plan, encoding)
        return amplifier_pb2.AmplifyResponse(candidate=convert.to_candidate(candidate))
