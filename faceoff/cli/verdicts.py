"""How verdicts, rates and ranks are said: numbers first, and never more than they show."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from faceoff.types import Against, Outcome, Rank, Verdict, View
from faceoff.verify.rates import CHANCE, Rate, clean_line, plain, rank_chance, transfer_rate

_VIEWS = {
    View.PHOTO: "",
    View.CROPPED: ", on the face cut out,",
    View.JPEG: ", after JPEG compression,",
    View.HALF: ", at half the resolution,",
    View.DENOISED: ", after denoising,",
}
_AGAINST = {
    Against.REFERENCE: "the reference",
    Against.ORIGINAL: "the original",
    Against.LINKED: "the other protected photos",
}


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "face": verdict.face,
        "victim": verdict.victim,
        "version": verdict.version,
        "date": verdict.date,
        "against": verdict.against,
        "view": verdict.view,
        "clean_score": _rounded(verdict.clean_score),
        "protected_score": _rounded(verdict.protected_score),
        "threshold": _rounded(verdict.threshold),
        "outcome": verdict.outcome,
        "raw_score": _rounded(verdict.raw_score),
        "raw_threshold": _rounded(verdict.raw_threshold),
        "note": verdict.note,
    }


def verdict_words(verdict: Verdict) -> str:
    whom = _AGAINST[verdict.against]
    scores = f"{_score(verdict.clean_score)} -> {_score(verdict.protected_score)}"
    if verdict.clean_score is None:
        scores = _score(verdict.protected_score)
    scores += f", threshold {verdict.threshold:.2f}"
    words = {
        Outcome.TRANSFERRED: f"no longer matches {whom}: {scores}",
        Outcome.NOT_TRANSFERRED: f"still matches {whom}: {scores}",
        Outcome.NO_FACE_PROTECTED: "finds no face in the result: not counted as protection, others may find it",
        Outcome.NO_FACE_REFERENCE: f"finds no face in {whom}: it says nothing",
        Outcome.CLEAN_MISMATCH: f"did not match {whom} before either, so it says nothing: {scores}",
        Outcome.NO_CLEAN_PAIR: f"does not match {whom}, but nothing says that it did before, so it says nothing: {scores}",
        Outcome.THROTTLED: "was not asked: too many calls; try again later",
        Outcome.REFUSED: "gave no answer: refused",
        Outcome.ERROR: "gave no answer: it failed",
        Outcome.OVER_BUDGET: "was not asked: the budget is spent",
    }
    said = words[verdict.outcome]
    if verdict.against is Against.LINKED and verdict.outcome is Outcome.NO_CLEAN_PAIR:
        said = f"does not match {whom}: {scores}"
    note = f" ({verdict.note})" if verdict.note else ""
    return f"{verdict.victim}{_VIEWS[verdict.view]} {said}{note}"


def rates_json(verdicts: Iterable[Verdict], commercial: Collection[str] = ()) -> list[dict[str, Any]]:
    """By victim, of the verdicts on photos as they are uploaded. What chance gives is not known of ``commercial`` ones."""
    return [
        {
            "victim": victim,
            "transferred": rate.successes,
            "n": rate.n,
            "share": _rounded(rate.share),
            "low": _rounded(rate.low),
            "high": _rounded(rate.high),
            "clean_mismatches": clean.successes,
            "clean_n": clean.n,
            "chance_at_most": None if victim in commercial else CHANCE,
            "no_evidence": total - rate.n,
        }
        for victim, total, rate, clean in _rates(verdicts)
    ]


def rates_words(verdicts: Iterable[Verdict], commercial: Collection[str] = ()) -> list[str]:
    """A line a victim, and one on what chance gives where they are not all ``commercial``."""
    lines, rates = [], _rates(verdicts)
    for victim, total, rate, clean in rates:
        said = "no evidence"
        if rate.share is not None:
            said = f"{rate.successes} of {rate.n} no longer match ({_percent(rate)})"
        if clean.n:
            said += f"; without a mask {clean.successes} of {clean.n} did not"
        if total > rate.n:
            said += f"; {total - rate.n} say nothing"
        lines.append(f"{victim}: {said}")
    if any(victim not in commercial for victim, *_ in rates):
        lines.append(
            f"Of photos of somebody else, networks do not match {CHANCE:.0%} at most, fewer with several references."
        )
    return lines


def _rates(verdicts: Iterable[Verdict]) -> list[tuple[str, int, Rate, Rate]]:
    """Each victim with how many verdicts it gave, its transfer rate and its clean line."""
    by_victim: dict[str, list[Verdict]] = {}
    for verdict in plain(verdicts):
        by_victim.setdefault(verdict.victim, []).append(verdict)
    return [
        (victim, len(given), transfer_rate(verdict.outcome for verdict in given), clean_line(given))
        for victim, given in by_victim.items()
    ]


def rank_json(rank: Rank, top: int) -> dict[str, Any]:
    return {
        "face": rank.face,
        "victim": rank.victim,
        "rank": rank.of_people,
        "people": rank.among_people,
        "clean_rank": rank.clean_of_people,
        "rank_of_photos": rank.of_photos,
        "photos": rank.among_photos,
        "clean_rank_of_photos": rank.clean_of_photos,
        "top": top,
        "recognised": None if rank.of_people is None else rank.of_people <= top,
        "clean_recognised": None if rank.clean_of_people is None else rank.clean_of_people <= top,
        "chance": _rounded(rank_chance(top, rank.among_people)),
    }


def rank_words(rank: Rank, top: int) -> str:
    if rank.of_people is None or rank.of_photos is None:
        return f"{rank.victim} cannot rank the face: it was not found in the photo or the reference"
    before = "" if rank.clean_of_people is None else f" ({rank.clean_of_people} before)"
    photos = "" if rank.clean_of_photos is None else f" ({rank.clean_of_photos} before)"
    if rank.of_people <= top:
        among = "still among"
    elif rank.clean_of_people is None:
        among = "not, but perhaps neither before, among"
    else:
        among = "not among" if rank.clean_of_people <= top else "neither now nor before among"
    return (
        f"{rank.victim} ranks the person {rank.of_people} of {rank.among_people} people{before}, {among} the first {top}; "
        f"{rank.of_photos} of {rank.among_photos} photos{photos}; "
        f"a guess misses the first {top} in {rank_chance(top, rank.among_people):.0%}"
    )


def _percent(rate: Rate) -> str:
    return f"{rate.successes / rate.n:.0%}, 95% interval {rate.low:.0%} to {rate.high:.0%}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"
