"""``faceoff protect``: photos in, protected photos out."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff import files, gallery, image
from faceoff.cli import arguments, exits, inputs, output, progress
from faceoff.cli.arguments import UsageError
from faceoff.cli.inputs import Source
from faceoff.cli.parts import Local, Parts, Protector, debugging, key_of
from faceoff.cli.verdicts import rates_words
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Protection, Request, check_roles
from faceoff.presets import METHODS, STRENGTHS
from faceoff.rooms import Attacker
from faceoff.types import OWN, Crop, Encoding, Loss, Terms, Verdict

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = f"""examples:
  faceoff protect holiday.jpg                        writes holiday.faceoff.jpg beside it
  faceoff protect holiday.jpg --strength strong --plot before-after.png
  faceoff protect album/ --out-dir protected --json  every photo below album/, one JSON object each
  faceoff protect 'album/*.png' --face 0             only the largest face of each
  faceoff protect - < in.jpg > out.jpg               standard input to standard output
  faceoff protect holiday.jpg --server localhost:50050
  faceoff protect album/ --universal me.npz          a mask learnt before by `faceoff universal`

{exits.HELP}"""


_COMPUTING = ("method", "surrogates", "kappa", "iterations", "untargeted", "targets", "own", "loss", "seed", "server")
"""Options that say how a mask is computed, or where."""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "protect",
        help="protect photos",
        description="Adds a small mask to every face of each photo and checks it on networks that took no part in it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="a photo, a folder, a pattern, or - for standard input"
    )

    look = parser.add_argument_group("how the mask looks and works")
    look.add_argument("--strength", choices=STRENGTHS, help="how visible the mask may be (default: balanced)")
    look.add_argument(
        "--method",
        choices=METHODS,
        metavar="NAME",
        help="an attack with the paper's hyper-parameters, as described (paper/...) or as its authors' code has it "
        "(released/...); its visibility has no limit unless --strength is given: " + ", ".join(METHODS),
    )
    look.add_argument("--surrogates", type=arguments.names, metavar="A,B", help="networks that the mask is computed on")
    look.add_argument("--kappa", type=arguments.not_negative, metavar="X", help="margin of the hinge loss")
    look.add_argument("--alpha", type=arguments.positive, metavar="X", help="amplification of the mask")
    look.add_argument("--iterations", type=arguments.count, metavar="N", help="steps of the attack")
    goal = look.add_mutually_exclusive_group()
    goal.add_argument("--untargeted", action="store_true", help="move away from the own face, towards nobody (default)")
    goal.add_argument(
        "--targets", type=Path, metavar="DIR",
        help="lead away from the own face towards the people of DIR (a sub-folder of photos each, of people who agreed to it): "
        "the nearest person is more often another, but the own face is not left as far behind",
    )  # fmt: skip
    look.add_argument(
        "--loss",
        type=Loss,
        choices=(Loss.CROWD, Loss.HINGE, Loss.TARGET),
        help="what --targets does: lead towards all of them and so nobody (default), or towards one of them",
    )
    look.add_argument(
        "--own", type=Path, metavar="DIR",
        help="more photos of the person whose faces are protected (if all are one person's): the mask then hides the person "
        "rather than the picture",
    )  # fmt: skip
    look.add_argument(
        "--universal", type=Path, metavar="FILE",
        help="put the mask of FILE (see `faceoff universal`) on the faces instead of computing one: at once, but weaker, and "
        "for one person's faces only (--face)",
    )  # fmt: skip
    look.add_argument("--seed", type=arguments.index, metavar="N", help="another seed gives another mask (default: 0)")
    look.add_argument(
        "--face", type=arguments.index, action="append", default=[], metavar="N",
        help="protect only this face, 0 being the largest; may be repeated",
    )  # fmt: skip

    check = parser.add_argument_group("how the result is checked")
    check.add_argument(
        "--victims", type=arguments.names, default=(), metavar="A,B", help="networks that check the result"
    )
    check.add_argument(
        "--reference",
        type=Path,
        nargs="+",
        default=[],
        metavar="PHOTO",
        help="other photos of the person: does the result still match the best of them? (default: the original is it)",
    )
    check.add_argument(
        "--victims-file",
        type=Path,
        metavar="FILE",
        help="commercial victims that --consent may name (a server has its own)",
    )
    check.add_argument(
        "--consent",
        type=arguments.names,
        default=(),
        metavar="A,B",
        help="send the result and the references to these commercial victims; the original only if it is also a --reference",
    )

    where = parser.add_argument_group("where the result goes")
    where.add_argument(
        "-o", "--out-dir", type=Path, metavar="DIR", help="folder of the results (default: beside each photo)"
    )
    where.add_argument("--format", choices=("png", "jpeg", "webp"), help="default: jpeg for a JPEG photo, else png")
    where.add_argument(
        "--quality", type=arguments.quality, metavar="1..100", help="of jpeg, written 4:4:4 (default: 95)"
    )
    where.add_argument("--force", action="store_true", help="replace results that exist already")
    where.add_argument(
        "--plot", type=Path, metavar="FILE", help="also write a before/after picture (PNG) of a single photo"
    )

    how = parser.add_argument_group("how it runs")
    how.add_argument("--server", metavar="ADDRESS", help="let the gateway at host:port do it (see `faceoff serve`)")
    how.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="file with the API key that the gateway asks for (or FACEOFF_API_KEY)",
    )
    how.add_argument("--timeout", type=arguments.positive, metavar="SECONDS", help="give a photo up after this long")
    how.add_argument("--json", action="store_true", help="one JSON object per photo on standard output")
    how.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")


def run(options: argparse.Namespace, parts: Parts) -> int:
    sources = inputs.expand(options.photos)
    _check(options, sources)
    request = request_of(options)
    try:
        attacker = None
        if options.universal:
            request, attacker = _universal(options, request)
        protector = _protector(options, request, parts, attacker)
        people: dict[str, Sequence[Crop]] = {}
        if options.targets:
            people |= gallery.read(options.targets, parts.detector())
        if options.own:
            people[OWN] = gallery.person(options.own, parts.detector())
        references = tuple(inputs.photo(path).source for path in options.reference)
        request = replace(request, gallery=people, terms=Terms(references, options.consent))
    except FaceOffError as error:
        output.complain("faceoff", error)
        if options.json:
            for source in sources:
                output.say_json(output.error_json(source.name, error))
        return exits.of_error(error)
    job = Job(options, request)
    codes = [job.one(source, protector, number, len(sources)) for number, source in enumerate(sources, 1)]
    if len(sources) > 1 and job.verdicts:
        progress.note(
            "\n".join(["of all photos:", *rates_words(job.verdicts, options.consent)]), options.quiet or options.json
        )
    return exits.of_batch(codes)


def request_of(options: argparse.Namespace) -> Request:
    """The plan is that of a strength, or of a method of the paper, with what else was said put over it."""
    if options.method is None:
        plan = STRENGTHS[options.strength or "balanced"]
    else:
        plan = METHODS[options.method]
        if options.strength:
            plan = replace(plan, rms=STRENGTHS[options.strength].rms)
    said = {name: getattr(options, name) for name in ("surrogates", "kappa", "alpha", "iterations", "seed")}
    if options.loss or options.untargeted:
        said["loss"] = options.loss or Loss.DODGE
    elif options.targets and plan.loss is Loss.DODGE:
        said["loss"] = Loss.HINGE
    plan = replace(plan, **{name: value for name, value in said.items() if value is not None})
    return Request(plan=plan, faces=tuple(dict.fromkeys(options.face)), victims=options.victims)


def _universal(options: argparse.Namespace, request: Request) -> tuple[Request, Attacker]:
    """The request with the networks that the mask was learnt on, at the strength it was learnt for unless another was said."""
    from faceoff import universal

    mask = universal.read(options.universal)
    plan = replace(request.plan, surrogates=mask.surrogates, loss=mask.loss, seed=mask.seed)
    if options.strength is None:
        plan = replace(plan, epsilon=mask.epsilon, rms=mask.rms)
    return replace(request, plan=plan), universal.UniversalAttacker(mask)


@dataclass
class Job:
    """The photos of one command. ``written`` holds the results of this run, which not even --force replaces, ``verdicts`` what
    was said of them."""

    options: argparse.Namespace
    request: Request
    written: set[Path] = field(default_factory=set)
    verdicts: list[Verdict] = field(default_factory=list)

    def one(self, source: Source, protector: Protector, number: int, total: int) -> int:
        """Protect one photo and say so; its exit code."""
        try:
            self._protect(source, protector, _title(source, number, total))
            return exits.DONE
        except FaceOffError as known:
            error = known
        except BrokenPipeError:
            raise
        except Exception as unknown:
            if debugging():
                raise
            error = exits.unexpected(unknown)
        output.complain(f"faceoff: {source.name}", error)
        if self.options.json:
            output.say_json(output.error_json(source.name, error))
        return exits.of_error(error)

    def _protect(self, source: Source, protector: Protector, title: str) -> None:
        start = time.monotonic()
        data = source.read()
        request = replace(self.request, encoding=self._encoding(data))
        path = source.output(request.encoding.format, self.options.out_dir)
        for target in filter(None, (path, self.options.plot)):
            self._make_way(target)
        with progress.shown(title, self.options.quiet) as report:
            result = protector.protect(data, request, report, self.options.timeout)
        if self.options.plot:
            _plot(self.options.plot, result, self.options.force)
        if path:
            files.write_atomically(path, result.candidate.data, overwrite=self.options.force)
            self.written.add(path)
        else:
            with output.standard_output():
                sys.stdout.buffer.write(result.candidate.data)
                sys.stdout.buffer.flush()
        self.verdicts += result.verdicts
        seconds = time.monotonic() - start
        if self.options.json:
            output.say_json(output.protection_json(source.name, str(path), seconds, request, result))
        elif path and not self.options.quiet:
            output.say(output.protection_words(str(path), seconds, result))
        else:
            progress.note(output.protection_words("standard output", seconds, result), self.options.quiet)

    def _encoding(self, data: bytes) -> Encoding:
        format_name = (self.options.format or ("jpeg" if inputs.looks_like_jpeg(data) else "png")).upper()
        return Encoding(format_name, self.options.quality or Encoding.quality)

    def _make_way(self, path: Path) -> None:
        """Refuse before the work what would be refused after it."""
        if path in self.written:
            raise _exists(path, "It is another photo's result: protect this photo into another --out-dir.")
        with files.disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            there = path.is_symlink() or path.exists()
        if there and not self.options.force:
            raise _exists(path, "Give --force to replace it.")


def _title(source: Source, number: int, total: int) -> str:
    name = output.printable(source.path.name) if source.path else "standard input"
    return f"{name} ({number} of {total})" if total > 1 else name


def _check(options: argparse.Namespace, sources: list[Source]) -> None:
    to_stdout = options.out_dir is None and any(source.path is None for source in sources)
    if to_stdout and options.json:
        raise UsageError("the photo of - and --json would both go to standard output: give --out-dir")
    if to_stdout and len(sources) > 1:
        raise UsageError("- goes with other photos only with --out-dir")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("the photo would go to the terminal: redirect standard output or give --out-dir")
    if options.loss and not options.targets:
        raise UsageError("--loss says what --targets does: give both")
    if (options.targets or options.own) and options.server:
        raise UsageError("--targets and --own work without --server only: a gateway takes no other faces from callers")
    said = [name for name in _COMPUTING if getattr(options, name) is not None and getattr(options, name) is not False]
    if options.universal and said:
        raise UsageError(f"--universal computes no mask: leave {', '.join(f'--{name}' for name in said)} out")
    if options.consent and not options.reference:
        raise UsageError("--consent lets victims compare the result with the photos of --reference: give both")
    if options.consent and not (options.victims_file or options.server):
        raise UsageError("--consent names victims of --victims-file or of --server: give one of them")
    if options.victims_file and options.server:
        raise UsageError("--victims-file is for this process: a server has its own victims")
    if options.plot and len(sources) > 1:
        raise UsageError("--plot is for a single photo")
    if options.plot and sources[0].path and os.path.realpath(options.plot) == os.path.realpath(sources[0].path):
        raise UsageError("--plot would replace the photo itself")


def _protector(
    options: argparse.Namespace, request: Request, parts: Parts, attacker: Attacker | None = None
) -> Protector:
    """``attacker`` takes the place of the one that computes masks, and then the surrogates need not be here."""
    check_roles(request)
    if options.server:
        return parts.remote(options.server, key_of(options.key_file))
    from faceoff.networks import catalogue

    commercial = _commercial(options)
    judges = [name for name in request.victims if name not in commercial]
    for name in (*(() if attacker else request.plan.surrogates), *judges):
        catalogue.card(name, parts.home)
    progress.note("loading the networks", options.quiet)
    rooms = parts.local(parts.home, options.victims_file)
    return Local(replace(rooms, attacker=attacker) if attacker else rooms)


def _commercial(options: argparse.Namespace) -> set[str]:
    """The names of the commercial victims here. Consent to another one is refused now, not after the work."""
    if not options.victims_file:
        return set()
    from faceoff.verify.victims.asking import check_consent
    from faceoff.verify.victims.settings import enabled

    known = enabled(options.victims_file)
    check_consent(options.consent, known)
    return known


def _plot(path: Path, result: Protection, overwrite: bool) -> None:
    from faceoff.plot import before_after

    protected = image.decode(result.candidate.data, len(result.candidate.data))
    picture: bytes = before_after(result.photo, protected, result.crops, result.verdicts)
    files.write_atomically(path, picture, overwrite=overwrite)


def _exists(path: Path, hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, f"{path} exists already.", hint)
