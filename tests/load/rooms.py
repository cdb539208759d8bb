"""A room that takes no face network, as a process: python -m tests.load.rooms detector --listen ... --metrics ... --grace ...

The attacker asks the model server as often as a real one does, of a network that does nothing. Plans say what happens: a seed
of UNLUCKY finds no model server. The verifier asks a commercial victim, too, which works one time of three, and then has no
money left."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from faceoff.amplify import LocalAmplifier
from faceoff.errors import FaceOffError, Reason
from faceoff.rooms import Networks, Report
from faceoff.rpc import metrics, server
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Crop, Gallery, Mask, Outcome, Photo, Plan, Priority, Progress, Terms, Verdict
from faceoff.v1.amplifier_pb2_grpc import add_AmplifierServiceServicer_to_server
from faceoff.v1.attacker_pb2_grpc import add_AttackerServiceServicer_to_server
from faceoff.v1.detector_pb2_grpc import add_DetectorServiceServicer_to_server
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from faceoff.verify.victims.budget import Spending
from services.amplifier.servicer import AmplifierServicer
from services.attacker.servicer import AttackerServicer
from services.detector.servicer import DetectorServicer
from services.verifier.servicer import VerifierServicer

UNLUCKY = 13
SURROGATE = "tiny"
CHUNK = 5
"""Iterations of one call to the model server."""
COMMERCIAL = "commercial"


class Attacker(NoiseAttacker):
    def __init__(self, pause: float, networks: Networks) -> None:
        super().__init__(pause)
        self._networks = networks

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        if plan.seed == UNLUCKY:
            raise FaceOffError(Reason.SURROGATE_UNAVAILABLE, "No model server answers.")
        metrics.observe_batch(len(crops))

        def ask(progress: Progress) -> None:
            if progress.done % CHUNK == 0:
                self._networks.call(SURROGATE, "serving_default", {"x": np.ones((1, 3), np.float32)})
            report(progress)

        return super().attack(crops, plan, ask, gallery, priority)


class Verifier(FixedVerifier):
    def __init__(self) -> None:
        self._turns = itertools.cycle((Outcome.NOT_TRANSFERRED, Outcome.ERROR, Outcome.OVER_BUDGET))
        metrics.export_spending(lambda: {COMMERCIAL: [Spending("USD", Decimal("0.01"), 1, Decimal(0), 0)]})

    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        ours = super().verify(photo, protected, crops, surrogates, victims, terms)
        outcome = next(self._turns)
        score = 0.7 if outcome is Outcome.NOT_TRANSFERRED else None
        return [*ours, Verdict(0, COMMERCIAL, "1", "2026-01-01", 0.9, score, 0.5, outcome)]


def room(name: str, pause: float, model_server: str) -> tuple[str, Callable[[Any], None]]:
    match name:
        case "detector":
            return "Detector", partial(add_DetectorServiceServicer_to_server, DetectorServicer(BoxDetector()))
        case "attacker":
            from faceoff.rpc.serving import ServingNetworks  # slow to import, and the other rooms do without

            attacker = Attacker(pause, ServingNetworks(model_server))
            return "Attacker", partial(add_AttackerServiceServicer_to_server, AttackerServicer(lambda _: attacker))
        case "amplifier":
            return "Amplifier", partial(add_AmplifierServiceServicer_to_server, AmplifierServicer(LocalAmplifier()))
        case "verifier":
            return "Verifier", partial(add_VerifierServiceServicer_to_server, VerifierServicer(Verifier()))
    raise ValueError(name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--pause", type=float, default=0.005, help="seconds of an iteration")
    parser.add_argument("--model-server")
    server.add_arguments(parser, port=0)
    options = parser.parse_args()
    service, add = room(options.name, options.pause, options.model_server)
    server.serve(f"faceoff.v1.{service}Service", add, server.settings(options))


if __name__ == "__main__":
    server.run(main)
