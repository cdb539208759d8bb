"""Does a fetched network do what its card says? What `faceoff models check` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from faceoff.errors import FaceOffError
from faceoff.networks import parity, store
from faceoff.networks.card import Card
from faceoff.networks.fetch import is_right
from faceoff.networks.home import Home
from faceoff.networks.importers import load
from faceoff.networks.local import LocalNetworks
from faceoff.types import CROP_SIZE, Float

TOLERANCE = 1e-3
"""The largest difference to the original runtime, between unit embeddings."""

KNOWN: dict[str, tuple[float, ...]] = {
    "dlib": (-0.07107, 0.0803, 0.01925, -0.0206, -0.06805, -0.01655),
    "facenet": (-0.02826, -0.13112, -0.16946, -0.04969, -0.009, -0.08747),
    "facelib": (0.04663, -0.08953, -0.07325, -0.10176, -0.03152, -0.04601),
    "facenet512": (0.05319, -0.05996, -0.00654, 0.08286, 0.01316, 0.07251),
    "faceplugin": (-0.03951, -0.00071, 0.02507, -0.0191, 0.03243, 0.00228),
    "faceres": (0.00656, 0.0, 0.0, 0.05768, 0.03383, 0.0),
    "mobilefacenet": (-0.00476, 0.01844, -0.00248, 0.0046, -0.01957, -0.03489),
    "sface": (0.00612, 0.00294, -0.03547, -0.13965, 0.09758, 0.12737),
}
"""The first values of the known crop's embedding, for the networks whose weights are pinned."""

LANDMARKS = np.array([(70, 78), (122, 78), (96, 104), (75, 130), (117, 130)], np.float32)


@dataclass(frozen=True)
class Check:
    """``outcome`` is ok, failed or skipped; ``detail`` says what was seen, or why it was skipped."""

    name: str
    outcome: str
    detail: str


def check(card: Card, home: Home) -> Iterator[Check]:
    """Every check of one network. A check that cannot go on ends the list with its failure."""
    try:
        yield _row("weights", is_right(card, home.weights(card)), "hash as pinned" if card.sha256 else "your own file")
        model = store.build([card], home)
        yield Check("model", "ok", f"version {store.newest(model, home)}")
        yield from _embeddings(card, LocalNetworks(home))
        yield _parity(card, home)
    except FaceOffError as error:
        yield Check("check", "failed", str(error))


def _embeddings(card: Card, networks: LocalNetworks) -> Iterator[Check]:
    crop = known_crop()
    inputs = {"images": np.stack([crop, crop[:, ::-1]]), "landmarks": np.stack([LANDMARKS, LANDMARKS])}
    embeddings = networks.call(card.name, "embed", inputs)["embeddings"]
    norms = np.linalg.norm(embeddings, axis=1)
    yield _row(
        "embedding", bool(np.allclose(norms, 1, atol=1e-4)), f"{embeddings.shape[1]} values, norm {norms[0]:.5f}"
    )
    if card.name in KNOWN:
        away = float(np.abs(embeddings[0, : len(KNOWN[card.name])] - KNOWN[card.name]).max())
        yield _row("known crop", away <= TOLERANCE, f"differs by {away:.1e} from the pinned embedding")
    else:
        yield Check("known crop", "skipped", "no embedding is pinned for this network")


def _parity(card: Card, home: Home) -> Check:
    if reason := parity.missing(card):
        return Check("parity", "skipped", reason)
    height, width = card.input_size
    rows, columns = np.linspace(30, 160, height).astype(int), np.linspace(30, 160, width).astype(int)
    view = np.round(known_crop()[rows[:, None], columns[None]] * 255).astype(np.uint8)
    path = home.weights(card)
    ours = load(path, card)(parity.views_for(card, view)).numpy()[0]
    theirs = parity.original(card, path)(view)
    away = float(np.abs(ours / np.linalg.norm(ours) - theirs / np.linalg.norm(theirs)).max())
    return _row("parity", away <= TOLERANCE, f"differs by {away:.1e} from {parity.RUNTIMES[card.format][0]}")


def known_crop() -> Float:
    """A drawn face [S, S, 3], the same everywhere: shaded skin, eyes, brows, nose and mouth on a grey wall."""
    y, x = np.mgrid[0:CROP_SIZE, 0:CROP_SIZE].astype(np.float64)

    def blob(cx: float, cy: float, rx: float, ry: float, edge: float = 0.15) -> Float:
        radius = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
        return np.asarray(1 / (1 + np.exp((radius - 1) / edge)), np.float32)[..., None]

    picture = np.full((CROP_SIZE, CROP_SIZE, 3), (0.45, 0.48, 0.5), np.float32)

    def paint(shape: Float, colour: tuple[float, float, float]) -> None:
        nonlocal picture
        picture = picture * (1 - shape) + shape * np.array(colour, np.float32)

    paint(blob(96, 82, 58, 74), (0.22, 0.15, 0.1))
    paint(blob(96, 104, 46, 62, 0.05), (0.8, 0.62, 0.52))
    for eye in LANDMARKS[:2]:
        paint(blob(eye[0], eye[1] - 12, 14, 3), (0.25, 0.17, 0.12))
        paint(blob(eye[0], eye[1], 10, 5), (0.95, 0.93, 0.92))
        paint(blob(eye[0], eye[1], 4, 4), (0.15, 0.1, 0.08))
    paint(blob(96, 100, 7, 14, 0.5), (0.88, 0.7, 0.6))
    paint(blob(96, 109, 10, 3, 0.4), (0.62, 0.44, 0.36))
    paint(blob(96, 131, 21, 5), (0.68, 0.28, 0.28))
    shade = 0.85 + 0.3 * (x / CROP_SIZE)[..., None]
    return np.asarray(np.clip(picture * shade, 0, 1), np.float32)


def _row(name: str, good: bool, detail: str) -> Check:
    return Check(name, "ok" if good else "failed", detail)
