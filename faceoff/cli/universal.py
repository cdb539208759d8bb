"""``faceoff universal``: a mask for a person, learnt from a folder of their photos."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff import gallery
from faceoff.cli import arguments, exits, output, progress
from faceoff.cli.parts import Parts
from faceoff.errors import FaceOffError, Reason
from faceoff.presets import STRENGTHS
from faceoff.types import Loss

if TYPE_CHECKING:
    from faceoff.universal import Universal

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

WEAKER = "A mask for a person hides less than one computed for the photo: read what the checks say of each result."

_EXAMPLES = f"""examples:
  faceoff universal my-photos/ -o me.npz
  faceoff protect holiday.jpg --universal me.npz     no optimisation: about as fast as finding the faces

{exits.HELP}"""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "universal",
        help="learn a mask for a person",
        description="Learns one mask for a person from about ten photos of them; `protect --universal` then puts it on any "
        f"photo of theirs at once. {WEAKER}",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument(
        "photos", type=Path, metavar="DIR", help="photos of the person; the largest face of each is taken to be theirs"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="where the mask goes (.npz)")
    parser.add_argument(
        "--strength", choices=STRENGTHS, default="balanced", help="how visible the mask may be (default: balanced)"
    )
    parser.add_argument(
        "--targets", type=Path, metavar="DIR",
        help="lead towards the people of DIR (a sub-folder of photos each, of people who agreed to it): stronger",
    )  # fmt: skip
    parser.add_argument("--seed", type=arguments.index, default=0, metavar="N", help="another seed gives another mask")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists already")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")


def run(options: argparse.Namespace, parts: Parts) -> int:
    path: Path = options.out
    if not options.force and (path.is_symlink() or path.exists()):
        raise FaceOffError(Reason.INVALID_ARGUMENT, f"{path} exists already.", "Give --force to replace it.")
    start = time.monotonic()
    progress.note("looking for faces", options.quiet)
    detector = parts.detector()
    crops = gallery.person(options.photos, detector)
    others = gallery.read(options.targets, detector) if options.targets else {}
    loss = Loss.CROWD if others else Loss.DODGE
    plan = replace(STRENGTHS[options.strength], loss=loss, seed=options.seed)
    progress.note("loading the networks", options.quiet)
    learner = parts.learner(parts.home)
    with progress.shown(output.printable(path.name), options.quiet) as report:
        universal = learner.learn(crops, plan, report, others)

    from faceoff.universal import write

    write(universal, path, options.force)
    if not options.quiet:
        output.say(_words(path, universal, time.monotonic() - start))
    return exits.DONE


def _words(path: Path, universal: Universal, seconds: float) -> str:
    name = output.printable(str(path))
    return "\n".join([
        f"{name}  ({seconds:.1f} s)",
        f"  learnt from {universal.photos} photos; on {universal.reached} of them its goal is reached on the surrogates",
        f"  use it: faceoff protect PHOTO --universal {name}",
        f"  {WEAKER}",
        f"  {output.HONEST}",
    ])  # fmt: skip
