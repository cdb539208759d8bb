"""A report over a campaign's rows: a page, a table and text that say the same, and are the same for the same rows."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faceoff import files
from faceoff.campaign import journal, tables
from faceoff.campaign.folder import Folder
from faceoff.campaign.journal import Row
from faceoff.campaign.page import page
from faceoff.campaign.sections import sections, text
from faceoff.campaign.tables import Line
from faceoff.errors import FaceOffError, Reason


def report(folder: Path, out: Path, labels: Path | None = None) -> list[Path]:
    """Write the report over ``folder`` into ``out`` and return its files: index.html, report.md and table.csv. ``labels`` is a
    CSV file (person, label) of groups to compare. Raises INVALID_ARGUMENT for a folder without rows and what read_labels
    raises."""
    manifest, rows = load(folder)
    named = tables.read_labels(labels) if labels else {}
    told = sections(manifest, rows, named)
    with files.disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    contents = {"index.html": page(manifest, told), "report.md": text(manifest, told), "table.csv": table(rows)}
    for name, content in contents.items():
        files.write_atomically(out / name, content.encode())
    return [out / name for name in contents]


def load(folder: Path) -> tuple[dict[str, Any], list[Row]]:
    """The manifest and the rows of a campaign's folder, one row a cell. Raises INVALID_ARGUMENT where there are none."""
    found = Folder(folder)
    manifest, rows = found.manifest(), tables.latest(journal.read(found.rows))
    if manifest is None or not rows:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"{folder} has no rows of a campaign.",
            "Run one: `faceoff campaign run FILE --out DIR`.",
        )
    return manifest, rows


def aggregates(rows: Sequence[Row]) -> dict[str, Any]:
    """Everything that a report says in figures, of the first run, as plain JSON."""
    first = [row for row in rows if row["run"] == 0]
    return {
        "masks": tables.masks(first),
        "clean": tables.clean(first),
        "guess": tables.guesses(first),
        "runtime": tables.runtimes(first),
        "encodings": tables.encodings(first),
        "cropped": tables.cropped(first),
        "outcomes": dict(sorted(Counter(row["outcome"] for row in first if row["line"] == "mask").items())),
    }


def table(rows: Sequence[Row]) -> str:
    """CSV: a line for every run, plan, alpha, encoding and victim, and one each for photos without a mask (``clean``) and a
    guess (``chance``)."""
    lines: list[Line] = []
    for run in sorted({row["run"] for row in rows}):
        same = [row for row in rows if row["run"] == run]
        lines += [{"run": run, "line": "mask"} | line for line in tables.masks(same)]
        lines += [{"run": run, "line": "clean"} | line for line in tables.clean(same)]
    guess = tables.guesses(rows)
    lines.append(
        {"line": "chance", "untargeted": _sure(guess["ceiling"]), "targeted": _sure(guess["chance"])}
        | {"top": _sure(guess["top"]), "unmatched": _at_most(guess["unmatched"]), "psr": _sure(guess["psr"])}
    )
    flat = [_flat(line) for line in lines]
    columns = list(dict.fromkeys(name for line in flat for name in line))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _sure(share: float | None) -> Line | None:
    return None if share is None else {"share": round(share, 4)}


def _at_most(share: float | None) -> Line | None:
    return None if share is None else {"high": round(share, 4)}


def _flat(line: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in line.items():
        if name == "not_counted":
            flat[name] = json.dumps(value)
        elif isinstance(value, dict):
            flat |= {f"{name}_{part}": item for part, item in value.items()}
        elif value is not None:
            flat[name] = value
    return {name: _plain(value) for name, value in flat.items()}


def _plain(value: Any) -> Any:
    """Spreadsheets take text that begins like this for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
