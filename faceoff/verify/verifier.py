"""Checking a result on networks that took no part in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import FAR, Card
from faceoff.rooms import Detector, Networks
from faceoff.types import Against, Crop, Float, Outcome, Photo, Rank, Terms, Verdict, View
from faceoff.verify.case import Case, faces_in, largest, of_result
from faceoff.verify.ranks import ranks
from faceoff.verify.scores import TAU, check_threshold, distance, outcome, score, threshold, today
from faceoff.verify.victims.asking import check_consent
from faceoff.verify.victims.local import CachedDetector, embed

Distances = list[float | None]


@dataclass(frozen=True)
class Scene:
    """The case's faces as one view shows them, protected and not; None where a face was not found or there is no original."""

    view: View
    masked: Sequence[Crop | None]
    clean: Sequence[Crop | None]


class LocalVerifier:
    """faceoff.rooms.Verifier over the catalogue's own networks. ``cards`` are the networks that may be victims, ``decode``
    reads the photos that come in. Every face of every view is embedded in batches."""

    def __init__(
        self, networks: Networks, detector: Detector, cards: Sequence[Card], decode: image.Decode = image.decode
    ) -> None:
        self._networks = networks
        self._decode = decode
        self.detector = CachedDetector(detector)  # references and views come again and again
        self._cards = {card.name: card for card in cards}

    def verify(
        self,
        photo: Photo,
        protected: bytes,
        crops: Sequence[Crop],
        surrogates: Sequence[str],
        victims: Sequence[str],
        terms: Terms = Terms(),  # noqa: B008  (frozen)
    ) -> list[Verdict]:
        """What each victim says of each face, in the encoded result as a stranger would read it: decoded and its faces found
        anew. Raises VICTIM_IS_SURROGATE and UNKNOWN_NETWORK."""
        cards = self.victims(victims, surrogates)
        return self.judge(of_result(photo, self.decode(protected), crops, terms), cards)

    def check(self, surrogates: Sequence[str], victims: Sequence[str], consent: Sequence[str]) -> None:
        """Raise what ``verify`` would for these names, NETWORK_MISSING for a victim that is not served included. There is
        nobody to consent to."""
        check_consent(consent, ())
        for card in self.victims(victims, surrogates) if victims else ():
            self._networks.version(card.name)

    def decode(self, data: bytes) -> Photo:
        """A photo that comes in, which may be a result of ours and so larger than a stranger's."""
        return self._decode(data, max_bytes=max(len(data), image.MAX_BYTES))

    def judge(self, case: Case, victims: Sequence[Card]) -> list[Verdict]:
        """The verdicts by victim, view and face."""
        known = self._known(case)
        scenes = [self._scene(case, view) for view in case.views]
        return [verdict for card in victims for verdict in self._verdicts(case, card, known, scenes)]

    def rank(self, case: Case, candidates: Mapping[str, Sequence[Crop]], victims: Sequence[Card]) -> list[Rank]:
        """Where each victim has the person of each face among ``candidates``, other people's faces by name."""
        known = self._known(case)
        scene = self._scene(case, View.PHOTO)
        count = sum(map(len, candidates.values()))
        found = []
        for card in victims:
            own = self._galleries(case, card, known)
            others = {name: self.embed(card.name, crops) for name, crops in candidates.items()}
            places = [self._places(card, faces, own, others) for faces in (scene.masked, scene.clean)]
            for face, (masked, clean) in enumerate(zip(*places, strict=True)):
                found.append(Rank(face, card.name, len(candidates) + 1, count + len(own[face]), *masked, *clean))
        return found

    def victims(self, names: Sequence[str], surrogates: Sequence[str] = ()) -> list[Card]:
        """The cards to ask; without names, every served network with a measured threshold that is not a surrogate. Raises
        VICTIM_IS_SURROGATE, UNKNOWN_NETWORK, and INVALID_ARGUMENT for a network without a threshold."""
        for name in names:
            if name not in self._cards:
                raise FaceOffError(
                    Reason.UNKNOWN_NETWORK, f"There is no network {name}.", f"Known: {', '.join(sorted(self._cards))}."
                )
            if name in surrogates:
                raise FaceOffError(
                    Reason.VICTIM_IS_SURROGATE,
                    f"{name} took part in the mask, so it cannot judge it.",
                    "Choose a victim that is not among the surrogates.",
                )
            check_threshold(self._cards[name])
        if names:
            return [self._cards[name] for name in dict.fromkeys(names)]
        return [
            card
            for card in self._cards.values()
            if card.name not in surrogates and FAR in card.thresholds and self._served(card)
        ]

    def embed(self, name: str, crops: Sequence[Crop]) -> Float:
        """A network's unit embeddings [B, D] of at least one crop."""
        return embed(self._networks, name, crops)

    def _served(self, card: Card) -> bool:
        try:
            self._networks.version(card.name)
        except FaceOffError as error:
            if error.reason is Reason.NETWORK_MISSING:
                return False
            raise
        return True

    def _known(self, case: Case) -> list[Crop]:
        """The references' faces."""
        found = (largest(self._decode(reference), self.detector) for reference in case.references)
        return [crop for crop in found if crop is not None]

    def _scene(self, case: Case, view: View) -> Scene:
        masked = faces_in(case.protected, case, view, self.detector)
        if case.original is None or case.against is Against.LINKED:
            return Scene(view, masked, [None] * len(case.crops))
        if view is View.PHOTO:
            return Scene(view, masked, case.crops)
        return Scene(view, masked, faces_in(case.original, case, view, self.detector))

    def _verdicts(self, case: Case, card: Card, known: Sequence[Crop], scenes: Sequence[Scene]) -> list[Verdict]:
        version, limit = self._networks.version(card.name), threshold(card)
        own = self._galleries(case, card, known)
        verdicts = []
        for scene in scenes:
            itself = case.against is Against.ORIGINAL and scene.view is View.PHOTO
            clean = [0.0] * len(own) if itself else self._nearest(card, scene.clean, own)
            masked = self._nearest(card, scene.masked, own)
            for face, (before, after) in enumerate(zip(clean, masked, strict=True)):
                clean_score, protected_score = (
                    None if away is None else score(away, limit) for away in (before, after)
                )
                verdicts.append(
                    Verdict(
                        face=face,
                        victim=card.name,
                        version=version,
                        date=today(),
                        clean_score=clean_score,
                        protected_score=protected_score,
                        threshold=TAU,
                        outcome=outcome(clean_score, protected_score) if own[face] else Outcome.NO_FACE_REFERENCE,
                        raw_score=after,
                        raw_threshold=limit,
                        against=case.against,
                        view=scene.view,
                    )
                )
        return verdicts

    def _galleries(self, case: Case, card: Card, known: Sequence[Crop]) -> list[list[Float]]:
        """For each face the embeddings that it is compared with."""
        if case.against is Against.ORIGINAL:
            return [[embedding] for embedding in self.embed(card.name, case.crops)] if case.crops else []
        gallery = list(self.embed(card.name, known)) if known else []
        return [gallery] * len(case.crops)

    def _embedded(self, card: Card, faces: Sequence[Crop | None]) -> list[Float | None]:
        there = [face for face in faces if face is not None]
        embeddings = iter(self.embed(card.name, there) if there else ())
        return [None if face is None else next(embeddings) for face in faces]

    def _nearest(self, card: Card, faces: Sequence[Crop | None], own: Sequence[Sequence[Float]]) -> Distances:
        """Each face's distance to the nearest of its own embeddings; None where there is nothing to measure."""
        return [
            None if face is None or not gallery else min(distance(face, one) for one in gallery)
            for face, gallery in zip(self._embedded(card, faces), own, strict=True)
        ]

    def _places(
        self, card: Card, faces: Sequence[Crop | None], own: Sequence[Sequence[Float]], others: Mapping[str, Float]
    ) -> list[tuple[int, int] | tuple[None, None]]:
        return [
            (None, None)
            if face is None or not gallery
            else ranks(_scores(face, gallery), {name: _scores(face, members) for name, members in others.items()})
            for face, gallery in zip(self._embedded(card, faces), own, strict=True)
        ]


def _scores(face: Float, others: Sequence[Float] | Float) -> list[float]:
    """Higher is nearer."""
    return [-distance(face, other) for other in others]
