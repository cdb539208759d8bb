"""VerifierService over a room."""

from __future__ import annotations

from dataclasses import replace

import grpc

from faceoff import image
from faceoff.rooms import Verifier
from faceoff.rpc import convert, metrics
from faceoff.rpc.server import remaining
from faceoff.v1 import verifier_pb2, verifier_pb2_grpc


class VerifierServicer(verifier_pb2_grpc.VerifierServiceServicer):
    """``decode`` reads the photos that come in."""

    def __init__(self, verifier: Verifier, decode: image.Decode = image.decode) -> None:
        self._verifier, self._decode = verifier, decode

    def Verify(  # noqa: N802
        self, request: verifier_pb2.VerifyRequest, context: grpc.ServicerContext
    ) -> verifier_pb2.VerifyResponse:
        photo, crops, terms = convert.from_verify(request, self._decode)
        terms = replace(
            terms, seconds=min(terms.seconds, 0.8 * remaining(context))
        )  # a hung victim takes no verdict along
        verdicts = self._verifier.verify(photo, request.protected, crops, request.surrogates, request.victims, terms)
        metrics.observe_verdicts(verdicts)
        return verifier_pb2.VerifyResponse(verdicts=map(convert.to_verdict, verdicts))

    def Check(  # noqa: N802
        self, request: verifier_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> verifier_pb2.CheckResponse:
        self._verifier.check(request.surrogates, request.victims, request.consent)
        return verifier_pb2.CheckResponse()
