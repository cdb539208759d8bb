"""What each room of the line offers. One set of implementations runs in process, one over gRPC (faceoff.rpc.remote)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from faceoff.types import (
    Array,
    Candidate,
    Crop,
    Encoding,
    Gallery,
    Mask,
    Photo,
    Plan,
    Priority,
    Progress,
    Terms,
    Verdict,
)

Report = Callable[[Progress], None]
"""Called as the work goes on. It may raise to stop the work: that is how a cancellation or a deadline gets in."""


class Detector(Protocol):
    def detect(self, photo: Photo) -> list[Crop]:
        """Every face of the photo, cut out, the largest first; an empty list when there is none."""


class Attacker(Protocol):
    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        """One mask a crop, in the crops' order. A crop's mask does not depend on the other crops."""

    def check(self, surrogates: Sequence[str]) -> None:
        """Raise what ``attack`` would raise for these names, before there is a face to attack."""


class Amplifier(Protocol):
    def amplify(
        self, photo: Photo, crops: Sequence[Crop], masks: Sequence[Mask], plan: Plan, encoding: Encoding
    ) -> Candidate:
        """The photo with every mask amplified, pasted and encoded."""


class Verifier(Protocol):
    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        """What each victim says of each face of the encoded result. No ``victims``: every local network that is not a
        surrogate, and the commercial victims that the terms consent to. Raises VICTIM_IS_SURROGATE when a victim took part
        in the mask."""

    def check(self, surrogates: Sequence[str], victims: Sequence[str], consent: Sequence[str]) -> None:
        """Raise what ``verify`` would raise for these names, and INVALID_ARGUMENT for a commercial victim that is not consented
        to, before there is a result to verify."""


class Networks(Protocol):
    """The networks' signatures, wherever they run: this process, our model server or TensorFlow Serving."""

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        """Run one signature of a model's newest version. No ``outputs``: all of them."""

    def version(self, model: str) -> str:
        """The version that answers now."""
