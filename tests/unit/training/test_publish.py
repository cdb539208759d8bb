from __future__ import annotations

from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.home import Home
from faceoff.training.publish import check_free
from faceoff.training.recipes import blank
from faceoff.training.settings import Settings


@pytest.mark.parametrize(
    ("name", "there", "words"),
    [
        ("dlib", "", "built-in network"),
        ("../x", "", "can be called"),
        ("Mine", "", "can be called"),
        ("mine", "cards/mine.json", "network mine already"),
        ("mine", "cards/mine.toml", "network mine already"),
        ("fsvt", "weights/fsvt/fsvt.h5", "weights of fsvt already"),
    ],
)
def test_names_that_are_taken(name: str, there: str, words: str, tmp_path: Path) -> None:
    if there:
        (tmp_path / there).parent.mkdir(parents=True)
        (tmp_path / there).touch()
    with pytest.raises(FaceOffError, match=words) as raised:
        check_free(blank(name, Settings()), Home(tmp_path), resumed=False)
    assert raised.value.reason is Reason.INVALID_ARGUMENT


def test_weights_of_an_interrupted_training_are_its_own(tmp_path: Path) -> None:
    card, home = blank("mine", Settings()), Home(tmp_path)
    check_free(card, home, resumed=False)
    home.weights(card).parent.mkdir(parents=True)
    home.weights(card).touch()
    check_free(card, home, resumed=True)
