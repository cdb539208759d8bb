"""python -m experiments.ablation: what each part of a plan is worth.

Every variant is run through the transfer protocol on the tune half of the people, with each network of SEEN in turn as the
victim of masks computed on the other two. dlib takes no part, so that it can still judge what was chosen here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments import plans, protocol, render
from experiments.people import Split
from experiments.protocol import Experiment, House
from experiments.transfer import RESULTS, add_folder, names, write
from faceoff.campaign import people
from faceoff.campaign.journal import Journal
from faceoff.campaign.people import Targets, targets_of
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.home import default_home

SEEN = ("facenet", "mobilefacenet", "sface")


@dataclass(frozen=True)
class Variant:
    """A preset with ``overrides`` (key=value). ``targets`` None: as the loss asks for."""

    overrides: tuple[str, ...] = ()
    preset: str = "balanced"
    targets: Targets | None = None

    def folds(self, limit: int) -> dict[str, Experiment]:
        """One experiment a victim."""
        plan = plans.named(self.preset, self.overrides)
        targets = self.targets or targets_of(plan.loss)
        return {
            victim: Experiment(
                replace(plan, surrogates=tuple(name for name in SEEN if name != victim)),
                (victim,),
                Split.TUNE,
                targets,
                limit,
                controls=False,
            )
            for victim in SEEN
        }


VARIANTS: Mapping[str, Variant] = {
    "balanced": Variant(),
    "from the one photo alone": Variant(targets=Targets.AUTO),
    "dodge with own photos": Variant(("loss=dodge",), targets=Targets.OWN),
    "dodge from the one photo alone": Variant(("loss=dodge",), targets=Targets.NONE),
    "hinge towards the pair's target": Variant(("loss=hinge", "kappa=2"), targets=Targets.PAIR),
    "hinge towards the farthest target": Variant(("loss=hinge", "kappa=2"), targets=Targets.OWN),
    "without jitter": Variant(("jitter=0",)),
    "without momentum": Variant(("decay=0",)),
    "without shrinking": Variant(("shrink=0",)),
    "without texture": Variant(("texture=0",)),
    "face and surroundings together": Variant(("surround=false", "epsilon=0.0113")),
    "sign steps": Variant(("method=pgd_linf", "epsilon=0.03")),
}


def measure(chosen: Mapping[str, Variant], folder: Path, out: Path, limit: int, house: House) -> dict[str, Any]:
    """Run what is missing and write the results file ``out``, which keeps the variants it has."""
    for variant in chosen.values():
        for experiment in variant.folds(limit).values():
            protocol.check(experiment, house)
    everybody, _ = people.read(folder, house.detector)
    journal = Journal(out.with_suffix(".jsonl"))
    variants = json.loads(out.read_text())["variants"] if out.exists() else {}
    results: dict[str, Any] = {}
    for name, variant in chosen.items():
        folds = {}
        for victim, experiment in variant.folds(limit).items():
            rows = protocol.perform(experiment, everybody, house, journal, folder.name, f"{name}, {victim}")
            folds[victim] = protocol.summary(experiment, rows, len(everybody))
        variants[name] = folds
        results = {"kind": "ablation", "folder": folder.name, "split": Split.TUNE, "variants": variants}
        results = write(out, results, folder)
    journal.remove()
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.ablation", description=__doc__)
    add_folder(parser)
    parser.add_argument("--variants", type=names, metavar="A,B", default=tuple(VARIANTS), help="default: all")
    parser.add_argument("--pairs", type=int, default=0, metavar="N", help="only so many pairs, evenly spread")
    parser.add_argument("--out", type=Path, default=RESULTS / "ablation.json", metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        unknown = [name for name in options.variants if name not in VARIANTS]
        if unknown:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT, f"There is no variant {unknown[0]}.", f"Known: {', '.join(VARIANTS)}."
            )
        options.out.parent.mkdir(parents=True, exist_ok=True)
        chosen = {name: VARIANTS[name] for name in options.variants}
        house = protocol.local_house(default_home())
        results = measure(chosen, options.folder, options.out, options.pairs, house)
    except FaceOffError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(render.ablation(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
