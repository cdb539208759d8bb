"""python -m experiments.universal: how often a mask for a person protects photos that it was not learnt from.

For every person one mask (faceoff.universal) is learnt from the first photos of the folder's order, towards all other people.
Then the protocol of experiments.transfer runs with that mask in the attack's place. The photos that it was learnt from are
counted apart.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from experiments import plans, protocol, render
from experiments.protocol import Experiment, House
from experiments.transfer import RESULTS, add_experiment, add_folder, default_victims, write
from faceoff.attacks.universal import Learner
from faceoff.campaign import people
from faceoff.campaign.journal import Journal, Row
from faceoff.campaign.people import Person, Targets
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.home import default_home
from faceoff.rooms import Report
from faceoff.types import Crop, Gallery, Mask, Plan, Priority
from faceoff.universal import UniversalAttacker


class PersonalAttacker:
    """faceoff.rooms.Attacker that learns each person's mask once, from their first ``known`` photos; whose face it is follows
    from who is not in the gallery (Targets.AUTO). ``tell`` hears of each person what came of it."""

    def __init__(self, everybody: Sequence[Person], learner: Learner, known: int, tell: Callable[[Row], None]) -> None:
        self._everybody = everybody
        self._learner = learner
        self._known = known
        self._tell = tell
        self._attackers: dict[int, UniversalAttacker] = {}

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.CAMPAIGN,
    ) -> list[Mask]:
        (source,) = (number for number, person in enumerate(self._everybody) if person.name not in gallery)
        if source not in self._attackers:
            start = time.monotonic()
            photos = [shot.crop for shot in self._everybody[source].shots[: self._known]]
            mask = self._learner.learn(photos, plan, report, gallery)
            self._attackers[source] = UniversalAttacker(mask)
            seconds = round(time.monotonic() - start, 1)
            self._tell({"source": source, "photos": mask.photos, "reached": mask.reached, "seconds": seconds})
        return self._attackers[source].attack(crops, plan, report, gallery)

    def check(self, surrogates: Sequence[str]) -> None:
        """A network that is not there is refused when the first person's mask is learnt."""


def measure(experiment: Experiment, known: int, folder: Path, out: Path, house: House) -> dict[str, Any]:
    """Run what is missing and write the results file ``out``. Raises INVALID_ARGUMENT where ``known`` leaves a person without a
    photo to test on, or is too few to learn from."""
    protocol.check(experiment, house)
    everybody, _ = people.read(folder, house.detector)
    fewest = min(len(person.shots) for person in everybody)
    if not 2 <= known < fewest:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"No mask can be learnt from {known} photos and tested on others.",
            f"Give --known a number from 2 to {fewest - 1}: somebody has {fewest} photos.",
        )
    journal = Journal(out.with_suffix(".jsonl"))
    label = f"{folder.name}, universal of {known}"  # another number is another run
    learning = f"{experiment.run(label)}, learning"
    attacker = PersonalAttacker(
        everybody,
        Learner(house.networks, house.card),
        known,
        lambda row: journal.add({"run": learning} | row),
    )
    rows = protocol.perform(experiment, everybody, replace(house, attacker=attacker), journal, label, out.stem)
    kinds: Mapping[str, Callable[[int], bool]] = {
        "others": lambda shot: shot >= known,
        "known_photos": lambda shot: shot < known,
    }
    # A run that was killed may have learnt a person twice.
    learnt = {row["source"]: row for row in journal.rows if row["run"] == learning}
    results: dict[str, Any] = {
        "kind": "universal",
        "folder": folder.name,
        "known": known,
        "learnt": {
            "photos": sum(row["photos"] for row in learnt.values()),
            "reached": sum(row["reached"] for row in learnt.values()),
            "seconds_a_person": round(sum(row["seconds"] for row in learnt.values()) / len(learnt), 1),
        },
    }
    for name, belongs in kinds.items():
        part = protocol.summary(experiment, [row for row in rows if belongs(row["pair"][2])], len(everybody))
        # No goal is evaluated and no step made for a photo: those figures would say something else.
        results[name] = {key: value for key, value in part.items() if key not in ("reached", "iterations")}
    stamped = write(out, results, folder)
    journal.remove()
    return stamped


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.universal", description=__doc__)
    add_folder(parser)
    add_experiment(parser)
    parser.add_argument("--known", type=int, default=4, metavar="N", help="photos to learn from (default: 4)")
    options = parser.parse_args(arguments)
    out = (
        options.out
        or RESULTS / f"{options.folder.name}-universal-{options.plan.replace('/', '-')}-{options.split}.json"
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        plan = plans.named(options.plan, options.set)
        victims = options.victims or default_victims(plan)
        experiment = Experiment(plan, victims, options.split, Targets.AUTO, controls=False)
        house = protocol.local_house(default_home())
        results = measure(experiment, options.known, options.folder, out, house)
    except FaceOffError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(render.universal(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
