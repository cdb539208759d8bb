from __future__ import annotations

from typing import Any

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import Alignment, Format
from faceoff.training.recipes import blank
from faceoff.training.settings import Adversary, Architecture, Attack, Objective, Settings
from faceoff.types import Loss


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dimension": 100}, "128 or 512"),
        ({"epochs": 0}, "at least one"),
        ({"people": 1}, "Two or more"),
        ({"people": 1024, "photos": 4}, "at most 2048"),
        ({"learning_rate": float("nan")}, "between 0 and 1"),
        ({"photos": 3, "adversary": Adversary(Attack.PGD)}, "even number"),
        ({"adversary": Adversary(Attack.PGD, Loss.CROWD)}, "hinge, target or dodge"),
        ({"adversary": Adversary(Attack.CW, rms=0)}, "RMS above 0"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(FaceOffError, match=words) as raised:
        Settings(**wrong)
    assert raised.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("architecture", "objective", "dimension", "size", "built_as"),
    [  # Table 2: FSVT, CSVC, FLVT, FLVC; FLCT is FLVT with 512 values
        (Architecture.SMALL, Objective.TRIPLET, 128, (96, 96), "facenet_nn4_small"),
        (Architecture.SMALL, Objective.CENTER, 512, (112, 96), "centerloss_resnet"),
        (Architecture.LARGE, Objective.TRIPLET, 128, (160, 160), "inception_resnet_v1"),
        (Architecture.LARGE, Objective.CENTER, 512, (160, 160), "inception_resnet_v1"),
        (Architecture.LARGE, Objective.TRIPLET, 512, (160, 160), "inception_resnet_v1"),
    ],
)
def test_the_paper_s_networks(
    architecture: Architecture, objective: Objective, dimension: int, size: tuple[int, int], built_as: str
) -> None:
    card = blank("mine", Settings(architecture, objective, dimension))
    assert (card.input_size, card.embedding_size, card.architecture) == (size, dimension, built_as)
    assert card.format is Format.KERAS_WEIGHTS
    assert card.carrier is None
    assert not card.sha256
    assert (card.alignment is Alignment.CENTERLOSS) == (size == (112, 96))


def test_a_card_says_how_it_was_trained() -> None:
    card = blank("mine", Settings(objective=Objective.CENTER, dimension=512, adversary=Adversary(Attack.PGD)))
    assert card.loss == "softmax with centre loss, adversarially (pgd)"
    assert card.title == f"Trained here: small (centerloss_resnet), {card.loss}"
    assert card.filename == "mine.h5"
