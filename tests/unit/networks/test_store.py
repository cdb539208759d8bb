"""Sets on disk, with a network that is made in the test."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from faceoff.attacks.attacker import LocalAttacker
from faceoff.errors import FaceOffError, Reason
from faceoff.networks import catalogue, store
from faceoff.networks.check import check, known_crop
from faceoff.networks.home import Home
from faceoff.networks.local import LocalNetworks
from faceoff.networks.options import BuildOptions, Precision
from faceoff.networks.sets import set_name
from faceoff.rpc import warmup
from faceoff.types import Array, Plan
from tests.unit import tiny

CARD = """
format = "keras_h5"
filename = "mine.h5"
input_size = [40, 40]
embedding_size = 5
alignment = "arcface"
normalisation = "symmetric"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one user-supplied network, ``mine``."""
    home = Home(tmp_path)
    home.cards.mkdir(parents=True)
    (home.cards / "mine.toml").write_text(CARD)
    write_weights(home, seed=0)
    return home


def write_weights(home: Home, seed: int) -> None:
    keras.utils.set_random_seed(seed)
    images = keras.Input((40, 40, 3))
    x = keras.layers.Conv2D(4, 5, strides=2, activation="relu")(images)
    x = keras.layers.MaxPool2D(3, strides=2)(x)
    model = keras.Model(images, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    path = home.weights(catalogue.card("mine", home))
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)


def embedding(home: Home) -> Array:
    networks = LocalNetworks(home)
    inputs = {"images": known_crop()[None], "landmarks": tiny.LANDMARKS[None]}
    return np.asarray(networks.call("mine", "embed", inputs)["embeddings"][0])


def test_a_users_network_becomes_a_model_once(home: Home) -> None:
    card = catalogue.card("mine", home)
    assert store.build([card], home) == "mine"
    assert store.newest("mine", home) == 1
    stamp = (home.model("mine", 1) / "saved_model.pb").stat().st_mtime_ns
    store.build([card], home)
    assert (home.model("mine", 1) / "saved_model.pb").stat().st_mtime_ns == stamp
    assert np.linalg.norm(embedding(home)) == pytest.approx(1, abs=1e-5)


def test_only_a_set_to_compute_masks_on_has_warm_up_records(home: Home) -> None:
    (home.cards / "yours.toml").write_text(CARD)
    cards = [catalogue.card(name, home) for name in ("mine", "yours")]
    shutil.copytree(home.weights(cards[0]).parent, home.weights(cards[1]).parent)
    for built, there in ((cards[:1], False), (cards, True)):
        assert (home.model(store.build(built, home), 1) / warmup.FILE).exists() == there


def test_other_weights_become_a_higher_version(home: Home) -> None:
    before = embedding(home)
    write_weights(home, seed=1)
    after = embedding(home)
    assert store.newest("mine", home) == 2
    assert not np.allclose(before, after)
    manifest = json.loads((home.model("mine", 2) / store.MANIFEST).read_text())
    assert set(manifest["weights"]) == {"mine"}


def test_options_stay_until_others_are_named(home: Home) -> None:
    def build(options: BuildOptions | None = None) -> tuple[int, str]:
        store.build([catalogue.card("mine", home)], home, options)
        version = store.newest("mine", home)
        return version, json.loads((home.model("mine", version) / store.MANIFEST).read_text())["precision"]

    half = BuildOptions(Precision.BFLOAT16)
    assert build() == build(BuildOptions()) == (1, "float32")
    exact = embedding(home)
    assert build(half) == build(half) == build() == (2, "bfloat16")
    assert 0 < np.abs(embedding(home) - exact).max() < 0.02
    write_weights(home, seed=1)
    assert build() == (3, "bfloat16")
    assert build(BuildOptions()) == (4, "float32")


def test_compiled_steps_give_what_plain_ones_give(home: Home) -> None:
    card = catalogue.card("mine", home)
    crops = tiny.crops(2)
    plan = replace(Plan(), surrogates=("mine",), iterations=3)
    deltas = []
    for xla in (False, True):
        store.build([card], home, BuildOptions(xla=xla))
        saved = (home.model("mine", store.newest("mine", home)) / "saved_model.pb").read_bytes()
        assert (b"_XlaMustCompile\x12\x02(\x01" in saved) is xla
        masks = LocalAttacker(LocalNetworks(home), lambda name: card).attack(crops, plan, lambda progress: None)
        deltas.append(np.stack([mask.delta for mask in masks]))
    assert np.abs(deltas[0]).max() > 0
    assert np.abs(deltas[0] - deltas[1]).mean() < 1e-3


def test_a_build_that_fails_leaves_nothing(home: Home) -> None:
    home.weights(catalogue.card("mine", home)).write_bytes(b"not a model")
    with pytest.raises(FaceOffError):
        store.build([catalogue.card("mine", home)], home)
    models = home.root / "models"
    assert not list(models.rglob("*")) if models.exists() else True


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    for name, command in (("dlib", "faceoff models fetch dlib"), ("flvt", "faceoff models fetch flvt --from FILE")):
        with pytest.raises(FaceOffError) as error:
            store.build([catalogue.card(name)], Home(tmp_path))
        assert error.value.reason is Reason.NETWORK_MISSING
        assert command in error.value.hint


def test_unknown_signature(home: Home) -> None:
    with pytest.raises(FaceOffError) as error:
        LocalNetworks(home).call("mine", "dance", {})
    assert error.value.reason is Reason.INVALID_ARGUMENT


def test_check_of_a_users_network(home: Home) -> None:
    rows = {row.name: row for row in check(catalogue.card("mine", home), home)}
    assert {name: row.outcome for name, row in rows.items()} == {
        "weights": "ok",
        "model": "ok",
        "embedding": "ok",
        "known crop": "skipped",
        "parity": "skipped",
    }
    assert all(row.detail for row in rows.values())


def test_check_tells_wrong_weights(home: Home) -> None:
    home.weights(catalogue.card("mine", home)).write_bytes(b"not a model")
    assert [row.outcome for row in check(catalogue.card("mine", home), home)][-1] == "failed"


def test_a_sets_name_does_not_depend_on_how_it_is_written() -> None:
    assert set_name(("sface", "dlib", "sface")) == set_name(("dlib", "sface")) == "dlib+sface"
