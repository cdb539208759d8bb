"""Asking the services of others, which are shown pictures and say how alike they are."""

from __future__ import annotations

from collections.abc import Sequence

from faceoff import image
from faceoff.campaign.config import Victims
from faceoff.campaign.forms import write
from faceoff.campaign.journal import Row
from faceoff.campaign.people import Pair, Person, Shot
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Outcome
from faceoff.verify.ranks import rank
from faceoff.verify.scores import best
from faceoff.verify.victims.together import ask_all
from faceoff.verify.victims.victim import Answer, Picture, Victim
from faceoff.verify.views import window

DEADLINE = 600.0
"""Seconds that one picture may take with all victims, their own waits and repeats included."""


class Strangers:
    """The campaign's remote victims. Whoever has the same ``secret`` is not charged for their answers again. Raises
    INVALID_ARGUMENT for a name that their file does not have."""

    def __init__(self, settings: Victims, people: Sequence[Person], secret: bytes) -> None:
        self._settings, self._people = settings, people
        self._victims = _victims(settings, secret)

    def ask(
        self, names: Sequence[str], pair: Pair, probe: bytes, targeted: bool, cropped: bool = False
    ) -> dict[str, Row]:
        """What each of them says of ``probe``. The best match of the person's other photos counts; where it failed, why. A
        ``cropped`` probe is compared with cropped photos, as in the paper's A.5."""
        if not names:
            return {}
        own, others = self._references(pair, targeted)
        shots = [*own, *others.values()]
        asked = [(Picture(_cropped(shot) if cropped else _sendable(shot)), Picture(probe)) for shot in shots]
        answers = ask_all({name: self._victims[name] for name in names}, asked, DEADLINE)
        return {name: self._said(said, len(own), list(others), pair, targeted) for name, said in answers.items()}

    def _references(self, pair: Pair, targeted: bool) -> tuple[list[Shot], dict[int, Shot]]:
        """Other photos of the person, and one of each other person that is needed."""
        photos = [shot for number, shot in enumerate(self._people[pair.source].shots) if number != pair.shot]
        others = {number: person.shots[0] for number, person in enumerate(self._people) if number != pair.source}
        if not self._settings.ranks:
            others = {number: shot for number, shot in others.items() if targeted and number == pair.target}
        return photos[: self._settings.references], others

    def _said(self, answers: Sequence[Answer], own: int, others: Sequence[int], pair: Pair, targeted: bool) -> Row:
        nearest = best(answers[:own])
        scores = {person: answer.score for person, answer in zip(others, answers[own:], strict=True)}
        said: Row = {
            "score": nearest.score,
            "raw_score": nearest.raw_score,
            "raw_threshold": nearest.raw_threshold,
            "version": nearest.version,
            "date": nearest.date,
            "references": own,
        }
        if nearest.note:
            said["note"] = nearest.note
        if nearest.score is None:
            return said | {"failure": nearest.failure or Outcome.ERROR}
        if targeted:
            said["target_score"] = scores.get(pair.target)
        known = [score for score in scores.values() if score is not None]
        if self._settings.ranks and len(known) == len(scores):
            said["rank"] = rank(nearest.score, known)
            toward = said.get("target_score")
            if toward is not None:
                rest = [score for person, score in scores.items() if person != pair.target and score is not None]
                said["target_rank"] = 1 + sum(score >= toward for score in [nearest.score, *rest])
        return said


def check(settings: Victims) -> None:
    """Raise INVALID_ARGUMENT for what Strangers refuse, before the work."""
    _victims(settings)


def _victims(settings: Victims, secret: bytes = b"") -> dict[str, Victim]:
    if not settings.remote or settings.file is None:
        return {}
    from faceoff.verify.victims.asking import consented
    from faceoff.verify.victims.settings import victims_from

    known = victims_from(settings.file, secret=secret)
    for name in settings.remote:
        if name not in known:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"There is no victim {name} in {settings.file.name}.",
                f"Enabled there: {', '.join(known) or 'none'}.",
            )
    return consented({name: known[name] for name in settings.remote}, settings.remote)


def _sendable(shot: Shot) -> bytes:
    """The photo's own bytes, or a PNG of it where victims would not know its format."""
    photo = image.decode(shot.data)
    return shot.data if photo.format in ("PNG", "JPEG") else write(image.to_bytes(photo.pixels))


def _cropped(shot: Shot) -> bytes:
    return write(image.to_bytes(image.decode(shot.data).pixels[window(shot.crop)]))
