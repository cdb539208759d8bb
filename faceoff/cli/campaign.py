"""``faceoff campaign``: grids of masks and victims, and reports over what came of them."""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff.cli import arguments, exits, output, progress
from faceoff.cli.parts import Parts, native_silence
from faceoff.networks.home import Home

if TYPE_CHECKING:
    from faceoff.campaign.house import House

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = f"""examples:
  faceoff campaign run grid.yaml --out results/     goes on where an earlier run was stopped
  faceoff campaign run grid.yaml --out results/ --verify-only
  faceoff campaign report results/
  faceoff campaign report results/ --labels people.csv

{exits.HELP}"""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "campaign",
        help="run grids of masks against victims, and report",
        description="Runs every combination of pairs, plans, amplifications, encodings and victims that a YAML file names "
        "(docs/campaigns.md), a row for each, and reports over the rows.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    running = actions.add_parser("run", help="do what is missing")
    running.set_defaults(run=run, parser=running)
    running.add_argument("file", type=Path, metavar="FILE", help="the campaign (YAML)")
    running.add_argument("--out", type=Path, required=True, metavar="DIR", help="where rows, masks and pictures go")
    running.add_argument(
        "--workers", type=arguments.count, default=1, metavar="N",
        help="processes, each with its own networks: 2 GB of memory or so each (default: 1)",
    )  # fmt: skip
    running.add_argument(
        "--verify-only", action="store_true", help="show the stored pictures to the victims again, as a run of its own"
    )
    running.add_argument("--json", action="store_true", help="one JSON object on standard output at the end")
    running.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and the result")

    reporting = actions.add_parser("report", help="a page, a table and figures of what has been done")
    reporting.set_defaults(run=run_report, parser=reporting)
    reporting.add_argument("folder", type=Path, metavar="DIR", help="the --out of a run, finished or not")
    reporting.add_argument("--labels", type=Path, metavar="CSV", help="person,label: compare groups of people")
    reporting.add_argument("--out", type=Path, metavar="DIR", help="where the report goes (default: DIR/report)")


def run(options: argparse.Namespace, parts: Parts) -> int:
    from faceoff.campaign import config

    campaign = config.load(options.file)
    progress.note("loading the networks", options.quiet)
    with native_silence():
        from faceoff.campaign.run import run as run_campaign

    build = partial(_house, parts.home)
    done = run_campaign(campaign, options.out, build, options.workers, options.verify_only, options.quiet)
    if options.json:
        output.say_json(done)
    else:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in done["outcomes"].items())
        output.say(
            f"{output.printable(done['out'])}: {done['cells']} cells, {done['new']} of them new; masks: {counts}"
        )
        if done["left"]:
            output.say(f"{done['left']} cells are left, throttled or over budget: the same command goes on with them.")
    return exits.BUDGET if done["left"] else exits.DONE


def run_report(options: argparse.Namespace, parts: Parts) -> int:
    from faceoff.campaign.report import report

    for path in report(options.folder, options.out or options.folder / "report", options.labels):
        output.say(output.printable(str(path)))
    return exits.DONE


def _house(home: Home) -> House:
    """Of one worker; its process calls this too."""
    with native_silence():
        from faceoff.campaign.house import local_house

        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        return local_house(home)
