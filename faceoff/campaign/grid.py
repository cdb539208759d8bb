"""From a campaign to its cells. Every id is a hash of all that decides what it names, so a cell means the same in every run."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from faceoff import pipeline
from faceoff.attacks.plans import check
from faceoff.campaign.config import MAX_CELLS, Campaign, Encoding, Series, plan_of
from faceoff.campaign.people import Pair, Person, Targets, all_shots, gallery, known, spread, targets_of
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Plan


@dataclass(frozen=True)
class Look:
    """One picture that victims are shown: the photo with the mask amplified by ``alpha`` (0: without it), encoded."""

    id: str
    alpha: float
    encoding: Encoding


@dataclass(frozen=True)
class Job:
    """One attacked photo and one plan, or the photo as it is where ``mask`` is empty. ``plan`` has neither alpha nor a
    visibility budget, which only change what the mask is amplified by: that is ``rms``."""

    pair: Pair
    series: str
    plan: Plan
    rms: float
    targets: Targets
    mask: str
    looks: tuple[Look, ...]

    @property
    def known(self) -> int:
        """Jobs of one plan with the same number are told of the same photos."""
        return {Targets.NONE: -1, Targets.PAIR: self.pair.target}.get(self.targets, self.pair.source)

    def cell(self, look: Look, victim: str) -> str:
        """The id of one look as one victim sees it."""
        return digest(look.id, victim)


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def check_size(campaign: Campaign) -> None:
    """Raise INVALID_ARGUMENT where a single photo would already make too many cells."""
    _refuse_above(campaign, sum(series.grid.size for series in campaign.plans) * len(campaign.alphas) + 1)


def _refuse_above(campaign: Campaign, pictures: int) -> int:
    """How many cells so many pictures make, before they are encoded and shown. Raises INVALID_ARGUMENT for more than
    MAX_CELLS."""
    cells = pictures * len(campaign.encodings) * (len(campaign.victims.local) + len(campaign.victims.remote))
    if cells > MAX_CELLS:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"This grid has {cells:,} cells; at most {MAX_CELLS:,} are run.",
            "Take fewer pairs (people.limit), plans, alphas, encodings or victims, or make several campaigns of it.",
        )
    return cells


def plans(series: Series, seed: int) -> Iterator[Plan]:
    """Every combination of the series' grid."""
    base = plan_of(series, seed)
    chosen = {name: values or (getattr(base, name),) for name, values in series.grid}
    for values in itertools.product(*chosen.values()):
        yield replace(base, **dict(zip(chosen, values, strict=True)))


def attacked(campaign: Campaign, people: Sequence[Person], targets: Targets) -> list[Pair]:
    """The pairs in the order of the people. Raises INVALID_ARGUMENT for a name that nobody has, or somebody's pair with
    themselves."""
    index = {person.name: number for number, person in enumerate(people)}
    chosen = campaign.people
    for name in sorted({*chosen.sources, *itertools.chain(*chosen.pairs)} - set(index)):
        raise _invalid(f"There is no person {name}.", f"Those who take part: {', '.join(index)}.")
    wanted = [(index[source], index[target]) for source, target in chosen.pairs]
    if any(source == target for source, target in wanted):
        raise _invalid("A pair has the same person twice.", "A pair is (source, target): two people.")
    sources = [index[name] for name in chosen.sources] or range(len(people))
    if not wanted:
        wanted = [(source, target) for source in sources for target in range(len(people)) if target != source]
    targeted = targets is Targets.PAIR
    fewest = min(len(person.shots) for person in people)
    if targeted and chosen.photos >= fewest:
        raise _invalid(
            f"people.photos is {chosen.photos}, but somebody has only {fewest}.",
            "A person needs a photo that is not attacked for the attack on others to know them by.",
        )
    if targeted and not chosen.pairs and chosen.limit:
        wanted = _few_targets(wanted, chosen.limit, chosen.photos)
    return spread(all_shots(people, wanted, targeted, chosen.photos), chosen.limit)


def _few_targets(wanted: Sequence[tuple[int, int]], limit: int, photos: int) -> list[tuple[int, int]]:
    """As few targets as ``limit`` attacked photos need, evenly spread: pairs of one target share their work."""
    targets = sorted({target for _, target in wanted})
    each = max(1, len(wanted) * photos // len(targets))
    count = min(len(targets), -(-limit // each))
    chosen = {targets[number * len(targets) // count] for number in range(count)}
    return [pair for pair in wanted if pair[1] in chosen]


def expand(campaign: Campaign, people: Sequence[Person], weights: Callable[[str], str]) -> tuple[list[Job], list[Job]]:
    """The photos as they are, and the masks. Raises INVALID_ARGUMENT, and VICTIM_IS_SURROGATE."""
    masks: list[Job] = []
    for series in campaign.plans:
        for plan in plans(series, campaign.seed):
            pipeline.check_roles(pipeline.Request(plan=plan, victims=campaign.victims.local))
            targets = series.targets or targets_of(plan.loss)
            hashes = {name: weights(name) for name in sorted(plan.surrogates)}
            pairs = attacked(campaign, people, targets)
            check(_bare(plan, people, pairs[0], targets), gallery(people, pairs[0], targets, campaign.people.photos))
            masks += [_job(campaign, people, series, plan, targets, pair, hashes) for pair in pairs]
    unique = {(job.mask, job.rms): job for job in reversed(masks)}
    masks = list(reversed(unique.values()))
    photos = {(job.pair.source, job.pair.shot): job for job in masks}
    _refuse_above(campaign, len(masks) * len(campaign.alphas) + len(photos))
    return [_clean(campaign, people, job) for job in photos.values()], masks


def _job(
    campaign: Campaign,
    people: Sequence[Person],
    series: Series,
    plan: Plan,
    targets: Targets,
    pair: Pair,
    hashes: Mapping[str, str],
) -> Job:
    bare = _bare(plan, people, pair, targets)
    told = {
        label: [shot.sha256 for shot in shots]
        for label, shots in known(people, pair, targets, campaign.people.photos).items()
    }
    photo = people[pair.source].shots[pair.shot].sha256
    mask = digest(photo, asdict(bare), told, hashes)
    looks = tuple(
        Look(digest(mask, alpha, plan.rms, encoding.model_dump()), alpha, encoding)
        for alpha in campaign.alphas
        for encoding in campaign.encodings
    )
    return Job(pair, series.title, bare, plan.rms, targets, mask, looks)


def _bare(plan: Plan, people: Sequence[Person], pair: Pair, targets: Targets) -> Plan:
    """What decides the mask."""
    return replace(plan, alpha=1.0, rms=0.0, target=people[pair.target].name if targets is Targets.PAIR else "")


def _clean(campaign: Campaign, people: Sequence[Person], job: Job) -> Job:
    """The photo that ``job`` attacks, encoded like its results."""
    photo = people[job.pair.source].shots[job.pair.shot].sha256
    looks = tuple(Look(digest(photo, encoding.model_dump()), 0.0, encoding) for encoding in campaign.encodings)
    pair = replace(job.pair, target=job.pair.source)
    return Job(pair, "", Plan(), 0.0, Targets.NONE, "", looks)


def _invalid(message: str, hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, message, hint)
