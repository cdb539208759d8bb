"""Which cells a campaign has, which of them have their row, and what is still to be done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from faceoff.campaign.config import Campaign
from faceoff.campaign.grid import Job, Look
from faceoff.campaign.journal import Journal, Row
from faceoff.campaign.people import Pair
from faceoff.campaign.worker import Clean, Task
from faceoff.types import Outcome

GROUP = 8
"""Photos that are attacked in one call; what a kill can cost."""

WAITING = (Outcome.THROTTLED, Outcome.OVER_BUDGET)
"""The victim took no call for the cell: it is still to be done, and its run not complete."""

AGAIN = (*WAITING, Outcome.ERROR)
"""Outcomes that say nothing of the cell: a run that goes on asks once more. An error may be there for ever, so a run does not
stay open for it."""


class Book:
    """The cells of the run ``number``; ``rows`` and ``missing`` are by a cell's id."""

    def __init__(
        self,
        campaign: Campaign,
        journal: Journal,
        number: int,
        clean: Sequence[Job],
        masks: Sequence[Job],
        pictured: Callable[[Job, Look], bool] | None,
    ) -> None:
        """``pictured`` says where there is a picture to verify again; None where the pictures are to be made."""
        self._clean, self._masks = clean, masks
        self._victims = (*campaign.victims.local, *campaign.victims.remote)
        self._earlier = None if pictured is None else {row["look"]: row for row in journal.rows if row["run"] == 0}
        self.cells = {
            job.cell(look, victim): (job, look.encoding.name, victim)
            for job in (*clean, *masks)
            for look in job.looks
            if pictured is None or (look.id in (self._earlier or {}) and pictured(job, look))
            for victim in self._victims
        }
        self.rows: dict[str, Row] = {
            row["cell"]: row for row in journal.rows if row["run"] == number and row["cell"] in self.cells
        }
        self.missing = {cell for cell in self.cells if self._lacks(cell, AGAIN)}

    @property
    def done(self) -> int:
        return len(self.cells) - len(self.missing)

    def note(self, rows: Sequence[Row]) -> None:
        """These cells have their row; those that wait stay missing."""
        self.rows |= {row["cell"]: row for row in rows}
        self.missing -= {row["cell"] for row in rows if not self._lacks(row["cell"], WAITING)}

    def outcomes(self) -> dict[str, int]:
        """How many cells came out how, without those of the photos as they are."""
        found = [row["outcome"] for row in self.rows.values() if row["line"] == "mask"]
        return {outcome: found.count(outcome) for outcome in sorted(set(found))}

    def clean_tasks(self) -> Iterator[Task]:
        for start in range(0, len(self._clean), GROUP):
            yield from self._task(self._clean[start : start + GROUP], {})

    def mask_tasks(self) -> Iterator[Task]:
        """Jobs with one plan together, apart from its target; in the order of the plans."""
        alike: dict[str, list[Job]] = {}
        for job in self._masks:
            if self._wanted([job]):
                alike.setdefault(f"{replace(job.plan, target='')!r} {job.targets}", []).append(job)
        clean = self._said()
        for same in alike.values():
            together = sorted(same, key=lambda job: job.known)
            for start in range(0, len(together), GROUP):
                yield from self._task(together[start : start + GROUP], clean)

    def _task(self, jobs: Sequence[Job], clean: Clean) -> Iterator[Task]:
        wanted = self._wanted(jobs)
        if wanted:
            shots = {(job.pair.source, job.pair.shot) for job in jobs}
            known = {key: said for key, said in clean.items() if key[:2] in shots}
            looks = [look.id for job in jobs for look in job.looks]
            rows = self._earlier
            earlier = None if rows is None else {look: rows[look] for look in looks if look in rows}
            yield Task(tuple(jobs), wanted, known, earlier)

    def _wanted(self, jobs: Sequence[Job]) -> dict[str, tuple[str, ...]]:
        found = {}
        for job in jobs:
            for look in job.looks:
                names = tuple(name for name in self._victims if job.cell(look, name) in self.missing)
                if names:
                    found[look.id] = names
        return found

    def _said(self) -> Clean:
        """What each victim says of the photos as they are."""
        return {
            (job.pair.source, job.pair.shot, encoding, victim): (self.rows[cell]["score"], self.rows[cell].get("rank"))
            for cell, (job, encoding, victim) in self.cells.items()
            if not job.mask and cell in self.rows
        }

    def _lacks(self, cell: str, faults: Collection[str]) -> bool:
        """Whether a cell has no row, or one that came of one of ``faults``; the photo's own fault is every mask's."""
        row = self.rows.get(cell)
        if row is None or row["outcome"] in faults:
            return True
        job, encoding, victim = self.cells[cell]
        return row["outcome"] == Outcome.NO_CLEAN_PAIR and self._photo_lacks(job.pair, encoding, victim, faults)

    def _photo_lacks(self, pair: Pair, encoding: str, victim: str, faults: Collection[str]) -> bool:
        for job in self._clean:
            if (job.pair.source, job.pair.shot) == (pair.source, pair.shot):
                cells = [job.cell(look, victim) for look in job.looks if look.encoding.name == encoding]
                return any(cell in self.cells and self._lacks(cell, faults) for cell in cells)
        return False
