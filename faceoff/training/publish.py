"""From a trained model to a network like any other: weights that the importer reads, a card, and the set's SavedModel."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from faceoff import __version__
from faceoff.errors import FaceOffError, Reason
from faceoff.files import disk_errors, write_atomically
from faceoff.networks import catalogue, store
from faceoff.networks.card import Card
from faceoff.networks.home import Home
from faceoff.training.faces import Faces
from faceoff.training.quality import Pairs, thresholds

LICENCE = "as the photos it was trained on allow: that is for whoever trained it to say"


def check_free(card: Card, home: Home, resumed: bool) -> None:
    """Raise INVALID_ARGUMENT unless a network may be called ``card.name``: nothing of that name is there, unless it is the
    weights of a training that was interrupted."""
    problem = "", ""
    path = _card_file(card, home)
    if any(known.name == card.name and known.sha256 for known in catalogue.CARDS):
        problem = f"{card.name} is a built-in network.", "Give another name with --out."
    elif not catalogue.NAME.fullmatch(card.name):
        problem = f"No network can be called {card.name!r}.", "Use lower-case letters, digits, - and _."
    elif path.exists() or path.with_suffix(".toml").exists():
        problem = f"There is a network {card.name} already.", f"Give another name with --out, or remove {path}."
    elif home.weights(card).exists() and not resumed:
        problem = f"There are weights of {card.name} already.", "Give another name with --out."
    if problem[0]:
        raise FaceOffError(Reason.INVALID_ARGUMENT, *problem)


def publish(card: Card, model: Any, faces: Faces, found: Pairs, home: Home) -> Card:
    """Write ``model`` as the network of ``card`` with thresholds from ``found``, the held-out pairs, and build its SavedModel.
    Returns the card as it is from now on."""
    trained, held_out = int((~faces.held_out).sum()), int(faces.held_out.sum())
    card = replace(
        card,
        licence=LICENCE,
        source=f"faceoff train, version {__version__}",
        training_data=f"{trained} photos of {faces.people} people, brought by whoever trained it",
        sha256=_save(model, home.weights(card)),
        thresholds=thresholds(found),
        threshold_pairs=f"{len(found.other)} pairs of different people among {held_out} held-out photos of the people it "
        "was trained on: too kind for strangers",
    )
    with disk_errors(_card_file(card, home)):
        home.cards.mkdir(parents=True, exist_ok=True)
    write_atomically(_card_file(card, home), (json.dumps(_fields(card), indent=1) + "\n").encode(), overwrite=False)
    store.build([card], home)
    return card


def _card_file(card: Card, home: Home) -> Path:
    return home.cards / f"{card.name}.json"


def _save(model: Any, path: Path) -> str:
    """Keras's .h5 file with architecture and weights, whole or not at all; its SHA-256."""
    unfinished = path.with_name(f".{secrets.token_hex(4)}.h5")
    try:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            model.save(unfinished)
            with unfinished.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return digest


def _fields(card: Card) -> Mapping[str, Any]:
    """A user's card as the catalogue reads it."""
    fields = asdict(card)
    del fields["name"], fields["carrier"]
    fields["thresholds"] = {str(rate): distance for rate, distance in card.thresholds.items()}
    return fields
