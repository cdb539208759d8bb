"""Network sets on disk: weights in, SavedModels out, in the layout that TensorFlow Serving reads."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceoff.errors import FaceOffError, Reason
from faceoff.files import disk_errors
from faceoff.networks.card import Card
from faceoff.networks.home import Home
from faceoff.networks.options import DEFAULT, BuildOptions, Precision
from faceoff.networks.sets import set_name

FORMAT = 9
"""Raised whenever the exported graph changes, so that older exports are built again."""

MANIFEST = "faceoff.json"


def build(cards: Sequence[Card], home: Home, options: BuildOptions | None = None) -> str:
    """Convert the cards' weight files into one set's SavedModel and return the model's name.

    A set that is already there from the same weights is left alone; else a higher version appears beside the old one,
    whole or not at all. ``options`` that are not given are those of the newest version. Raises NETWORK_MISSING when a
    weight file has not been fetched, INVALID_ARGUMENT when a network cannot be computed as the options say, and DISK_FULL.
    """
    name = set_name([card.name for card in cards])
    latest = newest(name, home)
    present = _manifest(home.model(name, latest)) if latest else {}
    options = options or _options(present)
    manifest = {"format": FORMAT, "weights": {card.name: _digest(card, home) for card in cards}, **asdict(options)}
    if present == manifest:
        return name

    # TensorFlow takes seconds to import: only a build needs it.
    import tensorflow as tf

    from faceoff.attacks.export import export, first_calls
    from faceoff.networks.importers import load
    from faceoff.networks.sets import NetworkSet
    from faceoff.rpc import warmup

    network = NetworkSet([(card, load(home.weights(card), card)) for card in cards], options)
    folder = home.model(name, latest + 1)
    unfinished = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        with disk_errors(folder):
            unfinished.parent.mkdir(parents=True, exist_ok=True)
            try:
                export(network, unfinished)
                if len(cards) > 1:  # one alone is a victim as a rule, and nobody computes masks on it
                    warmup.write(unfinished, name, first_calls(network))
            except tf.errors.ResourceExhaustedError as error:  # TensorFlow's word for a full disk
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
            unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return name


def newest(model: str, home: Home) -> int:
    """The highest version of a model in the store, 0 when there is none."""
    folder = home.model(model, 0).parent
    versions = (int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else ()
    return max(versions, default=0)


def _digest(card: Card, home: Home) -> str:
    """Names the weights: the pinned hash where there is one, which fetch has verified."""
    path = home.weights(card)
    if not path.exists():
        raise FaceOffError(
            Reason.NETWORK_MISSING,
            f"The weights of {card.name} are not here.",
            f"Run `faceoff models fetch {card.name}`."
            if card.carrier
            else f"Run `faceoff models fetch {card.name} --from FILE`.",
        )
    if card.sha256:
        return card.sha256
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(str(file.relative_to(path)).encode())
            with file.open("rb") as content:
                while block := content.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _options(manifest: Mapping[str, Any]) -> BuildOptions:
    try:
        return BuildOptions(Precision(manifest["precision"]), bool(manifest["xla"]))
    except (KeyError, ValueError):  # of an older format
        return DEFAULT
