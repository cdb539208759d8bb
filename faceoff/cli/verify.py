"""``faceoff verify``: is the person of a photo recognised by other photos of the same person?"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff import gallery
from faceoff.cli import arguments, exits, inputs, output, progress
from faceoff.cli.arguments import UsageError
from faceoff.cli.parts import Parts
from faceoff.cli.verdicts import rank_json, rank_words, rates_json, rates_words, verdict_json, verdict_words
from faceoff.errors import FaceOffError
from faceoff.types import Outcome, Rank, Terms, Verdict, View

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = f"""examples:
  faceoff verify holiday.faceoff.jpg --original holiday.jpg
  faceoff verify holiday.faceoff.jpg --original holiday.jpg --reference me1.jpg me2.jpg --survival
  faceoff verify holiday.faceoff.jpg --reference me.jpg --candidates people/ --top 3 --json
  faceoff verify holiday.faceoff.jpg --linked beach.faceoff.jpg
  faceoff verify holiday.faceoff.jpg --reference me.jpg --victims-file victims.yaml --consent azure

A photo that does not match is evidence only where the original did: give --original.

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

    whom = parser.add_argument_group("what it is compared with")
    whom.add_argument(
        "--reference",
        type=Path,
        nargs="+",
        default=[],
        metavar="PHOTO",
        help="other photos of the person; the largest face of each counts, and the best match",
    )
    whom.add_argument(
        "--original",
        type=Path,
        metavar="PHOTO",
        help="the photo before it was protected: its score stands beside, or it is the reference where there is no other",
    )
    whom.add_argument(
        "--linked",
        type=Path,
        nargs="+",
        default=[],
        metavar="PHOTO",
        help="other protected photos of the person (of networks only)",
    )
    whom.add_argument(
        "--candidates",
        type=Path,
        metavar="DIR",
        help="other people, a sub-folder of photos each: where does the person rank among them? (of networks only)",
    )
    whom.add_argument(
        "--top", type=arguments.count, metavar="N", help="with --candidates: among the first N (default: 3)"
    )
    parser.add_argument(
        "--survival",
        action="store_true",
        help="also on the face cut out, after JPEG, at half the resolution and after denoising",
    )

    who = parser.add_argument_group("who is asked")
    who.add_argument(
        "--victims",
        type=arguments.names,
        default=(),
        metavar="A,B",
        help="networks to ask (default: all; those that the mask was computed on are no evidence)",
    )
    who.add_argument("--victims-file", type=Path, metavar="FILE", help="commercial victims that --consent may name")
    who.add_argument(
        "--consent",
        type=arguments.names,
        default=(),
        metavar="A,B",
        help="send the photo and the references to these commercial victims; the original only if it is also a --reference",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def run(options: argparse.Namespace, parts: Parts) -> int:
    _check(options)
    name, top = str(options.photo), options.top or 3
    try:
        verdicts, ranks = _ask(options, parts)
    except FaceOffError as error:
        output.complain("faceoff", error)
        if options.json:
            output.say_json(output.error_json(name, error))
        return exits.of_error(error)
    if options.json:
        said = {
            "photo": name,
            "verdicts": list(map(verdict_json, verdicts)),
            "rates": rates_json(verdicts, options.consent),
        }
        output.say_json(said | ({"ranks": [rank_json(rank, top) for rank in ranks]} if options.candidates else {}))
    else:
        lines = [(verdict.face, verdict_words(verdict)) for verdict in verdicts]
        lines += [(rank.face, rank_words(rank, top)) for rank in ranks]
        faces = sorted({face for face, _ in lines})
        words = [f"  face {face}: {line}" for shown in faces for face, line in lines if face == shown]
        rates = [f"  {line}" for line in rates_words(verdicts, options.consent)] if len(faces) > 1 else []
        output.say("\n".join([output.printable(name), *words, *rates, f"  {output.HONEST}"]))
    return _code(verdicts)


def _ask(options: argparse.Namespace, parts: Parts) -> tuple[list[Verdict], list[Rank]]:
    photo = inputs.photo(options.photo).source
    original = inputs.photo(options.original) if options.original else None
    references, linked = (
        [inputs.photo(path).source for path in paths] for paths in (options.reference, options.linked)
    )
    terms = Terms(tuple(references), options.consent, tuple(View) if options.survival else Terms().views)
    progress.note("loading the networks", quiet=options.json)
    comparer = parts.comparer(parts.home, options.victims_file)
    verdicts, linkage, ranks = [], [], []
    if linked:
        linkage = comparer.linked(photo, linked, options.victims)
    if options.candidates:
        people = gallery.read(options.candidates, parts.detector())
        ranks = comparer.rank(photo, original, people, options.victims, terms)
    if references or original:  # last, for it may cost money
        verdicts = comparer.compare(photo, original, options.victims, terms)
    if linked or options.candidates:
        _say_who_was_left_out({*(verdict.victim for verdict in linkage), *(rank.victim for rank in ranks)}, options)
    return [*verdicts, *linkage], ranks


def _say_who_was_left_out(asked: Collection[str], options: argparse.Namespace) -> None:
    """Commercial victims are neither asked for linkage nor for ranks: they would be charged for every photo."""
    if others := [name for name in dict.fromkeys((*options.victims, *options.consent)) if name not in asked]:
        progress.note(f"linkage and ranks are of networks only: not of {', '.join(others)}", quiet=False)


def _check(options: argparse.Namespace) -> None:
    compared = options.reference or options.original
    if not (compared or options.linked):
        raise UsageError("say what the photo is compared with: --reference, --original or --linked")
    if options.candidates and not compared:
        raise UsageError("--candidates ranks the person of --reference or --original among others: give one of them")
    if options.top and not options.candidates:
        raise UsageError("--top is about --candidates: give both")
    if options.survival and not compared:
        raise UsageError("--survival is about --reference or --original: give one of them")
    if options.consent and not options.victims_file:
        raise UsageError("--consent names victims of --victims-file: give both")


def _code(verdicts: list[Verdict]) -> int:
    outcomes = {verdict.outcome for verdict in verdicts}
    if outcomes == {Outcome.NO_FACE_REFERENCE}:
        return exits.NO_FACE
    return exits.BUDGET if outcomes == {Outcome.OVER_BUDGET} else exits.DONE
