"""AttackerService over a room."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from faceoff.rooms import Attacker, Report
from faceoff.rpc import convert, metrics
from faceoff.rpc.streams import stream
from faceoff.types import Mask
from faceoff.v1 import attacker_pb2, attacker_pb2_grpc


class AttackerServicer(attacker_pb2_grpc.AttackerServiceServicer):
    def __init__(self, attacker: Attacker) -> None:
        self._attacker = attacker

    def Attack(  # noqa: N802
        self, request: attacker_pb2.AttackRequest, context: grpc.ServicerContext
    ) -> Iterator[attacker_pb2.AttackResponse]:
        crops, plan, gallery, priority = convert.from_attack(request)

        def attack(report: Report) -> list[Mask]:
            masks = self._attacker.attack(crops, plan, report, gallery, priority)
            metrics.observe_masks(plan, masks)
            return masks

        yield from map(convert.to_attack, stream(context, attack))
