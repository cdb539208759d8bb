"""docs/paper.md: the paper's numbers beside ours, from the results files. Nothing in it is typed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.paper import configs
from experiments.paper.configs import Ours, Reproduction

INTRODUCTION = """# The paper's figures and tables, reproduced

Rendered from `experiments/paper/*.yaml` (what the paper says) and `experiments/results/paper/` (what we measured) by
`python -m experiments.render`; nothing here is typed. Each line is a campaign that anybody can run:

    python -m experiments.paper figure-4 --size small --people DIR

DIR has a sub-folder of photos for each person. The small sizes are made for two cores and a quarter of an hour each; the full
sizes have the paper's pairs and iterations.

What is measured: a mask is computed on the surrogate, amplified, pasted, encoded; the face is found anew in the result, and a
network that took no part says who it is nearest to (by the centroid of each person's other photos) and how alike it is to the
best of the person's other photos. Percent with Wilson's 95 % interval; means with their standard error. Faces that a victim did
not recognise without a mask, or in which it finds no face any more, are not counted, neither for nor against. **Ceiling**: what
a guess among the labels gives to an untargeted attack (90 % of ten people); **chance**: what it gives to a targeted one (10 %).
"""

ELSEWHERE = """## What no campaign reproduces

- Figures 1, 2 and 20 (a masked photo, the steps, the website): ours are in the [README](../README.md) and [the page](page.md).
- Figures 9 to 13, Table 8 and section 4.1's comparison of norms by people are of user studies: none was made here.
- Table 1 (the attacks' hyper-parameters): the plans `paper/...` and `released/...` of `faceoff protect --method`,
  [decision 0009](decisions/0009-paper-and-released.md).
- Table 2 (the surrogates): `faceoff models list`. The authors' weights are not public; networks of the same architectures are
  read from files of your own, or [trained](training.md).
- Table 3 (the services): [decision 0013](decisions/0013-commercial-victims.md). None of them was asked for this page.
- Tables 4 and 7 (adversarial training): [training](training.md), with a tiny network.
"""


def page(results: Path) -> str:
    """The whole page; figures that were not run yet say so."""
    sections = [_section(name, configs.read(name), results) for name in configs.NAMES]
    return "\n".join([INTRODUCTION, *sections, ELSEWHERE])


def _section(name: str, config: Reproduction, results: Path) -> str:
    title = name.replace("-", " ").capitalize()
    found = [json.loads(path.read_text()) for path in sorted(results.glob(f"{name}-*.json"), reverse=True)]
    lines = [f"## {title}", "", config.claim, ""]
    lines += ["| what | paper | ours | size |", "| --- | --- | --- | --- |"]
    for compared in config.compare:
        for one in found or [{}]:
            ours = _ours(compared.ours, one) if one else "not run yet"
            lines.append(f"| {compared.what} | {compared.paper} | {ours} | {one.get('size', '')} |")
    lines += ["", f"Where they differ: {config.differs}", ""]
    lines += [f"- {_how(one)}" for one in found]
    return "\n".join(lines) + "\n"


def _how(one: Mapping[str, Any]) -> str:
    parts = [f"`{one['command']}`", f"{one['date']}, code {one['commit']}, {one['people']} people, {one['hardware']}"]
    if one["seconds"] is not None:
        parts.append(f"{one['seconds'] / 60:.1f} minutes")
    if "outcomes" in one:
        parts.append(
            "masks: " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in one["outcomes"].items())
        )
    for line in one.get("clean", []):
        told = [_rate(line["untargeted"]), _rate(line["unmatched"])]
        parts.append(
            f"{line['victim']} errs on clean photos ({line['encoding']}): {told[0]} nearest, {told[1]} unmatched"
        )
    if one.get("guess"):
        names = ("ceiling", "chance", "top")
        parts.append("a guess: " + ", ".join(f"{name} {100 * one['guess'][name]:.0f} %" for name in names))
    return "; ".join(parts)


def _ours(ours: Ours, one: Mapping[str, Any]) -> str:
    if ours.longitudinal:
        where = {"victim": ours.longitudinal, **ours.where}
        lines = [line for line in one["longitudinal"] if where.items() <= line.items()][-1:]
        return "; ".join(
            f"{' / '.join(map(_rate, line['unmatched']))}, n {line['n']}, {line['changed']} changed" for line in lines
        )
    if ours.runtime:
        lines = [line for line in one["runtime"] if line["series"] == ours.runtime]
        return "; ".join(
            f"{line['seconds'][0]:.1f} ({line['batch'][0]:g} together), n {line['seconds'][2]}" for line in lines
        )
    matching = [line for line in one[ours.table] if ours.where.items() <= line.items()]
    return " / ".join(
        _value(ours.value, [line for line in matching if line["alpha"] == alpha]) for alpha in ours.alphas
    )


def _value(name: str, lines: Sequence[Mapping[str, Any]]) -> str:
    if len(lines) != 1:
        return "-"
    found = lines[0][name]
    if len(found) == 4:
        return _rate(found)
    mean, error, n = found
    return "-" if mean is None else f"{mean:.3g}" + (f" ± {error:.1g}" if error else "") + f" (n {n})"


def _rate(found: Sequence[float | None]) -> str:
    share, low, high, n = found
    if share is None or low is None or high is None:
        return "-"
    return f"{100 * share:.1f} % ({100 * low:.0f}-{100 * high:.0f}, n {n})"
