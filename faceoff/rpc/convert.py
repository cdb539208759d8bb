"""Domain values <-> messages, the one place that knows both. ``to_x`` makes a message, ``from_x`` reads one.

A message comes from outside: whatever ``from_x`` cannot read raises FaceOffError INVALID_ARGUMENT, and no array is ever
made by a shape that its bytes do not back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from itertools import chain
from typing import TypeVar

import numpy as np
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Protection, Request
from faceoff.presets import STRENGTHS
from faceoff.types import (
    Against,
    Box,
    Candidate,
    Crop,
    Encoding,
    Face,
    Float,
    Gallery,
    Loss,
    Mask,
    MaskOutcome,
    Method,
    Metric,
    Outcome,
    Photo,
    Plan,
    Priority,
    Progress,
    Reference,
    Terms,
    Transform,
    Verdict,
    View,
    Visibility,
)
from faceoff.v1 import amplifier_pb2, attacker_pb2, detector_pb2, protection_pb2, types_pb2, verifier_pb2

DEFAULT_STRENGTH = "balanced"
CHUNK = 512 * 1024
MOST_REFERENCES = 8
MOST_BYTES = 3 * image.MAX_BYTES  # of a photo and its references
_FAR = 4 * image.MAX_SIDE  # no crop of a photo that we decode reaches farther
_E = TypeVar("_E", bound=Enum)


def to_tensor(array: Float) -> types_pb2.Tensor:
    return types_pb2.Tensor(shape=array.shape, data=np.ascontiguousarray(array, dtype="<f4").tobytes())


def from_tensor(message: types_pb2.Tensor, *shape: int) -> Float:
    """A read-only array of exactly ``shape`` with finite values."""
    if tuple(message.shape) != shape or len(message.data) != 4 * math.prod(shape):
        raise _invalid("tensor", f"It has shape {list(shape)} and 4 bytes for each value.")
    array = np.frombuffer(message.data, dtype="<f4").astype(np.float32, copy=False).reshape(shape)
    if not np.isfinite(array).all():
        raise _invalid("tensor", "Every value is a finite number.")
    return array


def to_face(face: Face) -> types_pb2.Face:
    box = types_pb2.Box(x=face.box.x, y=face.box.y, width=face.box.width, height=face.box.height)
    return types_pb2.Face(box=box, landmarks=to_tensor(face.landmarks), score=face.score)


def from_face(message: types_pb2.Face) -> Face:
    box = message.box
    sides = (_finite(value, "box") for value in (box.x, box.y, box.width, box.height))
    return Face(Box(*sides), from_tensor(message.landmarks, 5, 2), _finite(message.score, "score"))


def to_crop(crop: Crop) -> types_pb2.Crop:
    way = crop.transform
    return types_pb2.Crop(
        pixels=to_tensor(crop.pixels),
        landmarks=to_tensor(crop.landmarks),
        transform=types_pb2.Transform(left=way.left, top=way.top, side=way.side, size=way.size),
        face=to_face(crop.face),
    )


def from_crop(message: types_pb2.Crop) -> Crop:
    way = Transform(message.transform.left, message.transform.top, message.transform.side, message.transform.size)
    if way.size < 1 or not 1 <= way.side <= _FAR or abs(way.left) > _FAR or abs(way.top) > _FAR:
        raise _invalid("transform", "Sides are 1 or more, and the square is near its photo.")
    pixels = from_tensor(message.pixels, way.size, way.size, 3)
    return Crop(pixels, from_tensor(message.landmarks, 5, 2), way, from_face(message.face))


def from_crops(messages: Iterable[types_pb2.Crop], photo: Photo) -> list[Crop]:
    """Crops to be pasted into ``photo``: none is so large that the work on it outgrows the photo."""
    crops = [from_crop(message) for message in messages]
    for crop in crops:
        if crop.transform.side > 4 * max(photo.width, photo.height, crop.transform.size):
            raise _invalid("transform", "A crop's side fits its photo.")
    return crops


def to_detected(crops: Iterable[Crop]) -> detector_pb2.DetectResponse:
    return detector_pb2.DetectResponse(crops=map(to_crop, crops))


def to_plan(plan: Plan) -> types_pb2.Plan:
    return types_pb2.Plan(
        method=_name("METHOD", plan.method),
        loss=_name("LOSS", plan.loss),
        surrogates=plan.surrogates,
        iterations=plan.iterations,
        epsilon=plan.epsilon,
        step_size=plan.step_size,
        kappa=plan.kappa,
        jitter=plan.jitter,
        decay=plan.decay,
        shrink=plan.shrink,
        texture=plan.texture,
        surround=plan.surround,
        search_steps=plan.search_steps,
        initial_const=plan.initial_const,
        alpha=plan.alpha,
        rms=plan.rms,
        target=plan.target,
        seed=plan.seed,
        reference=_name("REFERENCE", plan.reference),
        metric=_name("METRIC", plan.metric),
        early=plan.early,
        largest_const=plan.largest_const,
        warm_start=plan.warm_start,
    )


def from_plan(message: types_pb2.Plan) -> Plan:
    """What the message leaves out is the default's."""
    default = Plan()

    def number(name: str, fallback: float) -> float:
        return _finite(getattr(message, name), f"plan.{name}") if message.HasField(name) else fallback

    return Plan(
        method=_from_enum(types_pb2.Method, "METHOD", message.method, Method, default.method, "plan.method"),
        loss=_from_enum(types_pb2.Loss, "LOSS", message.loss, Loss, default.loss, "plan.loss"),
        surrogates=tuple(message.surrogates) or default.surrogates,
        iterations=message.iterations if message.HasField("iterations") else default.iterations,
        epsilon=number("epsilon", default.epsilon),
        step_size=number("step_size", default.step_size),
        kappa=number("kappa", default.kappa),
        jitter=number("jitter", default.jitter),
        decay=number("decay", default.decay),
        shrink=number("shrink", default.shrink),
        texture=number("texture", default.texture),
        surround=message.surround,
        search_steps=message.search_steps if message.HasField("search_steps") else default.search_steps,
        initial_const=number("initial_const", default.initial_const),
        alpha=number("alpha", default.alpha),
        rms=number("rms", default.rms),
        target=message.target,
        seed=message.seed if message.HasField("seed") else default.seed,
        reference=_from_enum(
            types_pb2.Reference, "REFERENCE", message.reference, Reference, default.reference, "plan.reference"
        ),
        metric=_from_enum(types_pb2.Metric, "METRIC", message.metric, Metric, default.metric, "plan.metric"),
        early=message.early,
        largest_const=number("largest_const", default.largest_const),
        warm_start=message.warm_start if message.HasField("warm_start") else default.warm_start,
    )


def to_gallery(gallery: Gallery) -> list[attacker_pb2.Person]:
    return [attacker_pb2.Person(label=label, crops=map(to_crop, crops)) for label, crops in gallery.items()]


def from_gallery(messages: Sequence[attacker_pb2.Person]) -> Gallery:
    gallery = {message.label: [from_crop(crop) for crop in message.crops] for message in messages}
    if len(gallery) != len(messages) or not all(gallery.values()):
        raise _invalid("gallery", "Labels differ, and every person has a face.")
    return gallery


def to_mask(mask: Mask) -> types_pb2.Mask:
    return types_pb2.Mask(
        delta=to_tensor(mask.delta),
        outcome=_name("MASK_OUTCOME", mask.outcome),
        iterations=mask.iterations,
        trace=mask.trace,
    )


def from_mask(message: types_pb2.Mask) -> Mask:
    size = message.delta.shape[0] if message.delta.shape else 0
    if size < 1:
        raise _invalid("mask", "It has shape [size, size, 3].")
    return Mask(
        from_tensor(message.delta, size, size, 3),
        _from_enum(types_pb2.MaskOutcome, "MASK_OUTCOME", message.outcome, MaskOutcome),
        message.iterations,
        tuple(_number(value, "trace") for value in message.trace),
    )


def from_masks(messages: Sequence[types_pb2.Mask], crops: Sequence[Crop]) -> list[Mask]:
    """One mask for each crop, of its size."""
    masks = [from_mask(message) for message in messages]
    if [mask.delta.shape for mask in masks] != [crop.pixels.shape for crop in crops]:
        raise _invalid("masks", "There is one mask for each crop, of the crop's size.")
    return masks


def from_attack(message: attacker_pb2.AttackRequest) -> tuple[list[Crop], Plan, Gallery, Priority]:
    """The crops, all of one size: they are attacked as a batch."""
    crops = [from_crop(crop) for crop in message.crops]
    gallery = from_gallery(message.gallery)
    if len({crop.transform.size for crop in (*crops, *chain.from_iterable(gallery.values()))}) > 1:
        raise _invalid("crops", "All have one size.")
    return crops, from_plan(message.plan), gallery, from_priority(message.priority)


def to_priority(priority: Priority) -> str:
    return _name("PRIORITY", priority)


def from_priority(number: int) -> Priority:
    return _from_enum(types_pb2.Priority, "PRIORITY", number, Priority, Priority.INTERACTIVE)


def to_attack(part: Progress | list[Mask]) -> attacker_pb2.AttackResponse:
    if isinstance(part, Progress):
        return attacker_pb2.AttackResponse(progress=to_progress(part))
    return attacker_pb2.AttackResponse(masks=attacker_pb2.Masks(masks=map(to_mask, part)))


def to_visibility(value: Visibility) -> types_pb2.Visibility:
    return types_pb2.Visibility(l2=value.l2, linf=value.linf, rms=value.rms, psnr=value.psnr, ssim=value.ssim)


def from_visibility(message: types_pb2.Visibility) -> Visibility:
    values = (message.l2, message.linf, message.rms, message.psnr, message.ssim)
    return Visibility(*(_number(value, "visibility") for value in values))


def to_encoding(encoding: Encoding) -> types_pb2.Encoding:
    return types_pb2.Encoding(format=encoding.format, quality=encoding.quality)


def from_encoding(message: types_pb2.Encoding) -> Encoding:
    """What the message leaves out is the default's."""
    default = Encoding()
    quality = message.quality if message.HasField("quality") else default.quality
    return Encoding(message.format or default.format, quality)


def to_candidate(candidate: Candidate) -> types_pb2.Candidate:
    return types_pb2.Candidate(
        data=candidate.data,
        encoding=to_encoding(candidate.encoding),
        alphas=candidate.alphas,
        faces=map(to_visibility, candidate.faces),
        photo=to_visibility(candidate.photo),
    )


def from_candidate(message: types_pb2.Candidate) -> Candidate:
    return Candidate(
        message.data,
        from_encoding(message.encoding),
        tuple(_finite(alpha, "alpha") for alpha in message.alphas),
        tuple(from_visibility(face) for face in message.faces),
        from_visibility(message.photo),
    )


def from_amplify(
    message: amplifier_pb2.AmplifyRequest, decode: image.Decode = image.decode
) -> tuple[Photo, list[Crop], list[Mask], Plan, Encoding]:
    photo = decode(message.photo)
    crops = from_crops(message.crops, photo)
    masks = from_masks(message.masks, crops)
    return photo, crops, masks, from_plan(message.plan), from_encoding(message.encoding)


def from_verify(
    message: verifier_pb2.VerifyRequest, decode: image.Decode = image.decode
) -> tuple[Photo, list[Crop], Terms]:
    photo = decode(message.photo)
    terms = replace(from_terms(message, message.references), tenant=message.tenant)
    return photo, from_crops(message.crops, photo), terms


def to_views(terms: Terms) -> list[str]:
    return [_name("VIEW", view) for view in terms.views]


def from_terms(
    message: verifier_pb2.VerifyRequest | protection_pb2.ProtectHeader, references: Sequence[bytes]
) -> Terms:
    """The terms of a request, whose references come beside its header or in it."""
    if len(references) > MOST_REFERENCES:
        raise _invalid("references", f"There are at most {MOST_REFERENCES}.")
    views = tuple(_from_enum(types_pb2.View, "VIEW", view, View, View.PHOTO, "views") for view in message.views)
    return Terms(tuple(references), tuple(message.consent), tuple(dict.fromkeys(views)) or Terms().views)


def to_verdict(verdict: Verdict) -> types_pb2.Verdict:
    return types_pb2.Verdict(
        face=verdict.face,
        victim=verdict.victim,
        version=verdict.version,
        date=verdict.date,
        clean_score=verdict.clean_score,
        protected_score=verdict.protected_score,
        threshold=verdict.threshold,
        outcome=_name("OUTCOME", verdict.outcome),
        raw_score=verdict.raw_score,
        raw_threshold=verdict.raw_threshold,
        against=_name("AGAINST", verdict.against),
        view=_name("VIEW", verdict.view),
        note=verdict.note,
    )


def from_verdict(message: types_pb2.Verdict) -> Verdict:
    def score(name: str) -> float | None:
        return _finite(getattr(message, name), name) if message.HasField(name) else None

    return Verdict(
        message.face,
        message.victim,
        message.version,
        message.date,
        score("clean_score"),
        score("protected_score"),
        _finite(message.threshold, "threshold"),
        _from_enum(types_pb2.Outcome, "OUTCOME", message.outcome, Outcome),
        score("raw_score"),
        score("raw_threshold"),
        _from_enum(types_pb2.Against, "AGAINST", message.against, Against),
        _from_enum(types_pb2.View, "VIEW", message.view, View),
        message.note,
    )


def to_progress(progress: Progress) -> types_pb2.Progress:
    return types_pb2.Progress(stage=progress.stage, done=progress.done, total=progress.total)


def from_progress(message: types_pb2.Progress) -> Progress:
    return Progress(message.stage, message.done, message.total)


def to_header(request: Request) -> protection_pb2.ProtectHeader:
    return protection_pb2.ProtectHeader(
        plan=to_plan(request.plan),
        encoding=to_encoding(request.encoding),
        faces=request.faces,
        victims=request.victims,
        priority=to_priority(request.priority),
        consent=request.terms.consent,
        views=to_views(request.terms),
    )


def from_header(message: protection_pb2.ProtectHeader) -> Request:
    return Request(
        from_plan(message.plan) if message.HasField("plan") else _strength(message.strength or DEFAULT_STRENGTH),
        from_encoding(message.encoding),
        tuple(message.faces),
        tuple(message.victims),
        priority=from_priority(message.priority),
        terms=from_terms(message, ()),
    )


def to_result(protection: Protection) -> protection_pb2.ProtectResult:
    """Everything but the pixels: the caller has the photo, and the result's bytes follow in chunks."""
    candidate = protection.candidate
    faces = [
        protection_pb2.ProtectedFace(
            face=to_face(crop.face),
            outcome=_name("MASK_OUTCOME", mask.outcome),
            iterations=mask.iterations,
            trace=mask.trace,
            alpha=alpha,
            visibility=to_visibility(visibility),
        )
        for crop, mask, alpha, visibility in zip(
            protection.crops, protection.masks, candidate.alphas, candidate.faces, strict=True
        )
    ]
    return protection_pb2.ProtectResult(
        faces=faces,
        verdicts=map(to_verdict, protection.verdicts),
        visibility=to_visibility(candidate.photo),
        encoding=to_encoding(candidate.encoding),
        size=len(candidate.data),
    )


def from_protected_face(message: protection_pb2.ProtectedFace) -> tuple[Face, Mask]:
    """The face and what is known of its mask; its ``delta`` stays with the service and is empty, [0, 0, 3]."""
    outcome = _from_enum(types_pb2.MaskOutcome, "MASK_OUTCOME", message.outcome, MaskOutcome)
    trace = tuple(_number(value, "trace") for value in message.trace)
    return from_face(message.face), Mask(np.zeros((0, 0, 3), np.float32), outcome, message.iterations, trace)


def from_result(message: protection_pb2.ProtectResult, data: bytes) -> Candidate:
    """The candidate of a result whose chunks are ``data``."""
    return Candidate(
        data,
        from_encoding(message.encoding),
        tuple(_finite(face.alpha, "alpha") for face in message.faces),
        tuple(from_visibility(face.visibility) for face in message.faces),
        from_visibility(message.visibility),
    )


def to_chunks(data: bytes) -> Iterator[bytes]:
    return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))


def to_protect(part: Progress | Protection) -> Iterator[protection_pb2.ProtectResponse]:
    """A progress as one response; a result as its header and its chunks."""
    if isinstance(part, Progress):
        yield protection_pb2.ProtectResponse(progress=to_progress(part))
        return
    yield protection_pb2.ProtectResponse(result=to_result(part))
    for chunk in to_chunks(part.candidate.data):
        yield protection_pb2.ProtectResponse(chunk=chunk)


def from_upload(
    requests: Iterable[protection_pb2.ProtectRequest] | Iterable[protection_pb2.CreateProtectionRequest],
) -> tuple[Request, bytes]:
    """The header and the photo of an upload, with its references, refused at the first byte too many."""
    upload: Iterator[protection_pb2.ProtectRequest | protection_pb2.CreateProtectionRequest] = iter(requests)
    first = next(upload, protection_pb2.ProtectRequest())
    if first.WhichOneof("part") != "header":
        raise _disordered("It begins with the header.")
    request = from_header(first.header)
    photos = [bytearray()]  # the photo itself, then its references
    for message in upload:
        number, chunk = _chunk(message)
        if number == len(photos) <= MOST_REFERENCES:
            photos.append(bytearray())
        if number != len(photos) - 1:
            raise _disordered(f"After the photo come at most {MOST_REFERENCES} references, one after the other.")
        if len(photos[-1]) + len(chunk) > image.MAX_BYTES or sum(map(len, photos)) > MOST_BYTES:
            raise FaceOffError(
                Reason.IMAGE_TOO_LARGE,
                f"A photo is larger than {image.MAX_BYTES // 1_000_000} MB, or all are than {MOST_BYTES // 1_000_000} MB.",
                "Save it smaller or with a stronger compression.",
            )
        photos[-1] += chunk
    data, *references = map(bytes, photos)
    return replace(request, terms=replace(request.terms, references=tuple(references))), data


def _chunk(message: protection_pb2.ProtectRequest | protection_pb2.CreateProtectionRequest) -> tuple[int, bytes]:
    """What a message continues, 0 being the photo and then its references, and with which bytes."""
    match message.WhichOneof("part"):
        case "chunk":
            return 0, message.chunk
        case "reference" if message.reference.number >= 0:
            return message.reference.number + 1, message.reference.chunk
    raise _disordered("After the header come chunks of the photo and of its references.")


def _strength(name: str) -> Plan:
    if name not in STRENGTHS:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "There is no such strength.",
            f"The strengths are {', '.join(STRENGTHS)}.",
            field="strength",
        )
    return STRENGTHS[name]


def _name(prefix: str, value: Enum) -> str:
    return f"{prefix}_{value.name}"


def _from_enum(
    enum: EnumTypeWrapper, prefix: str, number: int, kind: type[_E], default: _E | None = None, field: str = ""
) -> _E:
    if number == 0 and default is not None:
        return default
    try:
        return kind[enum.Name(number).removeprefix(f"{prefix}_")]
    except (KeyError, ValueError):
        raise _invalid(field or prefix.lower(), f"It is one of {', '.join(kind.__members__)}.") from None


def _finite(value: float, name: str) -> float:
    if not math.isfinite(value):
        raise _invalid(name, "It is a finite number.")
    return value


def _number(value: float, name: str) -> float:
    """Infinity is an answer to some questions (the PSNR of nothing changed); NaN to none."""
    if math.isnan(value):
        raise _invalid(name, "It is a number.")
    return value


def _invalid(field: str, hint: str) -> FaceOffError:
    message = f"The message's {field.replace('_', ' ')} is not valid."
    return FaceOffError(Reason.INVALID_ARGUMENT, message, hint, field=field)


def _disordered(hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, "The upload is not valid.", hint)
