"""AttackerService over a room."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc

from faceoff.rooms import Attacker, Report
from faceoff.rpc import convert, metrics
from faceoff.rpc.server import remaining
from faceoff.rpc.streams import stream
from faceoff.types import Mask
from faceoff.v1 import attacker_pb2, attacker_pb2_grpc


class AttackerServicer(attacker_pb2_grpc.AttackerServiceServicer):
    """``within`` gives the attacker that has so many seconds."""

    def __init__(self, within: Callable[[float], Attacker]) -> None:
        self._within = within

    def Attack(  # noqa: N802
        self, request: attacker_pb2.AttackRequest, context: grpc.ServicerContext
    ) -> Iterator[attacker_pb2.AttackResponse]:
        crops, plan, gallery, priority = convert.from_attack(request)

        def attack(report: Report) -> list[Mask]:
            masks = self._within(remaining(context)).attack(crops, plan, report, gallery, priority)
            metrics.observe_masks(plan, masks)
            return masks

        yield from map(convert.to_attack, stream(context, attack))

    def Check(  # noqa: N802
        self, request: attacker_pb2.AttackerServiceCheckRequest, context: grpc.ServicerContext
    ) -> attacker_pb2.AttackerServiceCheckResponse:
        self._within(remaining(context)).check(request.surrogates)
        return attacker_pb2.AttackerServiceCheckResponse()
