"""Campaign reports that lie in the operator's folder, as ``faceoff campaign report`` writes them."""

from __future__ import annotations

import csv
import html
import io
import re
from pathlib import Path

from pydantic import BaseModel

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_FILES = ("index.html", "report.md", "table.csv")
_PLOT = re.compile(r"plot-([1-9][0-9]?)\.svg")
_MOST_ROWS = 2000
_MOST_BYTES = 32_000_000
_FIGURE = re.compile(r'<(?:figure|div)[^>]* role="img"[^>]* aria-label="([^"]*)">\s*(<svg .*?</svg>)', re.DOTALL)
_TITLE = re.compile(r"<h1>(.*?)</h1>(?:\s*<p>(.*?)</p>)?", re.DOTALL)
_ALONE = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="#1c1c1e" '


class ReportsModel(BaseModel):
    reports: list[str]


class PlotModel(BaseModel):
    caption: str
    file: str


class ReportModel(BaseModel):
    """``rows`` are the first of ``total``."""

    name: str
    title: str
    about: str
    header: list[str]
    rows: list[list[str]]
    total: int
    plots: list[PlotModel]


class Reports:
    """``folder`` has a folder for every campaign: a report, or a run with its report in ``report``. Only files that a report
    has, by their names, are read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        try:
            found = [path.name for path in self._folder.iterdir()]
        except OSError:
            return []
        return sorted(name for name in found if self._place(name))

    def read(self, name: str) -> ReportModel | None:
        page, table = self.file(name, "index.html"), self.file(name, "table.csv")
        if page is None or table is None:
            return None
        lines = list(csv.reader(io.StringIO(table.decode(errors="replace"))))
        text = page.decode(errors="replace")
        title = _TITLE.search(text)
        return ReportModel(
            name=name,
            title=html.unescape(title[1]) if title else name,
            about=html.unescape(title[2] or "") if title else "",
            header=lines[0] if lines else [],
            rows=lines[1 : _MOST_ROWS + 1],
            total=max(len(lines) - 1, 0),
            plots=[
                PlotModel(caption=html.unescape(caption.partition(";")[0]), file=f"plot-{number}.svg")
                for number, (caption, _) in enumerate(_FIGURE.findall(text), 1)
            ],
        )

    def file(self, name: str, file: str) -> bytes | None:
        """A file of the report, or a figure of its page (``plot-N.svg``); None where there is none."""
        place, plot = self._place(name), _PLOT.fullmatch(file)
        if place is None or not (plot or file in _FILES):
            return None
        content = _content(place / ("index.html" if plot else file))
        if content is None or plot is None:
            return content
        figures = _FIGURE.findall(content.decode(errors="replace"))[int(plot[1]) - 1 :]
        return str(figures[0][1]).replace("<svg ", _ALONE, 1).encode() if figures else None

    def _place(self, name: str) -> Path | None:
        if not _NAME.fullmatch(name):
            return None
        places = (self._folder / name, self._folder / name / "report")
        return next((place for place in places if (place / "table.csv").is_file()), None)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except OSError:
        return None
