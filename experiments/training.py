"""python -m experiments.training: what adversarial training costs and brings (paper section 6.2, Tables 4 and 7).

The claim: a network trained on half adversarial batches recognises unmasked faces less well and masked ones better. The paper
trains its FLVC for 3000 epochs on 23,435 photos of 50 people of VGGFace2. Top-1 on VGGFace2 falls from 60.13 % to 48.22 %,
matching from 83.6 % to 71.8 %, and top-1 on masked photos rises from 41.49 % to 48.59 %. Here it is a network of four
convolutions on a folder of some people, so only the directions can be compared. Per seed, which also chooses the held-out
photos, three networks are trained and published like any of a user's, and each is attacked by the project's own PGD.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from faceoff import files
from faceoff.attacks.attacker import LocalAttacker
from faceoff.detect import MtcnnDetector
from faceoff.errors import FaceOffError
from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.networks.local import LocalNetworks
from faceoff.rooms import Report
from faceoff.training import publish, quality, trainer
from faceoff.training.checkpoint import Checkpoint
from faceoff.training.faces import Faces, gather
from faceoff.training.recipes import blank
from faceoff.training.settings import Adversary, Architecture, Attack, Objective, Settings
from faceoff.types import OWN, Array, Box, Crop, Face, Float, Loss, Method, Plan, Progress, Transform
from faceoff.verify.intervals import wilson

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "experiments" / "results" / "training"
PAGE = ROOT / "docs" / "training.md"
PLACE = re.compile(r"(<!-- results -->\n).*(<!-- end of results -->\n)", re.DOTALL)

NATURAL = Settings(
    architecture=Architecture.TINY, objective=Objective.CENTER, dimension=512, people=10, photos=4, epochs=60
)
VARIANTS: Mapping[str, Settings] = {
    "natural": NATURAL,
    **{f"adversarial ({attack})": replace(NATURAL, adversary=Adversary(attack)) for attack in Attack},
}

SIZES = (2.0, 6.0)
"""RMS over the face of the masks that all are measured under, in 8-bit levels: of the strengths subtle and strong."""

PLAN = Plan(method=Method.PGD_L2, loss=Loss.DODGE, surrogates=("trained",), iterations=20)
"""Table 1's PGD with 20 iterations, away from the person; its epsilon is that of SIZES."""

Counts = dict[str, list[int]]
"""Successes and trials, by figure."""


def _quiet(progress: Progress) -> None:
    pass


def measure(folder: Path, seeds: int) -> dict[str, Any]:
    """Train and measure every variant for every seed; all figures as shares with their trials added up over the seeds."""
    totals: dict[str, Counts] = {}
    start = time.monotonic()
    detector = MtcnnDetector()
    for seed in range(seeds):
        with gather(folder, detector, _quiet, seed) as faces:
            for name, settings in VARIANTS.items():
                counted = _variant(faces, replace(settings, seed=seed), _quiet)
                for figure, (successes, trials) in counted.items():
                    total = totals.setdefault(name, {}).setdefault(figure, [0, 0])
                    total[0], total[1] = total[0] + successes, total[1] + trials
                sys.stderr.write(f"seed {seed}, {name}: {counted} ({time.monotonic() - start:.0f} s)\n")
            trained, held_out = int((~faces.held_out).sum()), int(faces.held_out.sum())
            people = faces.people
    return {
        "kind": "training",
        "folder": folder.name,
        "people": people,
        "photos": {"trained_on": trained, "held_out": held_out},
        "seeds": seeds,
        "settings": asdict(NATURAL),
        "adversary": asdict(Adversary(Attack.PGD)) | {"attack": [str(attack) for attack in Attack]},
        "mask": {"method": PLAN.method, "loss": PLAN.loss, "iterations": PLAN.iterations, "rms": SIZES},
        "variants": totals,
        "seconds": round(time.monotonic() - start),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy", "mtcnn")},
    }


def _variant(faces: Faces, settings: Settings, report: Report) -> Counts:
    """One network's figures on the held-out photos, without and with masks computed on that very network."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(Path(scratch))
        draft = blank(PLAN.surrogates[0], settings)
        checkpoint = Checkpoint(home, draft.name, {})
        model, _ = trainer.train(draft, settings, faces, checkpoint, report, lambda epoch: None)
        card = publish.publish(draft, model, faces, trainer.verification(model, draft, faces), home)
        networks = LocalNetworks(home)
        attacker = LocalAttacker(networks, lambda name: catalogue.card(name, home))
        (trained,), (rows,) = np.nonzero(~faces.held_out), np.nonzero(faces.held_out)

        def embed(pixels: Float, at: Array) -> Float:
            inputs = {"images": pixels, "landmarks": faces.landmarks[at]}
            return np.asarray(networks.call(card.name, "embed", inputs)["embeddings"])

        def pixels(at: Array) -> Float:
            return np.asarray(faces.pixels[at] / np.float32(255), np.float32)

        def masked(rms: float) -> Float:
            plan, result = replace(PLAN, epsilon=rms / 255), np.empty_like(pixels(rows))
            for person in range(faces.people):
                mine = faces.labels[rows] == person
                own = {OWN: _crops(faces, trained[faces.labels[trained] == person])}
                crops = _crops(faces, rows[mine])
                masks = attacker.attack(crops, plan, report, own)
                pairs = zip(crops, masks, strict=True)
                result[mine] = np.stack([np.clip(crop.pixels + mask.delta, 0, 1) for crop, mask in pairs])
            return result

        known, labels = embed(pixels(trained), trained), faces.labels[rows]
        clean = embed(pixels(rows), rows)
        found = quality.pairs(clean, labels)
        limit = quality.equal_error(found)
        counts = {
            "top1": _count(quality.nearest(clean, known, faces.labels[trained]) == labels),
            "same": _count(found.same <= limit),
            "other": _count(found.other > limit),
        }
        for rms in SIZES:
            worn = embed(masked(rms), rows)
            away = np.linalg.norm(worn[:, None] - clean[None], axis=-1)
            same = labels[:, None] == labels[None]
            counts |= {
                f"top1 at {rms:g}": _count(quality.nearest(worn, known, faces.labels[trained]) == labels),
                f"same at {rms:g}": _count(away[same & ~np.eye(len(labels), dtype=bool)] <= limit),
                f"other at {rms:g}": _count(away[~same] > limit),
            }
        return counts


def _count(right: Array) -> list[int]:
    return [int(right.sum()), int(right.size)]


def _crops(faces: Faces, rows: Array) -> list[Crop]:
    size = faces.pixels.shape[1]
    nowhere = Transform(0, 0, size, size)
    return [
        Crop(
            np.asarray(faces.pixels[row] / np.float32(255), np.float32),
            faces.landmarks[row],
            nowhere,
            Face(Box(0, 0, size, size), faces.landmarks[row], 1.0),
        )
        for row in rows
    ]


def table(results: Mapping[str, Any]) -> str:
    """The results as a section of the page."""
    photos, mask, settings, adversary = (results[key] for key in ("photos", "mask", "settings", "adversary"))
    sizes = mask["rms"]
    columns = ["natural top-1", "natural matching"]
    columns += [f"{figure} under RMS {rms:g}" for rms in sizes for figure in ("top-1", "matching")]
    lines = [
        f"{results['people']} people of `{results['folder']}`, {photos['trained_on']} photos trained on and "
        f"{photos['held_out']} held out, {results['seeds']} seeds (each with a split of its own; trials added up). "
        f"`{settings['architecture']}` network, {settings['objective']} loss, {settings['dimension']} values, "
        f"{settings['epochs']} epochs; adversarial examples: {adversary['loss']} loss, {adversary['steps']} steps, RMS "
        f"{adversary['rms']:g}. Masks: {mask['method']}, {mask['loss']} loss, {mask['iterations']} iterations, computed on "
        f"each network itself. {results['date']}, {results['seconds']} s, "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items())
        + ".",
        "",
        f"| training | {' | '.join(columns)} |",
        f"| {' | '.join(['---'] * (len(columns) + 1))} |",
    ]
    for name, counted in results["variants"].items():
        kinds = ["", *(f" at {rms:g}" for rms in sizes)]
        cells = [cell for kind in kinds for cell in (_interval(counted[f"top1{kind}"]), _balanced(counted, kind))]
        lines.append(f"| ours, {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "In percent; top-1 with its Wilson 95 % interval over the trials of all seeds, which are not independent. Matching "
        "is the mean of the share of pairs of one person that are accepted and of pairs of two people that are refused, at "
        "the distance of equal error among the unmasked held-out pairs; with masks, one photo of each pair wears one.",
    ]
    return "\n".join(lines) + "\n"


def _interval(counted: Sequence[int]) -> str:
    successes, trials = counted
    low, high = wilson(successes, trials)
    return f"{100 * successes / trials:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def _balanced(counted: Mapping[str, Sequence[int]], kind: str) -> str:
    shares = [counted[figure + kind][0] / counted[figure + kind][1] for figure in ("same", "other")]
    return f"{50 * sum(shares):.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.training", description=__doc__)
    parser.add_argument("--people", type=Path, required=True, metavar="DIR", help="a sub-folder of photos a person")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    options = parser.parse_args(arguments)
    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        results = measure(options.people, options.seeds)
        RESULTS.mkdir(parents=True, exist_ok=True)
        out = RESULTS / f"{options.people.name}-tiny.json"
        files.write_atomically(out, (json.dumps(results, indent=1) + "\n").encode())
        sections = [table(json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json"))]
        page = PLACE.sub(lambda found: found[1] + "\n" + "\n".join(sections) + "\n" + found[2], PAGE.read_text())
        files.write_atomically(PAGE, page.encode())
    except FaceOffError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(table(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
