"""python -m experiments.transfer: how often masks protect on networks that took no part in them.

Every ordered pair of a folder's people: a photo of the source is attacked, encoded, its face found anew, and each victim
says who it is and whether it is still the same person (docs/experiments.md has the protocol in words).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments import plans, protocol, render
from experiments.people import Split
from experiments.protocol import Experiment, House
from faceoff import files
from faceoff.campaign import manifest, people
from faceoff.campaign.journal import Journal
from faceoff.campaign.people import Targets, targets_of
from faceoff.errors import FaceOffError
from faceoff.networks import catalogue
from faceoff.networks.card import FAR
from faceoff.networks.home import default_home
from faceoff.types import Plan

RESULTS = Path(__file__).parent / "results"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m experiments.transfer", description=__doc__)
    add_folder(made)
    add_experiment(made)
    made.add_argument("--surrogates", type=names, metavar="A,B", help="networks that the mask is computed on")
    made.add_argument(
        "--targets", type=Targets, choices=list(Targets),
        help="whom the attack may know: nobody, the pair's target, all others, or all others and the source's other photos "
        "(default: none to dodge, own for the crowd, else pair)",
    )  # fmt: skip
    made.add_argument("--pairs", type=int, default=0, metavar="N", help="only so many pairs, evenly spread")
    made.add_argument("--no-controls", action="store_true", help="leave the noise of the same size out")
    return made


def add_folder(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--people", "--photos", dest="folder", type=Path, required=True, metavar="DIR",
        help="a sub-folder for each person, of face crops or of whole photos: both go the whole way",
    )  # fmt: skip


def add_experiment(made: argparse.ArgumentParser) -> None:
    made.add_argument("--plan", default="balanced", metavar="NAME", help="a preset (default: balanced)")
    made.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="another value of the plan; may be repeated"
    )
    made.add_argument("--victims", type=names, metavar="A,B", help="default: every other network with a threshold")
    made.add_argument("--split", type=Split, choices=list(Split), default=Split.ALL, help="whose photos (default: all)")
    made.add_argument("--out", type=Path, metavar="FILE", help="results file (default: under experiments/results)")


def names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def experiment_of(options: argparse.Namespace) -> Experiment:
    plan = plans.named(options.plan, options.set)
    if options.surrogates:
        plan = replace(plan, surrogates=options.surrogates)
    targets = options.targets or targets_of(plan.loss)
    victims = options.victims or default_victims(plan)
    return Experiment(plan, victims, options.split, targets, options.pairs, not options.no_controls)


def default_victims(plan: Plan) -> tuple[str, ...]:
    cards = catalogue.all_cards(default_home())
    return tuple(card.name for card in cards if FAR in card.thresholds and card.name not in plan.surrogates)


def measure(experiment: Experiment, folder: Path, out: Path, house: House) -> dict[str, Any]:
    """Run what is missing and write the results file ``out``."""
    protocol.check(experiment, house)
    everybody, faceless = people.read(folder, house.detector)
    journal = Journal(out.with_suffix(".jsonl"))
    rows = protocol.perform(experiment, everybody, house, journal, folder.name, out.stem)
    results = {
        "kind": "transfer",
        "folder": folder.name,
        "photos": sum(len(person.shots) for person in everybody),
        "photos_without_face": faceless,
    } | protocol.summary(experiment, rows, len(everybody))
    stamped = write(out, results, folder)
    journal.remove()
    return stamped


def write(out: Path, results: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write the results with the command, the date and the versions; returns all of it."""
    stamped = {
        "command": command(folder, out),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": manifest.versions(),
    } | results
    files.write_atomically(out, (json.dumps(stamped, indent=1) + "\n").encode())
    return stamped


def command(*paths: Path) -> str:
    """The command as it was given, with only the last names of ``paths``: where they lie is nobody's business."""
    words = " ".join(sys.argv[1:])
    for path in paths:
        words = words.replace(str(path), path.name)
    return f"python -m experiments.{Path(sys.argv[0]).stem} {words}".rstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    out = options.out or RESULTS / f"{options.folder.name}-{options.plan.replace('/', '-')}-{options.split}.json"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        results = measure(experiment_of(options), options.folder, out, protocol.local_house(default_home()))
    except FaceOffError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(render.transfer(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
