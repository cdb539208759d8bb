"""The commercial victims' look-alikes with a network of the catalogue behind them: what they answer is what it sees."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.pipeline import Request, Rooms, protect
from faceoff.presets import STRENGTHS
from faceoff.testing.lookalike import LookAlike, network, settings
from faceoff.types import Outcome
from faceoff.verify.scores import TAU, distance, score, threshold
from faceoff.verify.victims.asking import consented
from faceoff.verify.victims.settings import victims_from
from faceoff.verify.victims.together import ask_all
from faceoff.verify.victims.victim import Picture
from tests.real.conftest import png


def test_all_four_lose_a_protected_face_and_know_a_clean_one(
    home: Home, rooms: Rooms, astronaut: bytes, tmp_path: Path
) -> None:
    result = protect(astronaut, Request(STRENGTHS["balanced"], victims=("dlib",)), rooms, lambda _: None)
    nobody = png(Image.fromarray(np.random.default_rng(0).integers(96, 160, (256, 256, 3), np.uint8)))
    embed, limit = network("dlib")
    assert limit == threshold(catalogue.card("dlib", home))
    with LookAlike(embed, threshold=limit) as server:
        victims = victims_from(settings(tmp_path, server.url, server.keys))
        clean = io.BytesIO()
        Image.open(io.BytesIO(astronaut)).save(clean, "JPEG", quality=90)
        pairs = [(Picture(astronaut), Picture(data)) for data in (clean.getvalue(), result.candidate.data, nobody)]
        answers = ask_all(consented(victims, victims), pairs, 120.0)
    apart = distance(embed(astronaut)[0][1], embed(result.candidate.data)[0][1])
    for name, (same, protected, none) in answers.items():
        assert same.score is not None, (name, same)
        assert same.score > 0.8
        assert protected.score == pytest.approx(score(apart, limit), abs=1e-4), name
        assert protected.score is not None
        assert protected.score < TAU
        assert none.failure is Outcome.NO_FACE_PROTECTED, (name, none)
