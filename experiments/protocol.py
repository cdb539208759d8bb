"""The protocol of every experiment: attack each pair's photo, encode, find the face anew, ask the victims, count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from experiments.forms import FORMS, spectrum, white
from experiments.judge import Judge
from experiments.people import Split, sources
from faceoff import image, pipeline
from faceoff.campaign import house
from faceoff.campaign.clock import Clock
from faceoff.campaign.forms import find
from faceoff.campaign.house import check_victims
from faceoff.campaign.journal import Journal, Row
from faceoff.campaign.manifest import commit as code_commit
from faceoff.campaign.people import Pair, Person, Shot, Targets, gallery, pairs
from faceoff.geometry import box_slices, paste_delta, window
from faceoff.networks.card import FAR
from faceoff.networks.home import Home
from faceoff.networks.sets import set_name
from faceoff.rooms import Amplifier, Attacker
from faceoff.types import Bytes, Candidate, Crop, Encoding, Mask, MaskOutcome, Plan, Progress
from faceoff.verify import rates
from faceoff.verify.rates import Rate, psr

GROUP = 8
"""Faces that are attacked in one call; what a kill can cost."""

CONTROLS = MappingProxyType({"white": white, "spectrum": spectrum})


@dataclass(frozen=True)
class Experiment:
    """``limit`` > 0 takes only so many pairs; ``controls`` adds noise of the mask's size."""

    plan: Plan
    victims: tuple[str, ...]
    split: Split = Split.ALL
    targets: Targets = Targets.NONE
    limit: int = 0
    controls: bool = True

    def __post_init__(self) -> None:
        pipeline.check_roles(pipeline.Request(plan=self.plan, victims=self.victims))

    def run(self, folder: str) -> str:
        """A short name for all that decides a row, apart from the code: rows of the same run continue one another."""
        decides = [folder, asdict(self.plan), self.victims, self.targets, self.controls]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class House(house.House):
    """Who does the work."""

    amplifier: Amplifier


def local_house(home: Home) -> House:
    """Everything in this process. Imports TensorFlow, which takes seconds."""
    from faceoff.amplify import LocalAmplifier

    return House(**vars(house.local_house(home)), amplifier=LocalAmplifier())


def check(experiment: Experiment, house: House) -> None:
    """Refuse before the work: UNKNOWN_NETWORK, and INVALID_ARGUMENT for a victim without a threshold."""
    for name in experiment.plan.surrogates:
        house.card(name)
    check_victims(experiment.victims, house)


def perform(
    experiment: Experiment, people: Sequence[Person], house: House, journal: Journal, folder: str, title: str
) -> list[Row]:
    """One row a pair, in the pairs' order. Rows that the journal has are not made again."""
    run = experiment.run(folder)
    wanted = pairs(people, sources(people, experiment.split), experiment.targets is Targets.PAIR, experiment.limit)
    keys = {_key(pair) for pair in wanted}
    done = {key: row for row in journal.rows if row["run"] == run and (key := tuple(row["pair"])) in keys}
    judges = {name: Judge(house.networks, house.card(name), people) for name in experiment.victims}
    missing = [pair for pair in wanted if _key(pair) not in done]
    if missing:
        house.networks.version(set_name(experiment.plan.surrogates))  # loads the set before the clock starts
    clock = Clock(title, len(wanted), len(wanted) - len(missing), "faces")
    commit = code_commit()
    for group in _groups(missing, experiment.targets):
        before = len(done)

        def report(progress: Progress, before: int = before, size: int = len(group)) -> None:
            clock.during(before + 0.9 * size * progress.done / max(progress.total, 1))

        masks = _attack(experiment, people, house.attacker, group, report)
        rows = [_row(experiment, people, house, judges, pair, mask) for pair, mask in zip(group, masks, strict=True)]
        for pair, row in zip(group, rows, strict=True):
            done[_key(pair)] = {"run": run, "pair": _key(pair), "commit": commit} | row
            journal.add(done[_key(pair)])
        clock.after(len(done))
    return [done[_key(pair)] for pair in wanted]


def _key(pair: Pair) -> tuple[int, int, int]:
    return pair.source, pair.target, pair.shot


def _groups(missing: Sequence[Pair], targets: Targets) -> list[list[Pair]]:
    """Pairs that share a gallery and a target, at most GROUP at a time."""
    alike: dict[int, list[Pair]] = {}
    for pair in missing:
        shared = {Targets.NONE: 0, Targets.PAIR: pair.target}.get(targets, pair.source)
        alike.setdefault(shared, []).append(pair)
    return [same[start : start + GROUP] for same in alike.values() for start in range(0, len(same), GROUP)]


def _attack(
    experiment: Experiment,
    people: Sequence[Person],
    attacker: Attacker,
    group: Sequence[Pair],
    report: Callable[[Progress], None],
) -> list[Mask]:
    plan = experiment.plan
    if experiment.targets is Targets.PAIR:
        plan = replace(plan, target=people[group[0].target].name)
    crops = [_shot(people, pair).crop for pair in group]
    return attacker.attack(crops, plan, report, gallery(people, group[0], experiment.targets))


def _shot(people: Sequence[Person], pair: Pair) -> Shot:
    return people[pair.source].shots[pair.shot]


def _row(
    experiment: Experiment,
    people: Sequence[Person],
    house: House,
    judges: Mapping[str, Judge],
    pair: Pair,
    mask: Mask,
) -> Row:
    shot = _shot(people, pair)
    photo = image.decode(shot.data)
    encoding = Encoding("PNG")
    masked = house.amplifier.amplify(photo, [shot.crop], [mask], experiment.plan, encoding)
    protected: dict[str, Candidate] = {"mask": masked}
    if experiment.controls:
        for number, (name, noise) in enumerate(CONTROLS.items()):
            random = np.random.default_rng((experiment.plan.seed, *_key(pair), number))
            random_mask = replace(mask, delta=noise(masked.alphas[0] * mask.delta, shot.crop, random))
            same_size = replace(experiment.plan, alpha=1.0, rms=masked.faces[0].rms)
            protected[name] = house.amplifier.amplify(photo, [shot.crop], [random_mask], same_size, encoding)
    pictures = {"clean": image.to_bytes(photo.pixels)} | {
        name: image.to_bytes(image.decode(made.data, len(made.data)).pixels) for name, made in protected.items()
    }
    found = {
        (name, form): find(write(levels), shot.crop, photo, house.detector)
        for name, levels in pictures.items()
        for form, write in FORMS.items()
    }
    return {
        "own": len(people[pair.source].shots) - 1,
        "reached": mask.outcome is MaskOutcome.REACHED,
        "iterations": mask.iterations,
        "size": {
            name: [
                round(made.faces[0].rms, 3),
                round(made.faces[0].ssim, 4),
                round(rms_around(pictures[name], pictures["clean"], shot.crop), 3),
            ]
            for name, made in protected.items()
        },
        "cells": {victim: _cells(judge, pair, found) for victim, judge in judges.items()},
    }


def rms_around(levels: Bytes, before: Bytes, crop: Crop) -> float:
    """Of the change in 8-bit levels [H, W, 3] over the mask's window without the face's box."""
    weights = np.repeat(window(crop.landmarks, crop.transform.size), 3, axis=-1)
    rows, columns, pasted = paste_delta(weights, crop.transform, *before.shape[:2])
    around = np.zeros(before.shape, bool)
    around[rows, columns] = pasted > 0
    around[box_slices(crop.face.box, *before.shape[:2])] = False
    change = levels.astype(np.float32) - before
    return float(np.sqrt(np.square(change).sum(where=around) / max(np.count_nonzero(around), 1)))


def _cells(judge: Judge, pair: Pair, found: Mapping[tuple[str, str], Crop | None]) -> dict[str, dict[str, Any]]:
    """Per condition and form what the victim says; None where the face was not found."""
    seen = [place for place, crop in found.items() if crop is not None]
    embeddings = dict(zip(seen, judge.embed([crop for crop in found.values() if crop]), strict=True)) if seen else {}
    cells: dict[str, dict[str, Any]] = {}
    for (name, form), crop in found.items():
        place = (name, form)
        cells.setdefault(name, {})[form] = None if crop is None else judge.cell(embeddings[place], pair)
    return cells


def share(successes: float, n: int) -> list[float]:
    return percent(rates.share(successes, n))


def percent(rate: Rate) -> list[float]:
    """The share with its Wilson interval."""
    return [round(100 * value, 1) for value in (rate.share or 0.0, rate.low, rate.high)]


def count(rows: Sequence[Row], victim: str, name: str, form: str, targets: Targets) -> dict[str, Any]:
    """The shares over ``rows`` of one victim, condition and form. A face that was not found is in every n, and never a
    success."""
    cells = [row["cells"][victim][name][form] for row in rows]
    seen = [(cell, row) for cell, row in zip(cells, rows, strict=True) if cell is not None]
    n = len(rows)
    far = [cell["far"] / row["own"] if cell else 0.0 for cell, row in zip(cells, rows, strict=True)]
    counted: dict[str, Any] = {
        "n": n,
        "no_face": n - len(seen),
        "u_centroid": share(sum(cell["centroid"] != row["pair"][0] for cell, row in seen), n),
        "u_mean": share(sum(cell["mean"] != row["pair"][0] for cell, row in seen), n),
        "psr": percent(psr(far)),
        "psr_pairs": sum(row["own"] for row in rows),
        "self": share(sum(cell["self"] for cell, _ in seen), n),
        "ratio": round(float(np.mean([cell["ratio"] for cell, _ in seen])), 3) if seen else None,
    }
    if targets is Targets.PAIR:
        counted["t_centroid"] = share(sum(cell["centroid"] == row["pair"][1] for cell, row in seen), n)
        counted["t_mean"] = share(sum(cell["mean"] == row["pair"][1] for cell, row in seen), n)
    return counted


def summary(experiment: Experiment, rows: Sequence[Row], labels: int) -> dict[str, Any]:
    """Everything that a results file says of one experiment's rows."""
    names = list(rows[0]["cells"][experiment.victims[0]])
    sizes = {name: np.array([row["size"][name] for row in rows]) for name in rows[0]["size"]}
    return {
        "plan": asdict(experiment.plan),
        "split": experiment.split,
        "targets": experiment.targets,
        "faces": len(rows),
        "sources": len({row["pair"][0] for row in rows}),
        "labels": labels,
        "commits": sorted({row["commit"] for row in rows}),
        "size": {
            name: {
                "rms_mean": round(float(values[:, 0].mean()), 3),
                "rms_max": round(float(values[:, 0].max()), 3),
                "ssim_mean": round(float(values[:, 1].mean()), 4),
                "ssim_min": round(float(values[:, 1].min()), 4),
                "rms_around_mean": round(float(values[:, 2].mean()), 3),
                "rms_around_max": round(float(values[:, 2].max()), 3),
            }
            for name, values in sizes.items()
        },
        "reached": share(sum(row["reached"] for row in rows), len(rows)),
        "iterations": round(float(np.mean([row["iterations"] for row in rows])), 1),
        "victims": {
            victim: {
                name: {form: count(rows, victim, name, form, experiment.targets) for form in FORMS} for name in names
            }
            for victim in experiment.victims
        },
        "chance": {
            "u": round(100 * (1 - 1 / labels), 1),
            "t": round(100 / labels, 1),
            "psr": round(100 * (1 - FAR), 1),
        },
    }
