"""python requirements.py EXTRA: the part of requirements.lock that faceoff[EXTRA] needs, on standard output.

The lock's comments say which package is there for which, so the part is read out of the lock and can differ from it in nothing.
It may hold a package too many (one that another extra asks of a shared package), never one too few: pip installs it with
--require-hashes, which fails on what is missing."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

_ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==")
_NEEDED_BY = re.compile(r"^    #(?: via)? +([A-Za-z0-9][A-Za-z0-9._-]*)")
_SELF = re.compile(r"^faceoff\[([^\]]+)\]$")


def part(lock: str, project: str, extras: list[str]) -> str:
    """The entries of ``lock`` (the text of requirements.lock) for the extras of ``project`` (the text of pyproject.toml).

    Raises KeyError for an extra that there is not, and ValueError for a package that the lock does not have."""
    entries = _entries(lock)
    needs: dict[str, set[str]] = {name: set() for name in entries}
    for name, entry in entries.items():
        for line in entry.splitlines():
            if (by := _NEEDED_BY.match(line)) and by[1] in needs:
                needs[by[1]].add(name)
    wanted = set(_roots(project, extras))
    if missing := wanted - entries.keys():
        raise ValueError(f"requirements.lock has no {', '.join(sorted(missing))}: run make lock")
    waiting = list(wanted)
    while waiting:
        found = needs[waiting.pop()] - wanted
        wanted |= found
        waiting += found
    return "".join(entry for name, entry in entries.items() if name in wanted)


def _entries(lock: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if match := _ENTRY.match(line):
            name = match[1]
        if name:
            entries[name] = entries.get(name, "") + line
    return entries


def _roots(project: str, extras: list[str]) -> Iterator[str]:
    """Names of the packages that the project and its extras ask for; an extra may ask for others of its own."""
    said = tomllib.loads(project)["project"]
    asked = list(said["dependencies"])
    waiting, seen = list(extras), set(extras)
    while waiting:
        for requirement in said["optional-dependencies"][waiting.pop()]:
            if own := _SELF.match(requirement):
                waiting += [extra for extra in own[1].split(",") if extra not in seen]
                seen.update(own[1].split(","))
            else:
                asked.append(requirement)
    for requirement in asked:
        yield re.split(r"[\s\[=<>!~;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


if __name__ == "__main__":
    here = Path.cwd()
    sys.stdout.write(
        part((here / "requirements.lock").read_text(), (here / "pyproject.toml").read_text(), sys.argv[1:])
    )
