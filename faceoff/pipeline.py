"""The straight line of one photo: decode, detect, attack, amplify, verify. The rooms are arguments; the order lives here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from faceoff import image
from faceoff.attacks.plans import check_people, check_values
from faceoff.errors import FaceOffError, Reason
from faceoff.image import check_encoding
from faceoff.rooms import Amplifier, Attacker, Detector, Report, Verifier
from faceoff.types import Candidate, Crop, Encoding, Gallery, Mask, Photo, Plan, Priority, Progress, Terms, Verdict


@dataclass(frozen=True)
class Rooms:
    """Who does the work: all in this process (faceoff.local) or services (faceoff.rpc.remote)."""

    detector: Detector
    attacker: Attacker
    amplifier: Amplifier
    verifier: Verifier


@dataclass(frozen=True)
class Request:
    """What to do with one photo.

    ``faces`` picks detected faces by index (largest first; empty: every face),
    ``victims`` the networks that check the result (empty: every local network that is not a surrogate), ``gallery`` the
    other people that the target and hinge losses need, ``terms`` what the result is compared with and how."""

    plan: Plan = field(default_factory=Plan)
    encoding: Encoding = field(default_factory=Encoding)
    faces: tuple[int, ...] = ()
    victims: tuple[str, ...] = ()
    gallery: Gallery = field(default_factory=dict)
    priority: Priority = Priority.INTERACTIVE
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True)
class Protection:
    """The protected photo as bytes, and everything known about it. ``crops``, ``masks`` and ``candidate.faces`` run
    in parallel; a verdict's ``face`` is an index into them."""

    photo: Photo
    candidate: Candidate
    crops: tuple[Crop, ...]
    masks: tuple[Mask, ...]
    verdicts: tuple[Verdict, ...]


def protect(
    data: bytes, request: Request, rooms: Rooms, report: Report, decode: Callable[[bytes], Photo] = image.decode
) -> Protection:
    """Protect the encoded photo ``data``, which ``decode`` reads: a stranger's in another process (faceoff.decoding.pool).

    Raises FaceOffError: what ``check``, ``check_surrogates`` and ``check_victims`` raise, the image's own reasons
    (faceoff.image), NO_FACE_DETECTED, INVALID_ARGUMENT for a face index that is not there, and whatever a room raises.
    ``report`` may raise to stop.
    """
    check(request, decode)
    check_people(request.plan, request.gallery)
    check_surrogates(request, rooms)
    check_victims(request, rooms)
    photo = decode(data)
    check_encoding(request.encoding, max(photo.height, photo.width))
    report(Progress("detect", 0, 1))
    crops = pick(rooms.detector.detect(photo), request.faces)
    report(Progress("detect", 1, 1))
    masks = rooms.attacker.attack(crops, request.plan, report, request.gallery, request.priority)
    report(Progress("amplify", 0, 1))
    candidate = rooms.amplifier.amplify(photo, crops, masks, request.plan, request.encoding)
    report(Progress("amplify", 1, 1))
    report(Progress("verify", 0, 1))
    verdicts = rooms.verifier.verify(
        photo, candidate.data, crops, request.plan.surrogates, request.victims, request.terms
    )
    report(Progress("verify", 1, 1))
    return Protection(photo, candidate, tuple(crops), tuple(masks), tuple(verdicts))


def check(request: Request, decode: Callable[[bytes], Photo] = image.decode) -> None:
    """Refuse what can be refused from the request alone, its gallery aside: VICTIM_IS_SURROGATE, INVALID_ARGUMENT for a plan or
    an encoding that cannot be carried out, and what ``decode`` raises for a reference."""
    check_roles(request)
    check_values(request.plan)
    check_encoding(request.encoding)
    for number, reference in enumerate(request.terms.references, 1):
        try:
            decode(reference)
        except FaceOffError as error:
            message = f"Reference {number}: {error.message}"
            raise FaceOffError(error.reason, message, error.hint, error.retry_after) from None


def check_surrogates(request: Request, rooms: Rooms) -> None:
    """Let the attacker refuse the names that are in the request, before it has a face. The house's own are not asked for."""
    if request.plan.surrogates != Plan.surrogates:
        rooms.attacker.check(request.plan.surrogates)


def check_victims(request: Request, rooms: Rooms) -> None:
    """Let the verifier refuse the names that are in the request, before it has a result."""
    if request.victims or request.terms.consent:
        rooms.verifier.check(request.plan.surrogates, request.victims, request.terms.consent)


def check_roles(request: Request) -> None:
    """Raise VICTIM_IS_SURROGATE when a network would judge a mask it took part in: that is no evidence."""
    both = set(request.plan.surrogates) & set(request.victims)
    if both:
        raise FaceOffError(
            Reason.VICTIM_IS_SURROGATE,
            f"{', '.join(sorted(both))} cannot be both a surrogate and a victim.",
            "A network that took part in the mask is no evidence: choose other victims or other surrogates.",
            field="victims",
        )


def pick(crops: Sequence[Crop], faces: Sequence[int]) -> list[Crop]:
    """The crops to protect. Raises NO_FACE_DETECTED when there is none and INVALID_ARGUMENT for an index out of range."""
    if not crops:
        raise FaceOffError(
            Reason.NO_FACE_DETECTED,
            "No face was found in this photo.",
            "Faces need to be about 20 pixels wide or more and not turned far away from the camera.",
        )
    for face in faces:
        if not 0 <= face < len(crops):
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"There is no face {face}.",
                f"The photo has {len(crops)}, numbered from 0 (the largest); `faceoff detect` lists them.",
                field="faces",
            )
    return [crops[face] for face in faces] if faces else list(crops)
