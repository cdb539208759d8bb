"""Checking a result on networks that took no part in it."""

from __future__ import annotations

from collections.abc import Sequence

from faceoff import image
from faceoff.attacks.attacker import stack
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import Card
from faceoff.rooms import Detector, Networks
from faceoff.types import Crop, Float, Outcome, Photo, Verdict
from faceoff.verify.scores import FAR, TAU, distance, outcome, same_place, score, threshold, today


class LocalVerifier:
    """faceoff.rooms.Verifier over the catalogue's own networks. ``cards`` are the networks that may be victims."""

    def __init__(self, networks: Networks, detector: Detector, cards: Sequence[Card]) -> None:
        self._networks = networks
        self._detector = detector
        self._cards = {card.name: card for card in cards}

    def verify(
        self, photo: Photo, protected: bytes, crops: Sequence[Crop], surrogates: Sequence[str], victims: Sequence[str]
    ) -> list[Verdict]:
        """What each victim says of each face, in the encoded result as a stranger would read it: decoded and its faces
        found anew. The clean score is of the original against itself. Raises VICTIM_IS_SURROGATE and UNKNOWN_NETWORK."""
        chosen = self._victims(victims, surrogates)
        found = self._detector.detect(image.decode(protected, max_bytes=len(protected)))
        places = [same_place(crop, found) for crop in crops]
        verdicts = []
        for card in chosen:
            clean = self._embed(card, crops)
            masked = self._embed(card, [place for place in places if place is not None])
            remaining = iter(masked)
            for face, place in enumerate(places):
                away = distance(next(remaining), clean[face]) if place is not None else None
                verdicts.append(self._verdict(face, card, distance(clean[face], clean[face]), away))
        return verdicts

    def compare(self, photo: Photo, references: Sequence[Photo], victims: Sequence[str] = ()) -> list[Verdict]:
        """Whether each victim recognises the faces of ``photo`` by the largest face of any of the ``references``: the score is
        of the nearest of them. Raises NO_FACE_DETECTED when ``photo`` has no face."""
        crops = self._detector.detect(photo)
        if not crops:
            raise FaceOffError(Reason.NO_FACE_DETECTED, "No face was found in this photo.", "Nothing can be compared.")
        known = [found[0] for found in (self._detector.detect(reference) for reference in references) if found]
        verdicts = []
        for card in self._victims(victims, ()):
            if not known:
                verdicts += [
                    self._verdict(face, card, None, None, Outcome.NO_FACE_REFERENCE) for face in range(len(crops))
                ]
                continue
            gallery = self._embed(card, known)
            for face, embedding in enumerate(self._embed(card, crops)):
                nearest = min(distance(embedding, reference) for reference in gallery)
                verdicts.append(self._verdict(face, card, None, nearest))
        return verdicts

    def _victims(self, names: Sequence[str], surrogates: Sequence[str]) -> list[Card]:
        """The cards to ask; without names, every served network with a measured threshold that is not a surrogate."""
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
            if FAR not in self._cards[name].thresholds:
                raise FaceOffError(
                    Reason.INVALID_ARGUMENT,
                    f"{name} has no threshold measured, so it cannot judge.",
                    "Measure one with `faceoff models check` and add it to the card.",
                )
        if names:
            return [self._cards[name] for name in names]
        return [
            card
            for card in self._cards.values()
            if card.name not in surrogates and FAR in card.thresholds and self._served(card)
        ]

    def _served(self, card: Card) -> bool:
        try:
            self._networks.version(card.name)
        except FaceOffError as error:
            if error.reason is Reason.NETWORK_MISSING:
                return False
            raise
        return True

    def _embed(self, card: Card, crops: Sequence[Crop]) -> Float:
        if not crops:
            return []  # type: ignore[return-value]
        images, landmarks = stack(crops)
        return self._networks.call(card.name, "embed", {"images": images, "landmarks": landmarks})["embeddings"]

    def _verdict(
        self, face: int, card: Card, clean: float | None, protected: float | None, fixed: Outcome | None = None
    ) -> Verdict:
        """The verdict on two distances; None where there was no face."""
        limit = threshold(card)
        before, after = (None if away is None else score(away, limit) for away in (clean, protected))
        return Verdict(
            face=face,
            victim=card.name,
            version=self._networks.version(card.name),
            date=today(),
            clean_score=before,
            protected_score=after,
            threshold=TAU,
            outcome=fixed or outcome(before, after),
            raw="" if protected is None else f"l2 distance {protected:.4f}, threshold {limit:.4f} at FAR {FAR:g}",
        )
