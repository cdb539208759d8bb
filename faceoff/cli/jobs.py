"""``faceoff jobs``: photos that a server protects meanwhile."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceoff import files
from faceoff.cli import arguments, exits, inputs, output, progress
from faceoff.cli.inputs import SUFFIXES
from faceoff.cli.parts import Parts, away, key_of
from faceoff.cli.verdicts import verdict_json
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Request
from faceoff.presets import STRENGTHS
from faceoff.types import Encoding, Priority, Progress, Terms

if TYPE_CHECKING:
    from faceoff.client import Client, Operation, Receipt

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = f"""examples:
  faceoff jobs submit holiday.jpg --server localhost:50050     prints the job's number
  faceoff jobs watch  ID --server localhost:50050              until it is done; Ctrl-C leaves it at work
  faceoff jobs result ID --server localhost:50050              writes ID.faceoff.png
  faceoff jobs delete ID --server localhost:50050              photo, result and key, at once

{exits.HELP}"""

_PRIORITIES = tuple(priority.name.lower() for priority in Priority)


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "jobs",
        help="photos that a server protects meanwhile",
        description="Gives photos to a server and follows them: the server keeps them, encrypted, until they are done.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    submit = _action(actions, "submit", _submit, "give photos to the server", job=False)
    submit.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="a photo, a folder, a pattern, or - for standard input"
    )
    submit.add_argument("--strength", choices=STRENGTHS, default="balanced", help="how visible the mask may be")
    submit.add_argument("--format", choices=("png", "jpeg", "webp"), default="png", help="of the result")
    submit.add_argument("--quality", type=arguments.quality, default=Encoding.quality, metavar="1..100", help="of jpeg")
    submit.add_argument("--face", type=arguments.index, action="append", default=[], metavar="N", help="only this face")
    submit.add_argument("--victims", type=arguments.names, default=(), metavar="A,B", help="networks that check it")
    submit.add_argument(
        "--reference", type=Path, nargs="+", default=[], metavar="PHOTO", help="other photos of the person"
    )
    submit.add_argument("--priority", choices=_PRIORITIES, default="interactive", help="what goes first")
    submit.add_argument(
        "--idempotency-key", default="", metavar="TEXT", help="the same key with the same photo is the same job"
    )

    _action(actions, "list", _list, "your jobs, the newest first", job=False)
    _action(actions, "get", _get, "how far a job is")
    _action(actions, "watch", _watch, "how far a job is, until it is done")
    result = _action(actions, "result", _result, "the protected photo")
    result.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: ID.faceoff.png; - is standard output"
    )
    result.add_argument("--force", action="store_true", help="replace a file that exists already")
    _action(actions, "cancel", _cancel, "stop a job")
    _action(actions, "delete", _delete, "stop a job and delete its photo, result and key")
    _add_purge(actions)


def _add_purge(actions: Commands) -> None:
    """For operators: without the tenant's key, at the broker and not at a door."""
    text = "delete all jobs of a tenant, at the broker itself"
    parser = actions.add_parser("purge", help=text, description=f"{text[0].upper()}{text[1:]}. Revoke its keys first.")
    parser.set_defaults(run=lambda options, _: away(lambda: _purge(options)), parser=parser)
    broker = os.environ.get("FACEOFF_NATS")
    parser.add_argument(
        "--nats",
        required=not broker,
        default=broker,
        metavar="URL",
        help="[FACEOFF_NATS] the broker that keeps the jobs",
    )
    parser.add_argument("--tenant", required=True, metavar="NAME", help="whose jobs")
    parser.add_argument("--json", action="store_true", help="one JSON object per receipt on standard output")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but receipts and errors")


def _action(
    actions: Commands, name: str, run: Callable[[argparse.Namespace, Client], int], text: str, job: bool = True
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=lambda options, parts: _with_client(options, parts, run), parser=parser)
    if job:
        parser.add_argument("job", metavar="ID", help="the job's number")
    parser.add_argument("--server", required=True, metavar="ADDRESS", help="host:port of the gateway")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="file with the API key that the server asks for")
    parser.add_argument("--json", action="store_true", help="one JSON object per job on standard output")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but results and errors")
    return parser


def _with_client(options: argparse.Namespace, parts: Parts, run: Callable[[argparse.Namespace, Client], int]) -> int:
    client = parts.client(options.server, key_of(options.key_file))
    try:
        code = away(lambda: run(options, client))
    except KeyboardInterrupt:
        if run is not _watch:
            raise
        sys.stderr.write(f"The job goes on. See it again: faceoff jobs watch {options.job} --server {options.server}\n")
        return exits.INTERRUPTED
    except Exception:
        client.close()
        raise
    client.close()
    return code


def _submit(options: argparse.Namespace, client: Client) -> int:
    sources = inputs.expand(options.photos)
    if options.idempotency_key and len(sources) > 1:
        raise arguments.UsageError("--idempotency-key is for a single photo")
    request = Request(
        STRENGTHS[options.strength],
        Encoding(options.format.upper(), options.quality),
        tuple(dict.fromkeys(options.face)),
        options.victims,
        priority=Priority[options.priority.upper()],
        terms=Terms(tuple(inputs.photo(path).source for path in options.reference)),
    )
    codes = []
    for source in sources:
        try:
            operation = client.submit(source.read(), request, options.idempotency_key)
        except FaceOffError as error:
            output.complain(f"faceoff: {source.name}", error)
            if options.json:
                output.say_json(output.error_json(source.name, error))
            codes.append(exits.of_error(error))
        else:
            output.say_json({"photo": source.name, **_json(operation)}) if options.json else output.say(operation.id)
            codes.append(exits.DONE)
    return exits.of_batch(codes)


def _list(options: argparse.Namespace, client: Client) -> int:
    for operation in client.list():
        _say(options, operation)
    return exits.DONE


def _get(options: argparse.Namespace, client: Client) -> int:
    _say(options, client.get(options.job))
    return exits.DONE


def _watch(options: argparse.Namespace, client: Client) -> int:
    progress.note("Ctrl-C leaves the job at work.", options.quiet)
    with progress.shown(options.job, options.quiet) as report:
        for operation in client.watch(options.job):
            last = operation
            if operation.progress and not operation.state.terminal:
                report(operation.progress)
    _say(options, last)
    return exits.of_error(last.error.error()) if last.error else exits.DONE


def _result(options: argparse.Namespace, client: Client) -> int:
    result = client.result(options.job)
    data = result.candidate.data
    if options.output == Path("-"):
        with output.standard_output():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        return exits.DONE
    path = options.output or Path(f"{options.job}.faceoff{SUFFIXES[result.candidate.encoding.format]}")
    files.write_atomically(path, data, overwrite=options.force)
    if options.json:
        verdicts = [verdict_json(verdict) for verdict in result.verdicts]
        output.say_json({"id": options.job, "output": str(path), "verdicts": verdicts})
    else:
        output.say(output.printable(str(path)))
    return exits.DONE


def _cancel(options: argparse.Namespace, client: Client) -> int:
    _say(options, client.cancel(options.job))
    return exits.DONE


def _delete(options: argparse.Namespace, client: Client) -> int:
    _say_receipt(options, client.delete(options.job))
    return exits.DONE


def _purge(options: argparse.Namespace) -> int:
    from faceoff.jobs import jetstream

    with closing(jetstream.attach(options.nats)) as jobs:
        found = jobs.list(options.tenant, sys.maxsize)
        for operation in found:
            try:
                _say_receipt(options, jobs.delete(options.tenant, operation.id))
            except FaceOffError as error:
                if error.reason is not Reason.NOT_FOUND:  # its time was over meanwhile
                    raise
    progress.note(f"{options.tenant} had {len(found)} jobs.", options.quiet)
    return exits.DONE


def _say_receipt(options: argparse.Namespace, receipt: Receipt) -> None:
    if options.json:
        output.say_json(
            {"id": receipt.id, "deleted": _time(receipt.deleted), "photos": receipt.photos, "keys": receipt.keys}
        )
    else:
        output.say(
            f"{receipt.id} deleted at {_time(receipt.deleted)}: {receipt.photos} photos, and {receipt.keys} keys"
        )


def _say(options: argparse.Namespace, operation: Operation) -> None:
    if options.json:
        return output.say_json(_json(operation))
    words = [operation.id, operation.state.value, _how_far(operation.progress), f"until {_time(operation.expires)}"]
    if operation.error:
        words.append(f"{operation.error.reason}: {operation.error.message}")
    return output.say("  ".join(filter(None, words)))


def _how_far(progress: Progress | None) -> str:
    return f"{progress.stage} {progress.done}/{progress.total}" if progress else ""


def _json(operation: Operation) -> dict[str, Any]:
    error = operation.error
    return {
        "id": operation.id,
        "state": operation.state.value,
        "progress": vars(operation.progress) if operation.progress else None,
        "error": {"reason": error.reason, "message": error.message, "hint": error.hint} if error else None,
        "created": _time(operation.created),
        "expires": _time(operation.expires),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
