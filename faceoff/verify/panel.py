"""Everybody who may judge: the catalogue's networks, and the commercial victims that the operator has configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import Card
from faceoff.types import Against, Crop, Outcome, Photo, Rank, Terms, Verdict, View
from faceoff.verify.case import Case, of_photo, of_result
from faceoff.verify.scores import TAU, best, face_at, outcome, today
from faceoff.verify.verifier import LocalVerifier
from faceoff.verify.victims.asking import check_consent, consented
from faceoff.verify.victims.together import Pair, ask_all
from faceoff.verify.victims.victim import Answer, Picture, Victim
from faceoff.verify.views import cut, resized, show


@dataclass(frozen=True)
class Question:
    """What a commercial victim is asked of one face in one view: ``clean`` is the original's, where it may be sent."""

    face: int
    view: View
    references: tuple[Picture, ...]
    probe: Picture
    clean: Picture | None

    @property
    def itself(self) -> bool:
        """Whether the clean picture is its own reference: a match that is not worth a call."""
        return self.clean in self.references

    @property
    def pairs(self) -> list[Pair]:
        probes = (self.probe,) if self.clean is None or self.itself else (self.clean, self.probe)
        return [(reference, probe) for probe in probes for reference in self.references]


class Panel:
    """faceoff.rooms.Verifier over both. A photo goes to a commercial victim only where the request consents to it by name: the
    result and the references, and the original only if it is one of the references itself."""

    def __init__(self, local: LocalVerifier, commercial: Mapping[str, Victim] = MappingProxyType({})) -> None:
        self._local = local
        self._detector = local.detector
        self._commercial = commercial

    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        """As LocalVerifier's; without ``victims``, those that the terms consent to are asked beside the local networks. A
        commercial victim without consent or without a reference is REFUSED. Raises INVALID_ARGUMENT for consent to
        somebody who is not configured."""
        return self._judge(of_result(photo, self._local.decode(protected), crops, terms), surrogates, victims, terms)

    def check(self, surrogates: Sequence[str], victims: Sequence[str], consent: Sequence[str]) -> None:
        """As LocalVerifier's. Raises INVALID_ARGUMENT for a commercial victim without consent, and for consent to somebody
        who is not configured."""
        self._local.check(surrogates, [name for name in victims if name not in self._commercial], ())
        check_consent(consent, self._commercial)
        refused = [name for name in victims if name in self._commercial and name not in consent]
        if refused:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"Photos are not sent to {', '.join(refused)} without consent.",
                "Consent to it by name, or leave it out of the victims.",
            )

    def compare(self, protected: bytes, original: Photo | None, victims: Sequence[str], terms: Terms) -> list[Verdict]:
        """The verdicts on a photo that comes from anywhere. Raises also NO_FACE_DETECTED, and INVALID_ARGUMENT where there is
        neither a reference nor the original."""
        return self._judge(self._case(protected, original, terms), (), victims, terms)

    def linked(self, protected: bytes, others: Sequence[bytes], victims: Sequence[str]) -> list[Verdict]:
        """Whether local victims still tell by other protected photos that they show the same person. Raises INVALID_ARGUMENT
        where only commercial ones are named."""
        networks = self._networks(victims)
        case = self._case(protected, None, Terms(tuple(others)))
        return self._local.judge(replace(case, against=Against.LINKED), networks)

    def rank(
        self,
        protected: bytes,
        original: Photo | None,
        candidates: Mapping[str, Sequence[Crop]],
        victims: Sequence[str],
        terms: Terms,
    ) -> list[Rank]:
        """Where local victims rank the person among ``candidates``, other people's faces by name. Raises as ``linked``."""
        networks = self._networks(victims)
        return self._local.rank(self._case(protected, original, terms), candidates, networks)

    def _case(self, protected: bytes, original: Photo | None, terms: Terms) -> Case:
        return of_photo(self._local.decode(protected), original, terms, self._detector)

    def _networks(self, victims: Sequence[str]) -> list[Card]:
        local = [name for name in victims if name not in self._commercial]
        if victims and not local:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"{', '.join(victims)} cannot be asked for linkage or ranks: those are of networks here.",
                "Name a network among the victims, or no victim at all.",
            )
        return self._local.victims(local)

    def _judge(self, case: Case, surrogates: Sequence[str], victims: Sequence[str], terms: Terms) -> list[Verdict]:
        asked = [name for name in dict.fromkeys(victims or terms.consent) if name in self._commercial]
        local = [name for name in victims if name not in asked]
        cards = self._local.victims(local, surrogates) if local or not victims else []
        permitted = consented(self._commercial, terms.consent, terms.tenant)
        if not asked:
            return self._local.judge(case, cards)
        original_given = case.original is not None and case.original.source in terms.references
        if case.against is Against.ORIGINAL and not original_given:
            return [
                *self._local.judge(case, cards),
                *(verdict for name in asked for verdict in _unreferenced(name, case)),
            ]
        questions = self._questions(case, case.original if original_given else None)
        pairs = [pair for question in questions for pair in question.pairs]
        with ThreadPoolExecutor(1, thread_name_prefix="commercial") as pool:
            answers = pool.submit(ask_all, {name: permitted[name] for name in asked}, pairs, terms.seconds)
            verdicts = self._local.judge(case, cards)
            for name, found in answers.result().items():
                remaining = iter(found)
                verdicts += [_verdict(name, case.against, question, remaining) for question in questions]
        return verdicts

    def _questions(self, case: Case, original: Photo | None) -> list[Question]:
        """``original`` only where it may be sent: always, where nothing else is a reference."""
        references: Sequence[tuple[Picture, ...]] = [tuple(map(Picture, case.references))] * len(case.crops)
        if original and case.against is Against.ORIGINAL:
            references = [(picture,) for picture in self._pictures(original, case, View.PHOTO)]
        questions = []
        for view in case.views:
            clean: Sequence[Picture | None] = [None] * len(case.crops)
            if original:
                clean = self._pictures(original, case, view)
            masked = self._pictures(case.protected, case, view)
            for face, (known, probe, before) in enumerate(zip(references, masked, clean, strict=True)):
                questions.append(Question(face, view, known, probe, before))
        return questions

    def _pictures(self, photo: Photo, case: Case, view: View) -> list[Picture]:
        """One for each face: the whole photo where that is the face that counts, the largest, else the face's square alone."""
        shown = show(photo, view)
        scale = shown.width / case.width
        found = self._detector.detect(shown)
        pictures = []
        for crop in case.crops:
            counts = face_at(resized(crop.face.box, scale), found[:1]) if found else len(case.crops) == 1
            whole = counts and view is not View.CROPPED
            pictures.append(Picture(shown.source if whole else cut(shown, crop, scale)[0]))
        return pictures


def _verdict(victim: str, against: Against, question: Question, answers: Iterator[Answer]) -> Verdict:
    """The verdict on one question, whose pairs' answers come next."""
    clean = 1.0 if question.itself else None
    if question.clean is not None and not question.itself:
        clean = best(list(islice(answers, len(question.references)))).score
    answer = best(list(islice(answers, len(question.references))))
    return Verdict(
        face=question.face,
        victim=victim,
        version=answer.version,
        date=answer.date,
        clean_score=clean,
        protected_score=answer.score,
        threshold=TAU,
        outcome=_outcome(clean, answer),
        raw_score=answer.raw_score,
        raw_threshold=answer.raw_threshold,
        against=against,
        view=question.view,
        note=answer.note,
    )


def _unreferenced(victim: str, case: Case) -> list[Verdict]:
    """Nobody is asked where only the original could be the reference and the caller did not give it as one. The verdicts bear
    no version: see faceoff.verify.rates.plain."""
    note = "Nothing was sent: it needs a reference, and the original is not sent unless it is given as one."
    return [
        Verdict(face, victim, "", today(), None, None, TAU, Outcome.REFUSED, None, None, case.against, view, note)
        for view in case.views
        for face in range(len(case.crops))
    ]


def _outcome(clean: float | None, answer: Answer) -> Outcome:
    if answer.failure is None or answer.failure is Outcome.NO_FACE_PROTECTED:
        return outcome(clean, answer.score)
    return answer.failure
