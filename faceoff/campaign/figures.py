"""Figures as SVG text that is the same for the same lines, and readable on light and dark pages."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faceoff.campaign.tables import Line

INK = "#010203"
"""Stands for the page's own text colour."""

COLOURS = ("#0a84c1", "#d0661a", "#2a9d6f", "#b65c9e", "#8f7a18", "#6f6bd0", "#c2413b", "#5a7d86")
"""In order; each has enough contrast on white and on near black."""

MARKERS = "osD^vPX*"

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}

Level = tuple[float, str]
"""A height and what it is."""

Value = Callable[[Line], Line | None]
"""A line's rate or mean; None where it has none."""


def curves(
    title: str,
    lines: Sequence[Line],
    panels: Sequence[str],
    value: Value,
    along: Callable[[Line], float | None],
    of: Callable[[Line], str],
    axes: tuple[str, str],
    levels: Callable[[str], Sequence[Level]] = lambda victim: (),
    bounded: bool = True,
) -> str:
    """One panel a victim, one curve for each ``of``, ``value`` over ``along``, with rates' Wilson intervals and means' 95 %
    intervals as bands. ``axes`` are the axes' names, ``levels`` horizontal lines, ``bounded`` values lie in [0, 1]."""
    with mpl.rc_context(STYLE | {"svg.hashsalt": title}):
        figure = Figure(figsize=(0.5 + 2.7 * len(panels), 3.0), layout="constrained")
        places = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        names = list(dict.fromkeys(of(line) for line in lines))
        for place, victim in zip(places, panels, strict=True):
            for number, name in enumerate(names):
                mine = [line for line in lines if line["victim"] == victim and of(line) == name]
                _curve(place, mine, value, along, name, number)
            for number, (level, what) in enumerate(levels(victim)):
                style = ("--", ":", "-.")[number % 3]
                place.axhline(level, color=INK, linestyle=style, linewidth=1, alpha=0.7, label=what)
            place.set_title(victim)
            place.set_xlabel(axes[0])
            if bounded:
                place.set_ylim(-0.03, 1.03)
        places[0].set_ylabel(axes[1])
        told: dict[str, Any] = {}  # a victim may lack a curve that another has
        for place in places:
            handles, labels = place.get_legend_handles_labels()
            told |= dict(zip(labels, handles, strict=True))
        figure.set_figheight(3.0 + 0.17 * len(told))
        figure.legend(told.values(), told.keys(), loc="outside lower left")
        return _svg(figure, title)


def height(found: Line | None) -> float | None:
    """A rate's share or a mean's; None where nothing was measured."""
    return None if found is None else found.get("share", found.get("mean"))


def _curve(
    place: Axes, lines: Iterable[Line], value: Value, along: Callable[[Line], float | None], name: str, number: int
) -> None:
    points = []
    for line in lines:
        found, x = value(line), along(line)
        y = height(found)
        if found is not None and x is not None and y is not None:
            points.append((x, y, *_band(found, y)))
    if not points:
        return
    xs, heights, low, high = zip(*sorted(points), strict=True)
    colour = COLOURS[number % len(COLOURS)]
    place.plot(
        xs, heights, color=colour, marker=MARKERS[number % len(MARKERS)], markersize=4, linewidth=1.5, label=name
    )
    place.fill_between(xs, low, high, color=colour, alpha=0.15, linewidth=0)


def _band(found: Line, middle: float) -> tuple[float, float]:
    if "low" in found:
        return found["low"], found["high"]
    error = 1.96 * (found["error"] or 0.0)
    return middle - error, middle + error


def _svg(figure: Figure, title: str) -> str:
    """Without a declaration or a date, its text in the page's own colour, and no id that another figure has too."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    prefix = re.sub(r"\W+", "-", title.lower())
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    parts = dict(re.findall(r'(width|height|viewBox)="([^"]*)"', text[: text.index(">")]))
    head = f'<svg width="{parts["width"]}" height="{parts["height"]}" viewBox="{parts["viewBox"]}" aria-hidden="true">'
    return head + text[text.index(">") + 1 :]
