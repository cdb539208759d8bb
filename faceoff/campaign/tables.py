"""From rows to what a report says: pure functions. What counts, and as what, is decided in faceoff.verify.rates."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from faceoff.campaign.config import CROPPED
from faceoff.campaign.journal import Row
from faceoff.errors import FaceOffError, Reason
from faceoff.verify.rates import CHANCE, COUNTED, Rate, psr, rank_chance, share

TOP = 3
"""The paper's top-n (its section 6.3)."""

SERIES = (
    "series",
    "method",
    "loss",
    "surrogates",
    "iterations",
    "epsilon",
    "kappa",
    "rms_budget",
    "encoding",
    "victim",
)
"""What the curves of one figure differ in; alpha is along them."""

Line = dict[str, Any]


def latest(rows: Iterable[Row]) -> list[Row]:
    """One row a cell and run, the last: a call that failed was asked again. In the order of what they are of, so that a report
    does not depend on who worked when."""
    kept = {(row["run"], row["cell"]): row for row in rows}
    return sorted(kept.values(), key=lambda row: (row["run"], *_order(row)))


def _order(row: Row) -> tuple[Any, ...]:
    if row["line"] == "clean":
        return ("", "", "", 0, 0.0, 0.0, row["encoding"], row["victim"], 0.0, row["person"], row["photo"], "")
    return (
        row["series"], row["loss"], "+".join(row["surrogates"]), row["iterations"], row["epsilon"], row["kappa"],
        row["encoding"], row["victim"], row["alpha"], row["person"], row["photo"], row["target"],
    )  # fmt: skip


def counted(rows: Iterable[Row]) -> list[Row]:
    """The rows that are evidence: no other outcome is ever part of a rate."""
    return [row for row in rows if row["outcome"] in COUNTED]


def masks(rows: Sequence[Row]) -> list[Line]:
    """A line for every plan, alpha, encoding and victim of the masks in ``rows`` (of one run)."""
    wanted = [row for row in rows if row["line"] == "mask"]
    return [_line(dict(zip((*SERIES, "alpha"), key, strict=True)), same) for key, same in _groups(wanted)]


def _groups(rows: Sequence[Row]) -> list[tuple[tuple[Any, ...], list[Row]]]:
    def key(row: Row) -> tuple[Any, ...]:
        values = {**row, "surrogates": "+".join(row["surrogates"])}
        return tuple(values[name] for name in (*SERIES, "alpha"))

    return [(values, list(same)) for values, same in groupby(sorted(rows, key=key), key)]


def _line(what: Line, rows: Sequence[Row]) -> Line:
    evidence = counted(rows)
    ranked = _ranked(evidence)
    targeted = [row for row in ranked if row.get("target_rank") is not None]
    others = Counter(str(row["outcome"]) for row in rows if row["outcome"] not in COUNTED)
    others.update(
        "clean_misrank" if row.get("clean_rank") else "no_clean_rank"
        for row in evidence
        if row.get("rank") is not None and row.get("clean_rank") != 1
    )
    return what | {
        "n": len(evidence),
        "not_counted": dict(sorted(others.items())),
        "people": len({row["person"] for row in evidence}),
        "unmatched": rate(evidence, lambda row: row["outcome"] == COUNTED[0]),
        "psr": _psr(evidence),
        "untargeted": rate(ranked, lambda row: row["rank"] > 1),
        "targeted": rate(targeted, lambda row: row["target_rank"] == 1) if any(row["target"] for row in rows) else None,
        "top": rate(_ranked(evidence, TOP), lambda row: row["rank"] <= TOP),
        "confidence": mean(evidence, "score"),
        "toward_target": mean(evidence, "target_score"),
        **{name: mean(evidence, name) for name in ("l2", "rms", "ssim", "alpha_used", "r_surrogate", "r_victim")},
    }


def _ranked(evidence: Iterable[Row], first: int = 1) -> list[Row]:
    """The rows with a rank whose photo had the person among the ``first`` without a mask too: from the others, no mask took
    that away, and where the person is the nearest, the target was not."""
    return [row for row in evidence if row.get("rank") is not None and (row.get("clean_rank") or first + 1) <= first]


def clean(rows: Sequence[Row]) -> list[Line]:
    """The same of the photos as they are, for each encoding and victim: what would be measured without any mask. Here a
    mismatch counts, for it is the victim's own error that is asked for."""
    found = [row for row in rows if row["line"] == "clean"]
    lines = []
    for encoding, victim in sorted({(row["encoding"], row["victim"]) for row in found}):
        same = [row for row in found if (row["encoding"], row["victim"]) == (encoding, victim)]
        scored = [row for row in same if row["score"] is not None]
        ranked = [row for row in scored if row.get("rank") is not None]
        lines.append({
            "encoding": encoding,
            "victim": victim,
            "n": len(scored),
            "not_scored": len(same) - len(scored),
            "unmatched": rate(scored, lambda row: row["outcome"] not in COUNTED),
            "psr": _psr(scored),
            "untargeted": rate(ranked, lambda row: row["rank"] > 1),
            "top": rate(ranked, lambda row: row["rank"] <= TOP),
            "confidence": mean(scored, "score"),
        })  # fmt: skip
    return lines


def guesses(rows: Sequence[Row]) -> Line:
    """What a guess among the people gives, and a stranger's face. An untargeted attack cannot do better than ``ceiling`` by
    leaving nothing of the person, only by resembling somebody else. A stranger's face is no pair's match in ``psr`` of all
    cases and, as the best of several photos counts, is unmatched at most as often; that is known of networks alone."""
    labels = max((row["labels"] for row in rows), default=0)
    if not labels:
        return {}
    stranger = CHANCE if any("far" in row for row in rows) else None
    return {
        "labels": labels,
        "ceiling": rank_chance(1, labels),
        "chance": 1 / labels,
        "top": min(TOP, labels) / labels,
        "unmatched": stranger,
        "psr": stranger,
    }


def runtimes(rows: Sequence[Row]) -> list[Line]:
    """Seconds and iterations a face, for each attack as it was run (a mask once, however many pictures were made of it)."""
    keys = ("series", "method", "loss", "surrogates", "iterations", "search_steps")
    once = {
        (
            *(str(row[key]) for key in keys),
            row["kappa"],
            row["epsilon"],
            row["person"],
            row["photo"],
            row["target"],
        ): row
        for row in rows
        if row["line"] == "mask"
    }
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in once.values():
        key = tuple("+".join(row[name]) if name == "surrogates" else row[name] for name in keys)
        groups.setdefault(key, []).append(row)
    return [
        dict(zip(keys, key, strict=True))
        | {
            "n": len(same),
            "seconds": mean(same, "seconds"),
            "spent": mean(same, "spent"),
            "batch": mean(same, "batch"),
            "reached": rate(same, lambda row: bool(row["reached"])),
        }
        for key, same in sorted(groups.items())
    ]


def encodings(rows: Sequence[Row]) -> list[Line]:
    """For each other encoding of whole pictures, plan, alpha and victim: its confidence less that of the same mask as PNG
    (paper Figure 14: below zero, that encoding hides more)."""
    return _differences([row for row in rows if not row["encoding"].endswith(CROPPED)], lambda name: "png")


def cropped(rows: Sequence[Row]) -> list[Line]:
    """The same of cropped pictures, less the whole ones in the same encoding (paper A.5)."""
    return _differences(rows, lambda name: name.removesuffix(CROPPED))


def _differences(rows: Sequence[Row], base: Callable[[str], str]) -> list[Line]:
    """Each encoding's confidence less that of the same mask in its ``base``."""
    evidence = [row for row in counted(rows) if row["line"] == "mask"]
    by_look = {(*_mask_seen(row), row["encoding"]): row for row in evidence}
    groups: dict[tuple[Any, ...], list[float]] = {}
    for row in evidence:
        name = base(row["encoding"])
        twin = by_look.get((*_mask_seen(row), name))
        if row["encoding"] != name and twin is not None:
            what = (row["series"], row["encoding"], row["victim"], row["alpha"])
            groups.setdefault(what, []).append(row["score"] - twin["score"])
    return [
        dict(zip(("series", "encoding", "victim", "alpha"), what, strict=True))
        | {"difference": _mean(values), "lower": rate(values, lambda value: value < 0)}
        for what, values in sorted(groups.items())
    ]


def longitudinal(rows: Sequence[Row]) -> list[Line]:
    """For each victim and encoding the cells that were evidence in the first run and in a later one, then and now."""
    evidence = [row for row in counted(rows) if row["line"] == "mask"]
    first = {row["cell"]: row for row in evidence if row["run"] == 0}
    lines = []
    for what in sorted({_shown(row) for row in evidence if row["run"] > 0}):
        later = [row for row in evidence if _shown(row) == what and row["cell"] in first]
        if later:
            before = [first[row["cell"]] for row in later]
            lines.append({
                **dict(zip(("victim", "encoding", "run"), what, strict=True)),
                "dates": [_dates(before), _dates(later)],
                "versions": [_versions(before), _versions(later)],
                "n": len(later),
                "unmatched": [rate(same, lambda row: row["outcome"] == COUNTED[0]) for same in (before, later)],
                "confidence": [mean(same, "score") for same in (before, later)],
                "changed": sum(a["outcome"] != b["outcome"] for a, b in zip(before, later, strict=True)),
            })  # fmt: skip
    return lines


def _shown(row: Row) -> tuple[str, str, int]:
    return row["victim"], row["encoding"], row["run"]


def groups(rows: Sequence[Row], labels: Mapping[str, str]) -> list[Line]:
    """For each plan, alpha and victim the untargeted success by the label of the person, and whether the labels differ: only
    where the intervals of the farthest apart have no value in common. The people of ``rows`` without a label are left
    out."""
    known = [row for row in rows if row["line"] == "mask" and row["person"] in labels]
    lines = []
    for key, same in _groups(known):
        rates = {}
        for label in sorted({labels[row["person"]] for row in same}):
            evidence = _ranked(row for row in counted(same) if labels[row["person"]] == label)
            if evidence:
                rates[label] = rate(evidence, lambda row: row["rank"] > 1)
        if len(rates) > 1:
            least, most = (pick(rates.values(), key=lambda found: found["share"]) for pick in (min, max))
            what = dict(zip((*SERIES, "alpha"), key, strict=True))
            apart = least["high"] < most["low"]
            lines.append(what | {"labels": rates, "gap": round(most["share"] - least["share"], 4), "apart": apart})
    return lines


def read_labels(path: Path) -> dict[str, str]:
    """A person's label from a CSV with the columns person and label. Raises INVALID_ARGUMENT for anything else."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            found = {line["person"].strip(): line["label"].strip() for line in csv.DictReader(file)}
        if found:
            return found
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError):
        pass  # said below
    raise FaceOffError(
        Reason.INVALID_ARGUMENT,
        f"{path.name} is not a table of labels.",
        "Give a CSV file whose first line is person,label and then a line for each person.",
    )


def rate(values: Iterable[Any], holds: Callable[[Any], bool]) -> Line:
    """The share for which it ``holds``, with its n and Wilson interval; the share is None without values."""
    listed = list(values)
    return _told(share(sum(map(holds, listed)), len(listed)))


def _psr(rows: Iterable[Row]) -> Line:
    """Of networks alone: how many of a person's photos a service did not match is not in its rows."""
    return _told(psr([row["far"] / row["references"] for row in rows if "far" in row]))


def _told(found: Rate) -> Line:
    return {
        "share": None if found.share is None else round(found.share, 4),
        "n": found.n,
        "low": round(found.low, 4),
        "high": round(found.high, 4),
    }


def mean(rows: Iterable[Row], name: str) -> Line:
    return _mean([row[name] for row in rows if row.get(name) is not None])


def _mean(values: Sequence[float]) -> Line:
    """The mean with its n and standard error; None without values."""
    if not values:
        return {"mean": None, "n": 0, "error": None}
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {
        "mean": round(float(np.mean(values)), 4),
        "n": len(values),
        "error": None if error is None else round(error, 4),
    }


def _mask_seen(row: Row) -> tuple[Any, ...]:
    """Which mask, how much amplified, one victim was shown."""
    names = (
        *("series", "method", "kappa", "epsilon", "iterations", "loss", "rms_budget"),
        *("alpha", "victim", "person", "photo", "target"),
    )
    return (*(row[name] for name in names), *row["surrogates"])


def _dates(rows: Sequence[Row]) -> str:
    dates = sorted({row["date"] for row in rows})
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def _versions(rows: Sequence[Row]) -> str:
    return ", ".join(sorted({str(row["version"]) for row in rows}))
