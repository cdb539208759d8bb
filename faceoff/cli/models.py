"""``faceoff models``: the networks that masks are computed on and checked with."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff import gallery
from faceoff.cli import arguments, exits, output, progress
from faceoff.cli.parts import Parts, native_silence
from faceoff.errors import FaceOffError
from faceoff.networks import catalogue
from faceoff.networks.card import Card
from faceoff.networks.options import BuildOptions, Precision
from faceoff.types import Plan

if TYPE_CHECKING:
    from faceoff.verify.thresholds import Threshold

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = f"""examples:
  faceoff models list
  faceoff models fetch                             every network that a public package carries
  faceoff models fetch dlib --from ~/weights.dat   from a file that you have
  faceoff models build facenet,mobilefacenet,sface a set of surrogates as one model
  faceoff models build facenet,sface --precision bfloat16
  faceoff models thresholds people/ mine           for the card of a network of your own
  faceoff models check dlib                        against the original runtime, where it is installed

{exits.HELP}"""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "models",
        help="list, fetch, build and check networks",
        description="The networks that masks are computed on (surrogates) and checked with (victims).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="what is known, fetched and built")
    listing.set_defaults(run=run_list, parser=listing)
    listing.add_argument("--json", action="store_true", help="one JSON object per network")

    fetching = actions.add_parser("fetch", help="bring weights and verify their hash")
    fetching.set_defaults(run=run_fetch, parser=fetching)
    fetching.add_argument("names", nargs="*", metavar="NAME", help="default: those of protect, and dlib as a victim")
    fetching.add_argument(
        "--from", dest="source", metavar="PATH_OR_URL", help="the weights, or an archive that has them"
    )
    fetching.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")

    building = actions.add_parser("build", help="convert fetched networks to the models that are served")
    building.set_defaults(run=run_build, parser=building)
    building.add_argument(
        "sets",
        nargs="*",
        type=arguments.names,
        metavar="A,B",
        help="surrogates that work together (default: those of protect, and every fetched network alone as a victim)",
    )
    building.add_argument(
        "--precision",
        choices=[str(precision) for precision in Precision],
        help="what the networks compute in; bfloat16 is faster on CPUs and GPUs that have it (default: as built before,"
        " at first float32)",
    )
    building.add_argument(
        "--xla",
        action=argparse.BooleanOptionalAction,
        help="compile the attacks' steps: for GPUs; slower on a CPU, and TensorFlow Serving needs its XLA flags",
    )
    building.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")

    measuring = actions.add_parser(
        "thresholds",
        help="measure from which distance networks take two faces for one person",
        description="Compares every two photos of the people in DIR and prints, for a card in $FACEOFF_HOME/cards, up to which"
        " distance so few pairs of different people are accepted. The cards of the built-in networks are fixed.",
    )
    measuring.set_defaults(run=run_thresholds, parser=measuring)
    measuring.add_argument("folder", type=Path, metavar="DIR", help="a sub-folder of photos for each person")
    measuring.add_argument("names", nargs="*", metavar="NAME", help="default: all that are fetched")
    measuring.add_argument("--json", action="store_true", help="one JSON object per network")

    checking = actions.add_parser("check", help="compare converted networks with their originals")
    checking.set_defaults(run=run_check, parser=checking)
    checking.add_argument("names", nargs="*", metavar="NAME", help="default: all that are fetched")


def run_list(options: argparse.Namespace, parts: Parts) -> int:
    cards = catalogue.all_cards(parts.home)
    if options.json:
        for card in cards:
            output.say_json(_row(card, parts))
        return exits.DONE
    width = max(len(card.name) for card in cards)
    for card in cards:
        row = _row(card, parts)
        state = "fetched" if row["fetched"] else "not fetched" if card.carrier else "bring your own weights"
        height, side = card.input_size
        output.say(f"{card.name:{width}}  {side}x{height} -> {card.embedding_size:4}  {state:22}  {card.title}")
    return exits.DONE


def run_fetch(options: argparse.Namespace, parts: Parts) -> int:
    """Bring the weights, then convert what can be: the default set and every fetched network alone."""
    from faceoff.networks.fetch import fetch

    if options.source and len(options.names) != 1:
        raise arguments.UsageError("--from brings the weights of one network: name it")
    cards = [catalogue.card(name, parts.home) for name in options.names]
    codes = []
    for card in cards or [catalogue.card(name, parts.home) for name in catalogue.DEFAULT]:
        try:
            with progress.download(card.name, options.quiet) as report:
                path = fetch(card, parts.home, options.source, report)
        except FaceOffError as error:
            output.complain(f"faceoff: {card.name}", error)
            codes.append(exits.of_error(error))
        else:
            progress.note(f"{card.name}: {path}", options.quiet)
            codes.append(exits.DONE)
    fetched = alone(parts)
    default = [Plan.surrogates] if {(name,) for name in Plan.surrogates} <= set(fetched) else []
    _build([*default, *fetched], options.quiet, parts)
    return exits.of_batch(codes)


def run_build(options: argparse.Namespace, parts: Parts) -> int:
    chosen = None
    if options.precision is not None or options.xla is not None:
        if not options.sets:  # victims' thresholds hold for float32
            raise arguments.UsageError("--precision and --xla are for sets that are named")
        chosen = BuildOptions(Precision(options.precision or Precision.FLOAT32), bool(options.xla))
    _build(options.sets or [Plan.surrogates, *alone(parts)], options.quiet, parts, chosen)
    return exits.DONE


def alone(parts: Parts) -> list[tuple[str, ...]]:
    """Every fetched network as a set of one: so victims are asked."""
    return [(card.name,) for card in catalogue.all_cards(parts.home) if parts.home.weights(card).exists()]


def _build(sets: Sequence[tuple[str, ...]], quiet: bool, parts: Parts, options: BuildOptions | None = None) -> None:
    for names in sets:
        cards = [catalogue.card(name, parts.home) for name in names]
        progress.note(f"making {'+'.join(names)} ready", quiet)
        with native_silence():
            from faceoff.networks import store

            store.build(cards, parts.home, options)


def run_check(options: argparse.Namespace, parts: Parts) -> int:
    with native_silence():
        from faceoff.networks import check
    failed = False
    for card in _fetched(options.names, parts):
        for row in check.check(card, parts.home):
            output.say(f"{card.name:14}  {row.name:10}  {row.outcome:8}  {row.detail}")
            failed |= row.outcome == "failed"
    return exits.FAILED if failed else exits.DONE


def run_thresholds(options: argparse.Namespace, parts: Parts) -> int:
    """Every FAR of every network; FAILED where the pairs are too few for one of them."""
    cards = _fetched(options.names, parts)
    progress.note("finding the faces", options.json)
    people = gallery.read(options.folder, parts.detector())
    networks = parts.networks(parts.home)
    from faceoff.verify import thresholds
    from faceoff.verify.victims.local import embed

    unsupported = False
    for card in cards:
        genuine, impostor = thresholds.pairs(
            {name: embed(networks, card.name, crops) for name, crops in people.items()}
        )
        measured = [thresholds.threshold(genuine, impostor, far) for far in thresholds.FARS]
        unsupported |= any(one.distance is None for one in measured)
        counted = f"{len(genuine)} pairs of one person and {len(impostor)} of two, among {len(people)} people"
        if options.json:
            output.say_json({"name": card.name, "pairs": counted, "thresholds": list(map(asdict, measured))})
        else:
            output.say("\n".join([f"# {card.name}: {counted}", *_card_lines(measured, counted), ""]))
    return exits.FAILED if unsupported else exits.DONE


def _card_lines(measured: Sequence[Threshold], pairs: str) -> Iterator[str]:
    """What a card (TOML) takes."""
    yield f'threshold_pairs = "{pairs}"'
    yield "[thresholds]"
    for one in measured:
        if one.distance is None or one.genuine is None:
            yield f"# {one.far:g} is left out: it needs {one.needed} pairs of different people"
            continue
        said = f"accepts {one.genuine.successes} of {one.genuine.n} pairs of one person"
        yield f'"{one.far:g}" = {one.distance:.4f}  # {said}'


def _fetched(names: Sequence[str], parts: Parts) -> list[Card]:
    """The named networks, or all that are fetched."""
    named = [catalogue.card(name, parts.home) for name in names]
    return named or [card for card in catalogue.all_cards(parts.home) if parts.home.weights(card).exists()]


def _row(card: Card, parts: Parts) -> dict[str, object]:
    return {
        "name": card.name,
        "title": card.title,
        "input_size": list(card.input_size),
        "embedding_size": card.embedding_size,
        "fetched": parts.home.weights(card).exists(),
        "carried_by": card.carrier and f"{card.carrier.kind}:{card.carrier.package}=={card.carrier.version}",
        "licence": card.licence,
        "training_data": card.training_data,
        "source": card.source,
        "sha256": card.sha256,
    }
