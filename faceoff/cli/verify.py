"""``faceoff verify``: is the person of a photo recognised by other photos of the same person?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff import image
from faceoff.cli import arguments, exits, output, progress
from faceoff.cli.inputs import Source
from faceoff.cli.parts import Parts
from faceoff.errors import FaceOffError
from faceoff.types import Outcome, Photo, Verdict

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = f"""examples:
  faceoff verify holiday.faceoff.jpg --reference me.jpg
  faceoff verify holiday.faceoff.jpg --reference me1.jpg me2.jpg --victims dlib --json

{exits.HELP}"""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "verify",
        help="check whether a photo is still recognised",
        description="Asks networks whether they recognise the faces of a photo by other photos of the same person.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="the protected photo")
    parser.add_argument(
        "--reference",
        type=Path,
        nargs="+",
        required=True,
        metavar="PHOTO",
        help="other photos of the person; the largest face counts",
    )
    parser.add_argument(
        "--victims",
        type=arguments.names,
        default=(),
        metavar="A,B",
        help="networks to ask (default: all; those that the mask was computed on are no evidence)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def run(options: argparse.Namespace, parts: Parts) -> int:
    name = str(options.photo)
    try:
        photo = _read(options.photo)
        references = [_read(path) for path in options.reference]
        progress.note("loading the networks", quiet=options.json)
        verdicts = parts.comparer(parts.home).compare(photo, references, options.victims)
    except FaceOffError as error:
        output.complain("faceoff", error)
        if options.json:
            output.say_json(output.error_json(name, error))
        return exits.of_error(error)
    if options.json:
        output.say_json({"photo": name, "verdicts": [output.verdict_json(verdict) for verdict in verdicts]})
    else:
        output.say(
            "\n".join([output.printable(name), *(f"  face {verdict.face}: {_words(verdict)}" for verdict in verdicts)])
        )
    return _code(verdicts)


def _read(path: Path) -> Photo:
    """Raises FaceOffError, naming the file: there are several."""
    try:
        return image.decode(Source(path).read())
    except FaceOffError as error:
        error.message = f"{path}: {error.message}"
        raise


def _words(verdict: Verdict) -> str:
    if verdict.protected_score is None or verdict.clean_score is not None:
        return output.verdict_words(verdict)
    said = "recognises it" if verdict.outcome is Outcome.NOT_TRANSFERRED else "does not recognise it"
    return f"{verdict.victim} {said}: {verdict.protected_score:.2f}, threshold {verdict.threshold:.2f}"


def _code(verdicts: list[Verdict]) -> int:
    outcomes = {verdict.outcome for verdict in verdicts}
    if outcomes == {Outcome.NO_FACE_REFERENCE}:
        return exits.NO_FACE
    return exits.BUDGET if outcomes == {Outcome.OVER_BUDGET} else exits.DONE
