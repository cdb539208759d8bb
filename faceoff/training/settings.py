"""Everything that decides a training, apart from the photos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.options import Precision
from faceoff.types import Loss


class Architecture(StrEnum):
    """The paper's two sizes (its Table 2), and one to try the whole way on a CPU in minutes."""

    TINY = "tiny"
    SMALL = "small"
    LARGE = "large"


class Objective(StrEnum):
    """What the network learns by: FaceNet's triplets, or softmax with the centre loss."""

    TRIPLET = "triplet"
    CENTER = "center"


class Attack(StrEnum):
    """How the adversarial half of a batch is made."""

    PGD = "pgd"
    CW = "cw"


DIMENSIONS = (128, 512)
"""Embedding sizes of the paper's Table 2."""

LARGEST_BATCH = 2048


@dataclass(frozen=True)
class Adversary:
    """Of adversarial training: ``loss`` is what the masks pursue, ``rms`` their size on the network's input in 8-bit levels
    (at most, for CW), ``steps`` how many each is given."""

    attack: Attack
    loss: Loss = Loss.HINGE
    rms: float = 6.0
    steps: int = 10


@dataclass(frozen=True)
class Settings:
    """A batch has ``people`` people (all of them where there are fewer) with ``photos`` photos each. ``adversary`` makes half
    of each person's photos in it adversarial."""

    architecture: Architecture = Architecture.SMALL
    objective: Objective = Objective.TRIPLET
    dimension: int = 128
    epochs: int = 100
    people: int = 16
    photos: int = 4
    learning_rate: float = 1e-3
    precision: Precision = Precision.FLOAT32
    adversary: Adversary | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dimension not in DIMENSIONS:
            raise _invalid(f"The dimension is {self.dimension}.", "It is 128 or 512, as in the paper.")
        if self.epochs < 1:
            raise _invalid(f"There are {self.epochs} epochs.", "Train for at least one.")
        if self.people < 2 or self.photos < 2 or self.people * self.photos > LARGEST_BATCH:
            raise _invalid(
                f"A batch of {self.people} people with {self.photos} photos each cannot be trained on.",
                f"Two or more of both are needed, and at most {LARGEST_BATCH} photos in all.",
            )
        if not (math.isfinite(self.learning_rate) and 0 < self.learning_rate <= 1):
            raise _invalid(f"The learning rate is {self.learning_rate}.", "It must lie between 0 and 1: 0.001, say.")
        if self.adversary:
            _check(self.adversary, self.photos)


def _check(adversary: Adversary, photos: int) -> None:
    if photos % 2:
        raise _invalid(
            f"Half of {photos} photos a person cannot be adversarial.", "Give an even number of photos a person."
        )
    if adversary.loss not in (Loss.TARGET, Loss.HINGE, Loss.DODGE):
        raise _invalid(f"The {adversary.loss} loss is not one of training.", "It is hinge, target or dodge.")
    if not 0 < adversary.rms <= 64 or adversary.steps < 1:
        raise _invalid(
            f"An attack of {adversary.steps} steps and an RMS of {adversary.rms:g} cannot be trained against.",
            "Give one step or more, and an RMS above 0 and up to 64 of 255.",
        )


def _invalid(message: str, hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, message, hint)
