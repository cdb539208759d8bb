"""The work on one task: masks for some photos, the pictures that they make, and a row for each victim of each picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np

from faceoff import image
from faceoff.amplify import candidates
from faceoff.campaign.asking import Strangers
from faceoff.campaign.config import Campaign, Encoding
from faceoff.campaign.folder import Folder, Stored
from faceoff.campaign.forms import find, write
from faceoff.campaign.grid import Job, Look
from faceoff.campaign.house import House
from faceoff.campaign.journal import Row
from faceoff.campaign.judge import Judge, Sight
from faceoff.campaign.people import Person, Shot, gallery
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.sets import set_name
from faceoff.rooms import Report
from faceoff.types import Bytes, Crop, Mask, MaskOutcome, Outcome, Photo, Priority, Progress
from faceoff.types import Encoding as Container
from faceoff.verify.scores import outcome, score, today
from faceoff.verify.views import window

Clean = Mapping[tuple[int, int, str, str], tuple[float | None, int | None]]
"""The score and the person's rank of each photo without a mask, by (source, shot), encoding and victim."""


@dataclass(frozen=True)
class Task:
    """Jobs that share a plan and whom it is told of. ``wanted`` are the victims of each look, by its id and job's mask,
    ``clean`` is what they say of the photos without a mask, ``earlier`` the rows of the first run where only the
    verification is repeated."""

    jobs: tuple[Job, ...]
    wanted: Mapping[str, tuple[str, ...]]
    clean: Clean
    earlier: Mapping[str, Row] | None = None


@dataclass(frozen=True)
class Shown:
    """A picture and the facts about its mask that every victim's row repeats."""

    look: Look
    data: bytes
    facts: Row


class Worker:
    """``run`` is the number that its rows bear, ``secret`` what services' answers are remembered by."""

    def __init__(
        self,
        campaign: Campaign,
        people: Sequence[Person],
        house: House,
        folder: Folder,
        run: int,
        secret: bytes,
    ) -> None:
        self._campaign, self._people, self._house, self._folder, self._run = campaign, people, house, folder, run
        self._strangers = Strangers(campaign.victims, people, secret)
        self._judge = cache(lambda name: Judge(house.networks, house.card(name), people))
        self._loaded = ""

    def rows(self, task: Task, report: Report) -> Iterator[list[Row]]:
        """The rows of one job after the other. ``report`` may raise to stop."""
        masks = self._masks(task.jobs, report) if task.earlier is None else {}
        for job in task.jobs:
            photo = image.decode(self._shot(job).data)
            # All looks, whatever is missing: an embedding's last digits depend on how many are computed together.
            rows = task.earlier
            shown = self._made(job, photo, masks.get(job.mask)) if rows is None else self._stored(job, rows)
            yield self._asked(job, photo, shown, task)

    def _masks(self, jobs: Sequence[Job], report: Report) -> dict[str, Stored]:
        """The jobs' masks: those that are stored, and those that are computed now and stored."""
        found = {job.mask: self._folder.mask(job.mask) for job in jobs if job.mask}
        missing = list({job.mask: job for job in jobs if job.mask and found[job.mask] is None}.values())
        if missing:
            model = set_name(missing[0].plan.surrogates)
            if self._loaded != model:
                self._house.networks.version(model)  # loads it before time is taken
                self._loaded = model
            start = time.monotonic()
            masks = self._attack(missing, report)
            seconds = (time.monotonic() - start) / len(missing)
            for job in missing:
                mask = masks[job.mask]
                reached = mask.outcome is MaskOutcome.REACHED
                self._folder.write_mask(job.mask, Stored(mask.delta, reached, mask.iterations, seconds, len(missing)))
                found[job.mask] = self._folder.mask(job.mask)  # as every later run will read it
        return {name: mask for name, mask in found.items() if mask is not None}

    def _attack(self, jobs: Sequence[Job], report: Report) -> dict[str, Mask]:
        """The masks of jobs with one plan. Those that are told of other people are requests of their own, made at once: the
        attacker merges their calls."""
        requests: dict[int, list[Job]] = {}
        for job in jobs:
            requests.setdefault(job.known, []).append(job)
        done, stopped = dict.fromkeys(requests, 0.0), threading.Event()

        def attack(known: int) -> list[Mask]:
            def told(progress: Progress) -> None:
                if stopped.is_set():
                    raise FaceOffError(Reason.CANCELLED, "The campaign was stopped.")
                done[known] = len(requests[known]) * progress.done / max(progress.total, 1)

            same = requests[known]
            people = gallery(self._people, same[0].pair, same[0].targets, self._campaign.people.photos)
            crops = [self._shot(job).crop for job in same]
            return self._house.attacker.attack(crops, same[0].plan, told, people, Priority.CAMPAIGN)

        with ThreadPoolExecutor(len(requests)) as pool:
            try:
                running = {known: pool.submit(attack, known) for known in requests}
                pending = set(running.values())
                while pending:
                    ended, pending = wait(pending, timeout=0.5, return_when=FIRST_EXCEPTION)
                    for future in ended:
                        future.result()  # one that failed ends the others
                    report(Progress("attack", int(100 * sum(done.values())), 100 * len(jobs)))
                masks = [zip(requests[known], future.result(), strict=True) for known, future in running.items()]
            finally:
                stopped.set()
        return {job.mask: mask for pairs in masks for job, mask in pairs}

    def _made(self, job: Job, photo: Photo, mask: Stored | None) -> list[Shown]:
        """The job's pictures, made from the mask and stored; a picture that is there already is not made anew."""
        crop = self._shot(job).crop
        shown = []
        for alpha in dict.fromkeys(look.alpha for look in job.looks):
            levels, facts = _amplified(photo, crop, mask, alpha, job.rms)
            for look in job.looks:
                if look.alpha == alpha:
                    data = self._folder.picture(job, look)
                    if data is None:
                        data = _encode(levels, crop, look.encoding)
                        self._folder.write_picture(job, look, data)
                    shown.append(Shown(look, data, facts))
        return shown

    def _stored(self, job: Job, rows: Mapping[str, Row]) -> list[Shown]:
        """The job's pictures as they are stored, with the facts of their earlier rows; those that are gone are left out."""
        shown = []
        for look in job.looks:
            data = self._folder.picture(job, look)
            if data is not None and look.id in rows:
                shown.append(Shown(look, data, {key: rows[look.id][key] for key in FACTS if key in rows[look.id]}))
        return shown

    def _asked(self, job: Job, photo: Photo, shown: Sequence[Shown], task: Task) -> list[Row]:
        """A row for each victim of each picture."""
        like, detector = self._shot(job).crop, self._house.detector
        found = [find(picture.data, like, photo, detector, picture.look.encoding.cropped) for picture in shown]
        moved = self._moved(job, found) if task.earlier is None else [{} for _ in shown]
        rows = []
        for name in self._campaign.victims.local:
            sights = self._sights(name, job, found)
            for picture, sight, more in zip(shown, sights, moved, strict=True):
                if name in task.wanted.get(picture.look.id, ()):
                    rows.append(self._row(job, picture, name, task, more | self._local(job, name, sight)))
        for picture, more in zip(shown, moved, strict=True):
            names = [name for name in self._campaign.victims.remote if name in task.wanted.get(picture.look.id, ())]
            targeted, cropped = bool(job.plan.target), picture.look.encoding.cropped
            for name, said in self._strangers.ask(names, job.pair, picture.data, targeted, cropped).items():
                rows.append(self._row(job, picture, name, task, more | said))
        return rows

    def _sights(self, name: str, job: Job, found: Sequence[Crop | None]) -> list[Sight | None]:
        """What a network sees of each face; None where none was found."""
        judge = self._judge(name)
        faces = [crop for crop in found if crop is not None]
        seen = iter(judge.embed(faces) if faces else ())
        return [None if crop is None else judge.sight(next(seen), job.pair) for crop in found]

    def _moved(self, job: Job, found: Sequence[Crop | None]) -> list[Row]:
        """R of the paper's appendix A.1 on the surrogates (their mean): how much farther from the person's centroid each face
        is than the photo's."""
        if not job.mask:
            return [{} for _ in found]
        members = []
        for name in sorted(set(job.plan.surrogates)):
            before = self._origin(name, job)
            sights = self._sights(name, job, found)
            members.append([None if sight is None else _away(sight, job) - before for sight in sights])
        together = [[value for value in values if value is not None] for values in zip(*members, strict=True)]
        return [{"r_surrogate": round(float(np.mean(values)), 5) if values else None} for values in together]

    def _origin(self, name: str, job: Job) -> float:
        judge = self._judge(name)
        return _away(judge.sight(judge.original(job.pair), job.pair), job)

    def _local(self, job: Job, name: str, sight: Sight | None) -> Row:
        """What a network says of one face."""
        judge = self._judge(name)
        said: Row = {"version": judge.version, "date": today()}
        if sight is None:
            return said | {"score": None, "failure": Outcome.NO_FACE_PROTECTED}
        nearest = float(sight.own.min())
        said |= {
            "score": round(score(nearest, judge.threshold), 5),
            "raw_score": round(nearest, 5),
            "raw_threshold": round(judge.threshold, 5),
            "far": int((sight.own > judge.threshold).sum()),
            "references": len(sight.own),
            "rank": sight.rank(job.pair.source),
            "r_victim": round(_away(sight, job) - self._origin(name, job), 5),
        }
        if job.plan.target:
            said["target_score"] = round(score(sight.target, judge.threshold), 5)
            said["target_rank"] = sight.rank(job.pair.target)
        return said

    def _row(self, job: Job, picture: Shown, victim: str, task: Task, said: Row) -> Row:
        look, plan, failure = picture.look, job.plan, said.pop("failure", None)
        row: Row = {
            "run": self._run,
            "cell": job.cell(look, victim),
            "look": look.id,
            "line": "mask" if job.mask else "clean",
            "person": self._people[job.pair.source].name,
            "photo": job.pair.shot,
            "labels": len(self._people),
            "encoding": look.encoding.name,
            "victim": victim,
        }
        if not job.mask:
            said["outcome"] = failure or _clean_outcome(said["score"])
            return row | said
        seen = (job.pair.source, job.pair.shot, look.encoding.name, victim)
        said["clean_score"], said["clean_rank"] = task.clean.get(seen, (None, None))
        said["outcome"] = failure or outcome(said["clean_score"], said["score"])
        return (
            row
            | {"target": plan.target, "series": job.series, "rms_budget": job.rms, "alpha": look.alpha}
            | {key: value for key, value in asdict(plan).items() if key in PLAN}
            | picture.facts
            | said
        )

    def _shot(self, job: Job) -> Shot:
        return self._people[job.pair.source].shots[job.pair.shot]


PLAN = ("method", "loss", "surrogates", "iterations", "epsilon", "kappa", "search_steps", "reference")
"""What a row repeats of its plan."""

FACTS = ("alpha_used", "l2", "linf", "rms", "ssim", "reached", "spent", "seconds", "batch", "r_surrogate")
"""What a row repeats of its mask, whoever judges it."""


def _away(sight: Sight, job: Job) -> float:
    return float(sight.centroids[job.pair.source])


def _clean_outcome(score: float) -> Outcome:
    return Outcome.NOT_TRANSFERRED if outcome(score, score) is Outcome.NOT_TRANSFERRED else Outcome.CLEAN_MISMATCH


def _amplified(photo: Photo, crop: Crop, mask: Stored | None, alpha: float, rms: float) -> tuple[Bytes, Row]:
    """The photo with the mask on the 256 levels, and what the mask changed before it was encoded: ``l2`` and ``linf`` of the
    whole photo in pixel units of [0, 1], ``rms`` (8-bit levels) and ``ssim`` on the face."""
    if mask is None:
        return image.to_bytes(photo.pixels), {}
    delta = Mask(mask.delta, MaskOutcome.NOT_EVALUATED, mask.iterations)
    made = candidates(photo, [crop], [delta], (alpha,), Container("PNG"), rms)[0]
    facts: Row = {
        "alpha_used": round(made.alphas[0], 4),
        "l2": round(made.photo.l2, 4),
        "linf": round(made.photo.linf, 4),
        "rms": round(made.faces[0].rms, 3),
        "ssim": round(made.faces[0].ssim, 4),
        "reached": mask.reached,
        "spent": mask.iterations,
        "seconds": round(mask.seconds, 3),
        "batch": mask.batch,
    }
    return image.to_bytes(image.decode(made.data, len(made.data)).pixels), facts


def _encode(levels: Bytes, crop: Crop, encoding: Encoding) -> bytes:
    if encoding.cropped:
        levels = levels[window(crop)]
    if encoding.format == "png":
        return write(levels, "PNG", encoding.scale)
    return write(levels, "JPEG", encoding.scale, quality=encoding.quality, subsampling=encoding.chroma)
