"""python -m benchmarks.capacity: docs/capacity.md and its picture. With --traffic or --photos-per-second: what becomes of that,
on standard output, and nothing is written."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.capacity import model, page, scenarios, traffic


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description="How many machines it takes.")
    parser.add_argument("--price", type=float, default=page.PRICE, help="of a node's hour (default: %(default)s)")
    parser.add_argument("--traffic", type=Path, help="CSV: second,interactive,bulk (photos a second)")
    parser.add_argument(
        "--photos-per-second", type=float, help="of one model server at full load, instead of the measured"
    )
    options = parser.parse_args()
    results = model.results()
    known = model.first(results)
    if options.traffic is None and options.photos_per_second is None:
        page.write(results, [(one, one.run(known)) for one in scenarios.defaults()], options.price)
        return
    try:
        day = scenarios.own(traffic.read(options.traffic)) if options.traffic else scenarios.defaults()[-1]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if options.photos_per_second:
        known = replace(known, attack=known.gain * day.cluster.cores / options.photos_per_second)
    print(page.table([(day, day.run(known))], options.price))


if __name__ == "__main__":
    main()
