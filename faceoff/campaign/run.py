"""Running a campaign: what is missing is worked on, by one worker or several, and each row is written as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from faceoff.campaign import asking, grid, manifest
from faceoff.campaign.book import Book
from faceoff.campaign.clock import Clock
from faceoff.campaign.config import Campaign
from faceoff.campaign.folder import Folder
from faceoff.campaign.house import House, check_victims
from faceoff.campaign.journal import Journal
from faceoff.campaign.people import read
from faceoff.campaign.pool import Pool
from faceoff.campaign.worker import Task
from faceoff.errors import FaceOffError, Reason
from faceoff.verify.scores import today


def run(
    campaign: Campaign,
    out: Path,
    build: Callable[[], House],
    workers: int = 1,
    verify_only: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run what the folder ``out`` does not have yet. With ``verify_only`` its stored pictures are shown to the victims again,
    as a run of its own. ``build`` makes each worker's networks; with several workers it must be picklable, and each
    worker is a process.

    Returns how many cells there are, were asked now, are ``left`` for want of a call (the run then goes on with the next
    call) and came out how. Raises FaceOffError: INVALID_ARGUMENT for a campaign that cannot be run, a folder of another
    campaign or one that another run is at work in, UNKNOWN_NETWORK, VICTIM_IS_SURROGATE, what faceoff.image says of a
    photo, and what the networks raise.
    """
    grid.check_size(campaign)
    folder = Folder(out)
    with folder.locked():
        before = folder.manifest()
        if verify_only and before is None:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"{out} has no campaign to verify again.",
                "Run it without --verify-only first.",
            )
        house = build()
        check_victims(campaign.victims.local, house)
        asking.check(campaign.victims)
        people, faceless = read(campaign.people.folder, house.detector, campaign.people.among)
        clean, masks = grid.expand(campaign, people, house.weights)
        surrogates = {name for job in masks for name in job.plan.surrogates}
        now = manifest.make(campaign, people, faceless, house, sorted(surrogates))
        if before is not None:
            manifest.check_same(before, now, verify_only)
        kept = before or now
        number = manifest.begin(kept, now, verify_only)
        folder.write_manifest(kept)
        journal = Journal(folder.rows)
        book = Book(campaign, journal, number, clean, masks, folder.has_picture if verify_only else None)
        todo = len(book.missing)
        clock = Clock(campaign.name, len(book.cells), len(book.cells) - todo, "cells", quiet)
        if todo:
            secret = folder.secret(number) if campaign.victims.remote else b""
            settings = (campaign, people, folder.root, number, secret)
            with Pool(house if workers == 1 else None, build, settings, workers) as pool:
                for tasks in (book.clean_tasks, book.mask_tasks):
                    _work(pool, list(tasks()), journal, clock, book)
        kept["runs"][number] |= {"complete": not book.missing, "finished": today()}
        folder.write_manifest(kept)
    counts = {"cells": len(book.cells), "new": todo, "left": len(book.missing)}
    return {"out": str(out), "run": number, **counts, "outcomes": book.outcomes()}


def _work(pool: Pool, tasks: Sequence[Task], journal: Journal, clock: Clock, book: Book) -> None:
    def during(share: float, size: int) -> None:
        clock.during(book.done + share * size)

    for rows in pool.work(tasks, during):
        journal.add(*rows)
        book.note(rows)
        clock.after(book.done)
