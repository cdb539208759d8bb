"""What a report says, in the order in which it says it; pages and text are made of this."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from faceoff.campaign import tables
from faceoff.campaign.config import CROPPED
from faceoff.campaign.figures import Level, Value, curves, height
from faceoff.campaign.journal import Row
from faceoff.campaign.tables import Line
from faceoff.verify.rates import COUNTED
from faceoff.verify.scores import TAU

MOST = 12
"""Plans of which figures are drawn; the table has them all."""

HONEST = (
    "Masks lower the chance of recognition on these networks and photos; nothing here promises it elsewhere. Only faces that "
    "a victim recognised without a mask and judged again count; what else happened is listed, and never counted as protection."
)


@dataclass(frozen=True)
class Section:
    """``figures`` are (caption, SVG), ``rows`` the table's under ``header``."""

    title: str
    words: str = ""
    figures: tuple[tuple[str, str], ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections(manifest: Mapping[str, Any], rows: Sequence[Row], labels: Mapping[str, str]) -> list[Section]:
    """Every section that ``rows`` have something for. ``labels`` are of people, by name."""
    first = [row for row in rows if row["run"] == 0]
    masks, clean, guess = tables.masks(first), tables.clean(first), tables.guesses(first)
    found = [
        _outcomes(rows),
        _success(masks, clean, guess),
        _confidence(masks, clean),
        _top(masks, clean, guess),
        _shift(masks),
        _runtime(first, manifest),
        _encodings(first),
        _cropped(first, masks, clean),
        _groups(first, labels),
        _later(rows),
    ]
    return [section for section in found if section is not None]


def text(manifest: Mapping[str, Any], told: Sequence[Section]) -> str:
    """Markdown, without the figures."""
    lines = [f"# {manifest['name']}", "", *([_inline(manifest["claim"]), ""] if manifest["claim"] else []), HONEST, ""]
    lines += [f"- {_inline(fact)}" for fact in facts(manifest)]
    for section in told:
        lines += ["", f"## {section.title}", ""]
        if section.words:
            lines += [section.words, ""]
        if section.rows:
            table = [section.header, ("---",) * len(section.header), *section.rows]
            lines += [f"| {' | '.join(map(_inline, line))} |" for line in table]
    return "\n".join(lines) + "\n"


def facts(manifest: Mapping[str, Any]) -> list[str]:
    photos = manifest["photos"]
    return [
        f"{sum(map(len, photos.values()))} photos of {len(photos)} people; "
        f"in {manifest['photos_without_face']} more no face was found",
        f"seed {manifest['seed']}; code {manifest['commit']}; {manifest['hardware']}",
        _versions(manifest),
        *(f"{name}: weights {sha}" for name, sha in {**manifest["surrogates"], **manifest["victims"]}.items()),
        *map(_run, manifest["runs"]),
    ]


def _versions(made: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in made["versions"].items())


def _run(run: Mapping[str, Any]) -> str:
    """When, and for a later run with what: the first one's is the campaign's."""
    said = [f"run {run['number']} of {run['started']}" + ("" if run["complete"] else ", not complete")]
    if run["number"] and "commit" in run:  # manifests of before later runs said so
        said += [f"code {run['commit']}", _versions(run)]
        said += [f"{name}: weights {sha}" for name, sha in run["victims"].items()]
    return "; ".join(said)


def _outcomes(rows: Sequence[Row]) -> Section:
    groups: dict[tuple[int, str], Counter[str]] = {}
    for row in rows:
        if row["line"] == "mask":
            groups.setdefault((row["run"], row["victim"]), Counter())[row["outcome"]] += 1
    names = sorted(
        {name for counts in groups.values() for name in counts}, key=lambda name: (name not in COUNTED, name)
    )
    table = [
        (str(run), victim, *(str(counts[name]) for name in names)) for (run, victim), counts in sorted(groups.items())
    ]
    words = "Cells by what came of them. Rates are made of the first two kinds alone."
    return Section("Outcomes", words, (), ("run", "victim", *(name.replace("_", " ") for name in names)), tuple(table))


def _success(masks: Sequence[Line], clean: Sequence[Line], guess: Line) -> Section:
    """Figures 3 and 4."""

    def untargeted(victim: str) -> list[Level]:
        return [
            (guess["ceiling"], f"ceiling: a guess among {guess['labels']}, {guess['ceiling']:.0%}"),
            *_clean_level(clean, victim, "untargeted", "clean photos"),
        ]

    def targeted(victim: str) -> list[Level]:
        return [(guess["chance"], f"chance: a guess among {guess['labels']}, {guess['chance']:.0%}")]

    figures = []
    for along, against in (("alpha", ""), ("l2", " against the norm")):
        for name, axis, levels in (
            ("untargeted", "not the source", untargeted),
            ("targeted", "is the target", targeted),
        ):
            title = f"{name.capitalize()} success{against}"
            figures += _drawn(masks, title, itemgetter(name), along, axis, levels)
    table = tuple(
        (
            *_what(line),
            share(line["untargeted"]),
            share(line["targeted"]),
            share(line["unmatched"]),
            share(line["psr"]),
            number(line["rms"], ".2f"),
            number(line["ssim"], ".3f"),
            str(line["n"]),
            ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in line["not_counted"].items()) or "-",
        )
        for line in masks
    )
    extra: list[tuple[str, ...]] = [
        (
            *("clean", "", "", line["encoding"], line["victim"]),
            *(share(line["untargeted"]), "", share(line["unmatched"]), share(line["psr"]), "", "", str(line["n"])),
            f"{line['not_scored']} not scored" if line["not_scored"] else "-",
        )
        for line in clean
    ]
    ceiling, chance, unmatched, psr = (_percent(guess[name]) for name in ("ceiling", "chance", "unmatched", "psr"))
    most = f"at most {unmatched}" if guess["unmatched"] else "-"
    extra.append(
        ("chance", "", "", "", "", ceiling, chance, most, psr, "", "", "", "a guess; a stranger's photo, to a network")
    )
    words = (
        "Percent with Wilson's 95 % interval. Untargeted: the nearest person's centroid is not the source's. Targeted: it is "
        "the target's. Both only where it was the source's without a mask: the others are clean misranks, not counted. "
        "Unmatched: no other photo of the person is within the victim's threshold. PSR, at FAR 1e-2: how many of the pairs "
        "with such a photo are not, with the interval of as many trials as faces. The faces of one person are not independent "
        "of one another, so the true intervals are somewhat wider."
    )
    header = (*WHAT, "untargeted", "targeted", "unmatched", "PSR", "RMS", "SSIM", "n", "not counted")
    return Section("Success (paper Figures 3 and 4)", words, tuple(figures), header, (*table, *extra))


def _confidence(masks: Sequence[Line], clean: Sequence[Line]) -> Section:
    """Figures 5 to 8."""

    def levels(victim: str) -> list[Level]:
        return _confidence_levels(clean, victim)

    figures = []
    for along, against in (("alpha", "alpha"), ("l2", "the norm")):
        title = f"Confidence against {against}"
        figures += _drawn(masks, title, itemgetter("confidence"), along, "matching confidence", levels)
    table = tuple(
        (*_what(line), number(line["l2"], ".2f"), number(line["confidence"], ".3f"), number(line["toward_target"], ".3f"),
         str(line["n"]))
        for line in masks
    )  # fmt: skip
    words = (
        "The victim's normalised score for the best of the person's other photos: 0.5 is its threshold, lower is better. The "
        "mean with its standard error; the norm is of the whole photo's change, in [0, 1] pixel units."
    )
    header = (*WHAT, "norm", "confidence", "towards the target", "n")
    return Section("Matching confidence (paper Figures 5 to 8)", words, tuple(figures), header, table)


def _top(masks: Sequence[Line], clean: Sequence[Line], guess: Line) -> Section | None:
    """Tables 5 and 6: a row a plan, a column an amplification; the victim's own rate without a mask and a guess's beside."""
    alphas = sorted({line["alpha"] for line in masks})
    unmasked = {(line["encoding"], line["victim"]): share(line["top"]) for line in clean}
    rows = []

    def key(line: Line) -> tuple[str, str, str, str]:
        return (_title(line), _varied(line), line["encoding"], line["victim"])

    for what, same in groupby(sorted(masks, key=key), key):
        cells = {line["alpha"]: share(line["top"]) for line in same}
        masked = (cells.get(alpha, "-") for alpha in alphas)
        rows.append((*what, unmasked.get(what[2:], "-"), *masked, _percent(guess["top"])))
    words = (
        f"How often the source is still among the nearest {tables.TOP} people, of those that were without a mask: percent with "
        "Wilson's interval and n."
    )
    header = ("plan", "of", "as", "victim", "no mask", *(f"alpha {alpha:g}" for alpha in alphas), "a guess")
    return Section(f"Top-{tables.TOP} recognition (paper Tables 5 and 6)", words, (), header, tuple(rows))


def _shift(masks: Sequence[Line]) -> Section:
    """Figure 15."""
    doubled = [
        line | {"what": f"{what}, {_varied(line)}".rstrip(", "), "r": line[name]}
        for line in _first_encoding(masks)
        for what, name in (("f (surrogate)", "r_surrogate"), ("g (victim)", "r_victim"))
    ]
    figures = []
    for title, same in _by_title(doubled):
        svg = curves(
            f"R {title}", same, _victims(same), lambda line: line["r"], lambda line: float(line["alpha"]),
            lambda line: str(line["what"]), ("alpha", "farther from the centroid"), bounded=False,
        )  # fmt: skip
        figures.append((f"R(alpha, f) and R(alpha, g): {title}", svg))
    table = tuple(
        (*_what(line), number(line["r_surrogate"], ".3f"), number(line["r_victim"], ".3f"), str(line["n"]))
        for line in masks
    )
    words = "How much farther the mask brings the face from the person's centroid: on the surrogates (f) and each victim (g)."
    return Section(
        "R(alpha, f) and R(alpha, g) (paper Figure 15)", words, tuple(figures), (*WHAT, "R f", "R g", "n"), table
    )


def _runtime(rows: Sequence[Row], manifest: Mapping[str, Any]) -> Section:
    """Table 9."""
    table = tuple(
        (
            line["series"],
            line["method"],
            line["surrogates"],
            str(line["iterations"]),
            str(line["search_steps"]) if line["method"].startswith("cw") else "-",
            number(line["seconds"], ".2f"),
            number(line["spent"], ".1f"),
            number(line["batch"], ".1f"),
            share(line["reached"]),
            str(line["n"]),
        )
        for line in tables.runtimes(rows)
    )
    words = f"Seconds of attack a face, with the mean's standard error, on {manifest['hardware']}."
    header = (
        "plan",
        "method",
        "surrogates",
        "N",
        "rounds",
        "seconds",
        "iterations",
        "attacked together",
        "reached",
        "n",
    )
    return Section("Runtime (paper Table 9)", words, (), header, table)


def _encodings(rows: Sequence[Row]) -> Section | None:
    """Figure 14."""
    lines = tables.encodings(rows)
    if not lines:
        return None
    figures = []
    for encoding in sorted({line["encoding"] for line in lines}):
        same = [line for line in lines if line["encoding"] == encoding]
        svg = curves(
            f"{encoding} less png", same, _victims(same), lambda line: line["difference"],
            lambda line: float(line["alpha"]), lambda line: str(line["series"]), ("alpha", "difference of confidence"),
            lambda victim: [(0.0, "no difference")], bounded=False,
        )  # fmt: skip
        figures.append((f"Confidence as {encoding} less that as png", svg))
    table = tuple(
        (line["series"], line["encoding"], line["victim"], f"{line['alpha']:g}", number(line["difference"], "+.4f"),
         share(line["lower"]))
        for line in lines
    )  # fmt: skip
    words = "The same mask's confidence as each other encoding less that as PNG: below zero, the encoding hides more."
    header = ("plan", "as", "victim", "alpha", "difference", "lower")
    return Section("Encodings (paper Figure 14)", words, tuple(figures), header, table)


def _cropped(rows: Sequence[Row], masks: Sequence[Line], clean: Sequence[Line]) -> Section | None:
    """Figures 16 to 19."""
    ours, clean = ([line for line in lines if line["encoding"].endswith(CROPPED)] for lines in (masks, clean))
    if not ours:
        return None
    figures = _drawn(
        ours, "Confidence of cropped pictures against the norm", lambda line: line["confidence"], "l2",
        "matching confidence", lambda victim: _confidence_levels(clean, victim),
    )  # fmt: skip
    table = tuple(
        (line["series"], line["encoding"], line["victim"], f"{line['alpha']:g}", number(line["difference"], "+.4f"),
         share(line["lower"]))
        for line in tables.cropped(rows)
    )  # fmt: skip
    words = (
        "Victims are shown the square about the face alone. The table has the same mask's confidence there less that in the "
        "whole picture: below zero, it hides more where the face is cut out. Masks that are not evidence both ways are left "
        "out; the tables above have the rates of each."
    )
    header = ("plan", "as", "victim", "alpha", "difference", "lower")
    return Section("Cropped pictures (paper A.5, Figures 16 to 19)", words, tuple(figures), header, table)


def _groups(rows: Sequence[Row], labels: Mapping[str, str]) -> Section | None:
    """Section 8.1."""
    if not labels:
        return None
    table = tuple(
        (
            *_what(line),
            "; ".join(f"{label} {share(found)}" for label, found in line["labels"].items()),
            f"{100 * line['gap']:.1f}",
            "differ" if line["apart"] else "no conclusion: the intervals overlap",
        )
        for line in tables.groups(rows, labels)
    )
    words = (
        "Untargeted success, as above, by the label that you gave each person. One campaign's people are few, and a label "
        "says little of them: even where intervals are apart, this is a question to look into, not an answer."
    )
    return Section(
        "Groups of people (paper section 8.1)", words, (), (*WHAT, "untargeted by label", "gap", "says"), table
    )


def _later(rows: Sequence[Row]) -> Section | None:
    """Section 6.2, Figures 6 and 8; of cropped pictures 17 and 19."""
    lines = tables.longitudinal(rows)
    if not lines:
        return None
    table = tuple(
        (
            line["victim"],
            line["encoding"],
            str(line["run"]),
            " / ".join(line["dates"]),
            " / ".join(line["versions"]),
            " / ".join(share(found) for found in line["unmatched"]),
            " / ".join(number(found, ".3f") for found in line["confidence"]),
            str(line["changed"]),
            str(line["n"]),
        )
        for line in lines
    )
    words = "The same pictures shown again: first / later. Only cells that were evidence both times."
    header = ("victim", "as", "run", "dates", "versions", "unmatched", "confidence", "changed", "n")
    return Section("Over time (paper section 6.2)", words, (), header, table)


WHAT = ("plan", "of", "alpha", "as", "victim")


def _what(line: Line) -> tuple[str, ...]:
    return (_title(line), _varied(line), f"{line['alpha']:g}", line["encoding"], line["victim"])


def _title(line: Line) -> str:
    """One figure's plan."""
    return f"{line['series']}, {line['loss']}, N {line['iterations']}, on {line['surrogates']}"


def _varied(line: Line) -> str:
    """One curve's plan."""
    if line["method"].startswith("pgd"):
        return f"epsilon {line['epsilon']:g}" + (f", kappa {line['kappa']:g}" if line["kappa"] else "")
    return f"kappa {line['kappa']:g}"


def _by_title(lines: Sequence[Line]) -> list[tuple[str, list[Line]]]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(_title(line), []).append(line)
    return list(groups.items())[:MOST]


def _drawn(
    masks: Sequence[Line], title: str, value: Value, along: str, axis: str, levels: Callable[[str], list[Level]]
) -> list[tuple[str, str]]:
    """A figure a plan, a curve for each of its kappas or epsilons."""

    def x(line: Line) -> float | None:
        found = line[along]
        return found["mean"] if isinstance(found, dict) else float(found)

    figures = []
    names = {"l2": "norm of the change", "alpha": "alpha"}
    for plan, same in _by_title(_first_encoding(masks)):
        if any(height(value(line)) is not None for line in same):
            caption = f"{title}: {plan}"
            svg = curves(caption, same, _victims(same), value, x, _varied, (names[along], axis), levels)
            figures.append((caption, svg))
    return figures


def _first_encoding(lines: Sequence[Line]) -> list[Line]:
    """PNG where it is there: figures are of one encoding."""
    names = sorted(
        {line["encoding"] for line in lines},
        key=lambda name: (name.endswith(CROPPED), name.removesuffix(CROPPED) != "png", name),
    )
    return [line for line in lines if line["encoding"] in names[:1]]


def _victims(lines: Sequence[Line]) -> list[str]:
    return sorted({line["victim"] for line in lines})


def _confidence_levels(clean: Sequence[Line], victim: str) -> list[Level]:
    return [(TAU, "the victim's threshold"), *_clean_level(clean, victim, "confidence", "clean photos")]


def _clean_level(clean: Sequence[Line], victim: str, name: str, what: str) -> list[Level]:
    for line in _first_encoding(clean):  # as the curves
        level = height(line[name])
        if line["victim"] == victim and level is not None:
            return [(level, what)]
    return []


def share(found: Line | None) -> str:
    """83.3 (61-94), n 18."""
    if found is None or found["share"] is None:
        return "-"
    return f"{100 * found['share']:.1f} ({100 * found['low']:.0f}-{100 * found['high']:.0f}), n {found['n']}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def number(found: Line, form: str) -> str:
    """0.412 ± 0.02."""
    if found["mean"] is None:
        return "-"
    error = f" ± {found['error']:.2g}" if found["error"] else ""
    return f"{found['mean']:{form}}{error}"


def _inline(words: str) -> str:
    """``words`` where Markdown would take them for something else."""
    return re.sub(r"([|<>`\\])", r"\\\1", " ".join(words.split()))
