"""faceoff models thresholds: from a folder of people to what a card takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceoff import image
from faceoff.cli import main
from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.testing import BoxDetector, picture
from faceoff.types import Array, Encoding, Photo
from tests.unit.cli.fakes import Fakes

CARD = """
format = "onnx"
input_size = [112, 112]
embedding_size = 8
alignment = "arcface"
normalisation = "symmetric"
"""


class Colours:
    """faceoff.rooms.Networks that tells faces by their mean colours in eight places."""

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        means = inputs["images"][:, :192:48, ::96].reshape(len(inputs["images"]), -1)[:, :8] - 0.5
        return {"embeddings": means / np.linalg.norm(means, axis=1, keepdims=True)}

    def version(self, model: str) -> str:
        return "1"


@pytest.fixture
def people(album: Path, fakes: Fakes) -> Path:
    """Nine people with two photos each."""
    for seed in range(9):
        (album / "people" / str(seed)).mkdir(parents=True)
        for shot in range(2):
            pixels = np.clip(picture(seed=seed) + np.float32(shot / 100), 0, 1)
            data = image.encode(pixels, Photo(pixels, "PNG", b""), Encoding())
            (album / "people" / str(seed) / f"{shot}.png").write_bytes(data)
    (fakes.home / "cards").mkdir()
    (fakes.home / "cards" / "mine.toml").write_text(CARD)
    return album / "people"


def test_what_is_printed_completes_a_card(people: Path, fakes: Fakes, capsys: pytest.CaptureFixture[str]) -> None:
    parts = replace(fakes.parts, detector=BoxDetector, networks=lambda home: Colours())
    assert main(["models", "thresholds", str(people), "mine"], parts) == 1
    said = capsys.readouterr().out
    assert "# mine: 9 pairs of one person and 144 of two, among 9 people" in said
    assert "# 0.01 is left out: it needs 300 pairs of different people" in said
    (fakes.home / "cards" / "mine.toml").write_text(CARD + said)
    card = catalogue.card("mine", Home(fakes.home))
    assert list(card.thresholds) == [0.1]
    assert card.threshold_pairs.startswith("9 pairs of one person")

    assert main(["models", "thresholds", str(people), "mine", "--json"], parts) == 1
    (line,) = capsys.readouterr().out.splitlines()
    first, second, _ = json.loads(line)["thresholds"]
    assert first["distance"] == card.thresholds[0.1]
    assert first["impostors"]["successes"] <= 14
    assert first["genuine"]["successes"] == 9
    assert (second["distance"], second["needed"]) == (None, 300)


def test_a_folder_without_people(album: Path, fakes: Fakes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "thresholds", "."], fakes.parts) == 2
    assert "has no sub-folder" in capsys.readouterr().err
