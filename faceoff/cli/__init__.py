"""The ``faceoff`` command. Its modules are light: TensorFlow and gRPC are imported by the work, not by --help."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from faceoff import __version__
from faceoff.cli import (
    campaign,
    detect,
    doctor,
    exits,
    jobs,
    keys,
    models,
    output,
    protect,
    serve,
    train,
    universal,
    verify,
)
from faceoff.cli.arguments import UsageError
from faceoff.cli.parts import Parts, debugging
from faceoff.errors import FaceOffError


def main(argv: Sequence[str] | None = None, parts: Parts | None = None) -> int:
    """Run one command; its exit code. What the parser itself refuses leaves by SystemExit(2)."""
    _mend_streams()
    options = _parser().parse_args(argv)
    if options.debug:
        os.environ["FACEOFF_DEBUG"] = "1"
    if not debugging():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with _terminable():
        return _run(options, parts or Parts())


def _run(options: argparse.Namespace, parts: Parts) -> int:
    try:
        return int(options.run(options, parts))
    except UsageError as error:
        options.parser.print_usage(sys.stderr)
        sys.stderr.write(f"{options.parser.prog}: error: {error}\n")
        return exits.USAGE
    except FaceOffError as error:
        output.complain("faceoff", error)
        return exits.of_error(error)
    except KeyboardInterrupt:
        sys.stderr.write("faceoff: interrupted; nothing half-done was left.\n")
        return exits.INTERRUPTED
    except BrokenPipeError:
        return exits.FAILED  # whoever read our output has seen enough
    except Exception as error:
        if debugging():
            raise
        output.complain("faceoff", exits.unexpected(error))
        return exits.FAILED


def _mend_streams() -> None:
    """Streams that our parent closed become devices, so that no file of ours takes their numbers: to standard output,
    writing fails. A letter that standard output does not have is escaped, as on standard error."""
    for name, mode, flag in (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flag), mode))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM leaves through every ``finally``, as Ctrl-C does, so that no unfinished file stays."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(exits.TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="faceoff",
        description="Protects photographs from face recognition, and checks that it worked.",
        epilog=f"examples:\n  faceoff doctor\n  faceoff models fetch\n  faceoff protect holiday.jpg\n\n{exits.HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks and TensorFlow's own log")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (protect, universal, verify, detect, serve, jobs, keys, models, train, campaign, doctor):
        module.add(commands)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version, parser=version)
    return parser


def _version(options: argparse.Namespace, parts: Parts) -> int:
    output.say(f"faceoff {__version__}")
    return exits.DONE
