"""The ``faceoff`` command. Its modules are light: TensorFlow and gRPC are imported by the work, not by --help."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from faceoff import __version__
from faceoff.cli import detect, doctor, exits, models, output, protect, serve, verify
from faceoff.cli.arguments import UsageError
from faceoff.cli.parts import Parts, debugging
from faceoff.errors import FaceOffError


def main(argv: Sequence[str] | None = None, parts: Parts | None = None) -> int:
    """Run one command; its exit code. What the parser itself refuses leaves by SystemExit(2)."""
    options = _parser().parse_args(argv)
    if options.debug:
        os.environ["FACEOFF_DEBUG"] = "1"
    if not debugging():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        return int(options.run(options, parts or Parts()))
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
        # Whoever read our output has seen enough; the interpreter must not fail on flushing the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED
    except Exception as error:
        if debugging():
            raise
        output.complain("faceoff", exits.unexpected(error))
        return exits.FAILED


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
    for module in (protect, verify, detect, serve, models, doctor):
        module.add(commands)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version, parser=version)
    return parser


def _version(options: argparse.Namespace, parts: Parts) -> int:
    output.say(f"faceoff {__version__}")
    return exits.DONE
