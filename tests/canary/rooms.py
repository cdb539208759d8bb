"""Four rooms in a process of their own, behind the services' own servicers: quick, and with mistakes that quote what they
have. python -m tests.canary.rooms METRICS_ADDRESS"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import MappingProxyType

from faceoff.amplify import LocalAmplifier
from faceoff.networks import catalogue
from faceoff.pipeline import Rooms
from faceoff.rooms import Report
from faceoff.rpc import logs, server, traces
from faceoff.rpc.server import Server, Settings
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Crop, Gallery, Mask, Photo, Plan, Priority, Progress, Terms, Verdict
from tests.services.house import served_rooms

FACELESS, BREAKS_DETECTOR, BREAKS_VERIFIER = 192, 208, 224
"""Widths of photos that show no face, and that end in a mistake."""

BREAKS_ATTACKER, LONG = Priority.CAMPAIGN, Priority.BULK
"""Photos that end in a mistake of the attacker, and those that take a minute."""


class Mistake(Exception):
    """Its words are what it has in its hands."""


class Detector(BoxDetector):
    def detect(self, photo: Photo) -> list[Crop]:
        if photo.width == BREAKS_DETECTOR:
            raise Mistake(photo.source)
        return [] if photo.width == FACELESS else super().detect(photo)


class Attacker(NoiseAttacker):
    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        if priority is BREAKS_ATTACKER:
            raise Mistake([crop.pixels.tobytes() for crop in crops])
        for step in range(600 if priority is LONG else 0):
            report(Progress("attack", step, 600))
            time.sleep(0.1)
        return super().attack(crops, plan, report, gallery, priority)


class Verifier(FixedVerifier):
    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        if photo.width == BREAKS_VERIFIER:
            raise Mistake(photo.source, protected, terms.references)
        for name in victims:
            catalogue.card(name)  # as the real one does
        return super().verify(photo, protected, crops, surrogates, victims, terms)


def main() -> None:
    traces.on()
    stop = server.stopping()
    rooms = Rooms(Detector(1), Attacker(), LocalAmplifier(), Verifier())
    with ExitStack() as stack:
        addresses = stack.enter_context(served_rooms(rooms))
        metrics = Server("faceoff.rooms", lambda _: None, Settings(metrics=sys.argv[1], grace=1.0))
        metrics.start()
        stack.callback(metrics.stop)
        for name, address in addresses.items():
            logs.event("serving", service=name, address=address)
        while not stop.wait(1) and os.getppid() != 1:
            pass


if __name__ == "__main__":
    server.run(main)
