"""How far a photo is, on standard error: a live bar on a terminal, a line per stage elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from faceoff.rooms import Report
from faceoff.types import Progress

_DOING = {
    "detect": "looking for faces",
    "attack": "computing the mask",
    "amplify": "making it as strong as allowed",
    "verify": "checking on other networks",
}


def shown(title: str, quiet: bool) -> AbstractContextManager[Report]:
    """A report that people can follow while the context is open. ``title`` names the photo."""
    if quiet:
        return _silent()
    return _bar(title) if sys.stderr.isatty() else _lines(title)


@contextmanager
def download(title: str, quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A report of bytes done and their total, on terminals only."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.DownloadColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def note(text: str, quiet: bool) -> None:
    if not quiet:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


@contextmanager
def _silent() -> Iterator[Report]:
    yield lambda _: None


@contextmanager
def _lines(title: str) -> Iterator[Report]:
    stage = ""

    def report(progress: Progress) -> None:
        nonlocal stage
        if progress.stage != stage:
            stage = progress.stage
            note(f"{title}: {_DOING.get(progress.stage, progress.stage)}", quiet=False)

    yield report


@contextmanager
def _bar(title: str) -> Iterator[Report]:
    from rich import progress as rich
    from rich.console import Console
    from rich.table import Column

    columns = (
        rich.TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        rich.BarColumn(bar_width=20),
        rich.TextColumn("{task.fields[count]}"),
        rich.TimeRemainingColumn(compact=True),
    )
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(title, total=None, count="")
        stage = ""

        def report(progress: Progress) -> None:
            nonlocal stage
            many = progress.total > 1
            total = progress.total if many else None
            if progress.stage != stage:
                stage = progress.stage
                bars.reset(bar, total=total, description=f"{title}: {_DOING.get(stage, stage)}", count="")
            bars.update(
                bar, completed=progress.done, total=total, count=f"{progress.done}/{progress.total}" if many else ""
            )

        yield report
