"""``faceoff keys``: the API keys that a gateway lets in."""

from __future__ import annotations

import argparse
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff.cli import arguments, exits, output, progress
from faceoff.cli.parts import Parts
from faceoff.tenants.principal import Scope

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = f"""examples:
  faceoff keys create acme --file keys.json
  faceoff keys create lab --scope protect --scope research --days 90 --file keys.json
  faceoff keys revoke 0123456789ab --file keys.json

A tenant has two live keys at most. To replace one: create the new one, put it to use, revoke the old one.
A gateway that was started with the file sees changes at once.

{exits.HELP}"""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "keys",
        help="create, list and revoke API keys",
        description="The API keys that a gateway lets in. The file holds no secret, only hashes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    creating = actions.add_parser("create", help="print a new key, once")
    creating.set_defaults(run=run_create, parser=creating)
    creating.add_argument("tenant", metavar="TENANT", help="whose it is")
    creating.add_argument(
        "--scope",
        dest="scopes",
        action="append",
        type=Scope,
        choices=list(Scope),
        help="what it may do, repeatable (default: protect)",
    )
    creating.add_argument("--days", type=arguments.count, help="until it expires (default: never)")
    _add_file(creating)

    listing = actions.add_parser("list", help="every key, without its secret")
    listing.set_defaults(run=run_list, parser=listing)
    listing.add_argument("--json", action="store_true", help="one JSON object per key")
    _add_file(listing)

    revoking = actions.add_parser("revoke", help="make a key worthless")
    revoking.set_defaults(run=run_revoke, parser=revoking)
    revoking.add_argument("id", metavar="ID", help="the part between the underscores")
    _add_file(revoking)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file", type=Path, default=os.environ.get("FACEOFF_KEYS"), help="[FACEOFF_KEYS] the keys' file"
    )


def _file(options: argparse.Namespace) -> Path:
    if options.file is None:
        raise arguments.UsageError("--file is needed")
    return Path(options.file)


def run_create(options: argparse.Namespace, parts: Parts) -> int:
    from faceoff.tenants import keys

    if options.days and options.days > 36_500:
        raise arguments.UsageError("--days is at most 36500")
    expires = keys.utc_now() + timedelta(days=options.days) if options.days else None
    key = keys.create(_file(options), options.tenant, options.scopes or [Scope.PROTECT], expires)
    output.say(key)
    progress.note("This is the only time that the key is shown.", quiet=False)
    return exits.DONE


def run_list(options: argparse.Namespace, parts: Parts) -> int:
    from faceoff.tenants import keys

    now = keys.utc_now()
    for key in keys.read(_file(options)):
        state = "live" if key.live(now) else "revoked" if key.revoked else "expired"
        scopes, expires = sorted(key.scopes), key.expires.date().isoformat() if key.expires else None
        if options.json:
            output.say_json({"id": key.id, "tenant": key.tenant, "scopes": scopes, "state": state, "expires": expires})
        else:
            output.say(f"{key.id}  {key.tenant:20}  {state:7}  {expires or 'never':10}  {','.join(scopes)}")
    return exits.DONE


def run_revoke(options: argparse.Namespace, parts: Parts) -> int:
    from faceoff.tenants import keys

    key = keys.revoke(_file(options), options.id)
    progress.note(f"The key {key.id} of {key.tenant} is worthless now.", quiet=False)
    return exits.DONE
