"""python -m experiments.paper NAME --people DIR: reproduce a figure or table of the paper.

The campaign goes to build/experiments (where it goes on after a stop), its report beside it, and its numbers to
experiments/results/paper, from which python -m experiments.render makes docs/paper.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from experiments.paper import configs
from faceoff import files
from faceoff.campaign import tables
from faceoff.campaign.house import House, local_house
from faceoff.campaign.report import aggregates, load, report
from faceoff.campaign.run import run
from faceoff.campaign.tables import Line
from faceoff.errors import FaceOffError
from faceoff.networks.home import default_home
from faceoff.verify.scores import today

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results" / "paper"
RUNS = ROOT / "build" / "experiments"


def reproduce(name: str, size: str, people: Path, runs: Path, results: Path, build: Callable[[], House]) -> Path:
    """Run what is missing of ``name`` and write its results file, which is returned."""
    again = configs.read(name).again
    out = runs / f"{again or name}-{size}"
    start = time.monotonic()
    done = run(configs.campaign(name, size, people), out, build, verify_only=bool(again))
    seconds = time.monotonic() - start
    report(out, out / "report")
    manifest, rows = load(out)
    found: dict[str, Any] = {
        "command": f"python -m experiments.paper {name} --size {size} --people {people.name}",
        "date": today(),
        "size": size,
        "seconds": round(seconds) if done["new"] == done["cells"] else None,
        **{key: manifest[key] for key in ("versions", "commit", "hardware", "surrogates", "victims")},
        "people": len(manifest["photos"]),
        **({"longitudinal": tables.longitudinal(rows)} if again else aggregates(rows)),
    }
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{name}-{size}.json"
    files.write_atomically(path, _small(found).encode())
    return path


def _small(found: dict[str, Any]) -> str:
    """JSON with a line for each of a table's lines, rates as [share, low, high, n] and means as [mean, error, n]."""
    parts = []
    for key, value in found.items():
        if isinstance(value, list) and value:
            lines = ",\n".join(f"  {json.dumps({name: _short(item) for name, item in line.items()})}" for line in value)
            parts.append(f" {json.dumps(key)}: [\n{lines}\n ]")
        else:
            parts.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _short(item: Any) -> Any:
    if isinstance(item, list):
        return [_short(value) for value in item]
    if isinstance(item, dict) and "share" in item:
        return [item["share"], item["low"], item["high"], item["n"]]
    if isinstance(item, dict) and "mean" in item:
        line: Line = item
        return [line["mean"], line["error"], line["n"]]
    return item


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.paper", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"{', '.join(configs.NAMES)}, or all")
    parser.add_argument("--size", choices=("small", "full"), default="small")
    parser.add_argument("--people", type=Path, required=True, metavar="DIR", help="a sub-folder of photos a person")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="where campaigns go")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where their numbers go")
    options = parser.parse_args(arguments)
    names = configs.NAMES if options.names == ["all"] else options.names
    try:
        for name in names:
            configs.read(name)
        build = partial(local_house, default_home())
        for name in names:
            path = reproduce(name, options.size, options.people, options.runs, options.results, build)
            sys.stdout.write(f"{path}\n")
    except FaceOffError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
