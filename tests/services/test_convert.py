"""Whatever a room says arrives as it was said; whatever cannot be read is refused."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Protection, Request
from faceoff.presets import STRENGTHS
from faceoff.rpc import convert
from faceoff.testing import BoxDetector, picture
from faceoff.types import (
    Against,
    Box,
    Candidate,
    Crop,
    Encoding,
    Face,
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
from faceoff.v1 import amplifier_pb2, attacker_pb2, protection_pb2, types_pb2, verifier_pb2

ROOT = Path(__file__).parents[2]

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=20)


def arrays(*shape: int) -> st.SearchStrategy[Any]:
    dtypes = st.sampled_from((np.float32, np.float64))
    return st.builds(
        lambda seed, dtype: np.random.default_rng(seed).random(shape).astype(dtype), st.integers(0, 99), dtypes
    )


visibilities = st.builds(Visibility, *[st.floats(allow_nan=False)] * 5)
encodings = st.builds(Encoding, st.sampled_from(("PNG", "JPEG", "WEBP")), st.integers(0, 100))
faces = st.builds(Face, st.builds(Box, numbers, numbers, numbers, numbers), arrays(5, 2), numbers)
outcomes = st.sampled_from(MaskOutcome)


@st.composite
def crops(draw: st.DrawFn) -> Crop:
    size = draw(st.integers(1, 5))
    near = st.integers(-1000, 1000)
    way = Transform(draw(near), draw(near), draw(st.integers(1, 1000)), size)
    return Crop(draw(arrays(size, size, 3)), draw(arrays(5, 2)), way, draw(faces))


masks = st.integers(1, 5).flatmap(
    lambda size: st.builds(Mask, arrays(size, size, 3), outcomes, counts, st.lists(numbers, max_size=3).map(tuple))
)
plans = st.builds(
    Plan,
    method=st.sampled_from(Method),
    loss=st.sampled_from(Loss),
    surrogates=st.lists(texts, min_size=1, max_size=3).map(tuple),
    iterations=counts,
    epsilon=numbers,
    step_size=numbers,
    kappa=numbers,
    jitter=numbers,
    decay=numbers,
    search_steps=counts,
    initial_const=numbers,
    alpha=numbers,
    rms=numbers,
    target=texts,
    seed=counts,
    shrink=numbers,
    texture=numbers,
    surround=st.booleans(),
    reference=st.sampled_from(Reference),
    metric=st.sampled_from(Metric),
    early=st.booleans(),
    largest_const=numbers,
    warm_start=counts,
)
verdicts = st.builds(
    Verdict,
    counts,
    texts,
    texts,
    texts,
    st.none() | numbers,
    st.none() | numbers,
    numbers,
    st.sampled_from(Outcome),
    st.none() | numbers,
    st.none() | numbers,
    st.sampled_from(Against),
    st.sampled_from(View),
    texts,
)
terms = st.builds(
    Terms,
    consent=st.lists(texts, max_size=3).map(tuple),
    views=st.lists(st.sampled_from(View), min_size=1, unique=True).map(tuple),
)
candidates = st.builds(
    Candidate,
    st.binary(max_size=20),
    encodings,
    st.lists(numbers, max_size=3).map(tuple),
    st.lists(visibilities, max_size=3).map(tuple),
    visibilities,
)
requests = st.builds(
    Request,
    plans,
    encodings,
    st.lists(counts, max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
    priority=st.sampled_from(Priority),
    terms=terms,
)

ROUND_TRIPS: list[tuple[st.SearchStrategy[Any], Callable[[Any], Any], Callable[[Any], Any]]] = [
    (faces, convert.to_face, convert.from_face),
    (crops(), convert.to_crop, convert.from_crop),
    (plans, convert.to_plan, convert.from_plan),
    (masks, convert.to_mask, convert.from_mask),
    (visibilities, convert.to_visibility, convert.from_visibility),
    (encodings, convert.to_encoding, convert.from_encoding),
    (candidates, convert.to_candidate, convert.from_candidate),
    (verdicts, convert.to_verdict, convert.from_verdict),
    (st.builds(Progress, texts, counts, counts), convert.to_progress, convert.from_progress),
    (requests, convert.to_header, convert.from_header),
]


def plain(value: Any) -> Any:
    """Arrays as what a float32 wire keeps of them, so that == compares everything."""
    if isinstance(value, np.ndarray):
        return value.shape, value.astype(np.float32).tobytes()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(("values", "to", "back"), ROUND_TRIPS, ids=[to.__name__ for _, to, _ in ROUND_TRIPS])
def test_a_value_survives_the_wire(
    values: st.SearchStrategy[Any], to: Callable[[Any], Any], back: Callable[[Any], Any]
) -> None:
    @settings(max_examples=40, deadline=None)
    @given(values)
    def survives(value: Any) -> None:
        message = to(value)
        assert plain(back(type(message).FromString(message.SerializeToString()))) == plain(value)

    survives()


@pytest.mark.parametrize("enum", [Method, Loss, Reference, Metric, Priority, MaskOutcome, Outcome, View, Against])
def test_the_contract_has_every_member(enum: Any) -> None:
    prefix = "".join(f"_{letter}" if letter.isupper() else letter for letter in enum.__name__).lstrip("_").upper()
    theirs = {name.removeprefix(f"{prefix}_") for name in dict(getattr(types_pb2, enum.__name__).items())}
    assert theirs == {"UNSPECIFIED", *enum.__members__}


@pytest.mark.parametrize(
    "kind", [Box, Face, Transform, Crop, Plan, Mask, Visibility, Encoding, Candidate, Verdict, Progress]
)
def test_the_contract_has_every_field(kind: Any) -> None:
    assert [field.name for field in getattr(types_pb2, kind.__name__).DESCRIPTOR.fields] == [
        field.name for field in dataclasses.fields(kind)
    ]


def test_what_a_plan_leaves_out_is_the_defaults() -> None:
    assert convert.from_plan(types_pb2.Plan()) == Plan()
    assert convert.from_plan(types_pb2.Plan(jitter=0.0, method=types_pb2.METHOD_CW_L2)) == Plan(method=Method.CW_L2)


def test_a_header_names_a_strength_or_takes_the_balanced_one() -> None:
    assert convert.from_header(protection_pb2.ProtectHeader(strength="subtle")).plan == STRENGTHS["subtle"]
    assert convert.from_header(protection_pb2.ProtectHeader()).plan == STRENGTHS["balanced"]
    with pytest.raises(FaceOffError, match="strengths are"):
        convert.from_header(protection_pb2.ProtectHeader(strength="enormous"))


def tensor(*shape: int, data: bytes) -> types_pb2.Tensor:
    return types_pb2.Tensor(shape=shape, data=data)


FULL = bytes(4 * 5 * 2)
HOSTILE_TENSORS = {
    "short": tensor(5, 2, data=FULL[:-1]),
    "long": tensor(5, 2, data=FULL + b"\0"),
    "empty": tensor(data=b""),
    "other shape": tensor(2, 5, data=FULL),
    "negative": tensor(-5, -2, data=FULL),
    "huge": tensor(2**62, 2**62, data=FULL),
    "overflowing to ours": tensor(2**63 - 1, 2, data=FULL),
    "NaN": tensor(5, 2, data=np.full((5, 2), np.nan, "<f4").tobytes()),
    "infinite": tensor(5, 2, data=np.full((5, 2), np.inf, "<f4").tobytes()),
}


@pytest.mark.parametrize("message", HOSTILE_TENSORS.values(), ids=HOSTILE_TENSORS.keys())
def test_a_hostile_tensor_is_refused(message: types_pb2.Tensor) -> None:
    with pytest.raises(FaceOffError) as caught:
        convert.from_tensor(message, 5, 2)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def crop_message(**transform: int) -> types_pb2.Crop:
    way = {"left": 0, "top": 0, "side": 10, "size": 2} | transform
    landmarks = tensor(5, 2, data=FULL)
    return types_pb2.Crop(
        pixels=tensor(2, 2, 3, data=bytes(48)),
        landmarks=landmarks,
        transform=types_pb2.Transform(**way),
        face=types_pb2.Face(landmarks=landmarks),
    )


def mask_message(*shape: int, size: int = 0, **fields: Any) -> types_pb2.Mask:
    return types_pb2.Mask(delta=tensor(*shape, data=bytes(size)), **({"outcome": 1} | fields))


HOSTILE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "crop of size 0": (convert.from_crop, crop_message(size=0)),
    "crop of a size its pixels do not have": (convert.from_crop, crop_message(size=2**40)),
    "crop of a negative side": (convert.from_crop, crop_message(side=-1)),
    "crop of a huge side": (convert.from_crop, crop_message(side=2**40)),
    "crop out of this world": (convert.from_crop, crop_message(left=-(2**63))),
    "crop without a face": (convert.from_crop, types_pb2.Crop(transform=types_pb2.Transform(side=1, size=1))),
    "mask without a delta": (convert.from_mask, types_pb2.Mask(outcome=types_pb2.MASK_OUTCOME_REACHED)),
    "mask of a huge size": (convert.from_mask, mask_message(2**40, 2**40, 3)),
    "mask of a negative size": (convert.from_mask, mask_message(-2, -2, 3, size=48)),
    "mask without an outcome": (convert.from_mask, mask_message(2, 2, 3, size=48, outcome=0)),
    "mask of an unknown outcome": (convert.from_mask, mask_message(2, 2, 3, size=48, outcome=99)),
    "mask with a trace that is not a number": (convert.from_mask, mask_message(2, 2, 3, size=48, trace=[float("nan")])),
    "plan of an unknown method": (convert.from_plan, types_pb2.Plan(method=99)),  # type: ignore[arg-type]
    "plan of no number": (convert.from_plan, types_pb2.Plan(epsilon=float("nan"))),
    "plan without an end": (convert.from_plan, types_pb2.Plan(epsilon=float("inf"))),
    "visibility that is not a number": (convert.from_visibility, types_pb2.Visibility(ssim=float("nan"))),
    "verdict against nobody knows what": (
        convert.from_verdict,
        types_pb2.Verdict(outcome="OUTCOME_ERROR", view="VIEW_HALF"),
    ),
    "verdict on no view": (convert.from_verdict, types_pb2.Verdict(outcome="OUTCOME_ERROR", against="AGAINST_LINKED")),
    "verdict of an unknown outcome": (convert.from_verdict, types_pb2.Verdict(outcome=-1)),  # type: ignore[arg-type]
    "crops of two sizes": (
        convert.from_attack,
        attacker_pb2.AttackRequest(
            crops=[
                crop_message(),
                types_pb2.Crop(
                    pixels=tensor(1, 1, 3, data=bytes(12)),
                    landmarks=tensor(5, 2, data=FULL),
                    transform=types_pb2.Transform(side=1, size=1),
                    face=types_pb2.Face(landmarks=tensor(5, 2, data=FULL)),
                ),
            ]
        ),
    ),
    "gallery of nobody": (convert.from_gallery, [attacker_pb2.Person(label="a")]),
    "gallery of one person twice": (convert.from_gallery, [attacker_pb2.Person(label="a", crops=[crop_message()])] * 2),
    "upload of nothing": (convert.from_upload, []),
    "upload without a header": (convert.from_upload, [protection_pb2.ProtectRequest(chunk=b"x")]),
    "upload of two headers": (
        convert.from_upload,
        [protection_pb2.ProtectRequest(header=protection_pb2.ProtectHeader())] * 2,
    ),
}


@pytest.mark.parametrize(("read", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_message_is_refused(read: Callable[[Any], Any], message: Any) -> None:
    with pytest.raises(FaceOffError) as caught:
        read(message)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def photo(width: int = 40, height: int = 30) -> Photo:
    pixels = picture(height, width)
    return image.decode(image.encode(pixels, Photo(pixels, "PNG", b""), Encoding()))


def test_a_crop_larger_than_its_photo_can_have_is_refused() -> None:
    assert convert.from_crops([crop_message(side=160)], photo())
    with pytest.raises(FaceOffError, match="fits its photo"):
        convert.from_crops([crop_message(side=161)], photo())


def test_a_mask_that_does_not_fit_its_crop_is_refused() -> None:
    request = amplifier_pb2.AmplifyRequest(photo=photo().source, crops=[crop_message()], masks=[])
    with pytest.raises(FaceOffError, match="one mask for each crop"):
        convert.from_amplify(request)
    request.masks.append(mask_message(1, 1, 3, size=12))
    with pytest.raises(FaceOffError, match="one mask for each crop"):
        convert.from_amplify(request)


def test_an_upload_is_refused_at_the_first_byte_too_many() -> None:
    taken = 0

    def endless() -> Iterator[protection_pb2.ProtectRequest]:
        nonlocal taken
        yield protection_pb2.ProtectRequest(header=protection_pb2.ProtectHeader())
        while True:
            taken += 1_000_000
            yield protection_pb2.ProtectRequest(chunk=bytes(1_000_000))

    with pytest.raises(FaceOffError) as caught:
        convert.from_upload(endless())
    assert caught.value.reason is Reason.IMAGE_TOO_LARGE
    assert taken == image.MAX_BYTES + 1_000_000


def reference(number: int, chunk: bytes) -> protection_pb2.ProtectRequest:
    return protection_pb2.ProtectRequest(reference=protection_pb2.ReferenceChunk(number=number, chunk=chunk))


def test_too_many_references_are_refused() -> None:
    references = [b"x"] * (convert.MOST_REFERENCES + 1)
    with pytest.raises(FaceOffError, match="at most"):
        convert.from_verify(verifier_pb2.VerifyRequest(photo=photo().source, references=references))


HEADER = protection_pb2.ProtectRequest(header=protection_pb2.ProtectHeader(consent=["azure"]))
PHOTO_CHUNK = protection_pb2.ProtectRequest(chunk=b"photo")


def test_references_come_after_the_photo() -> None:
    parts = [HEADER, PHOTO_CHUNK, reference(0, b"a"), reference(0, b"b"), reference(1, b"c")]
    request, data = convert.from_upload(parts)
    assert data == b"photo"
    assert request.terms == Terms((b"ab", b"c"), ("azure",))


@pytest.mark.parametrize(
    "parts",
    [
        [PHOTO_CHUNK, reference(1, b"a")],
        [PHOTO_CHUNK, reference(-1, b"a")],
        [PHOTO_CHUNK, reference(0, b"a"), PHOTO_CHUNK],
        [PHOTO_CHUNK, reference(0, b"a"), reference(1, b"b"), reference(0, b"a")],
        [PHOTO_CHUNK, protection_pb2.ProtectRequest()],
        [PHOTO_CHUNK, *(reference(number, b"a") for number in range(convert.MOST_REFERENCES + 1))],
    ],
)
def test_references_out_of_order_are_refused(parts: list[protection_pb2.ProtectRequest]) -> None:
    with pytest.raises(FaceOffError) as caught:
        convert.from_upload([HEADER, *parts])
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_a_result_is_everything_but_the_pixels() -> None:
    clean = photo(320, 240)
    found = BoxDetector(2).detect(clean)
    visible = Visibility(0.1, 0.2, 3.0, float("inf"), 1.0)
    mask = Mask(np.zeros((192, 192, 3), np.float32), MaskOutcome.NOT_REACHED, 40, (2.0, 1.0))
    candidate = Candidate(bytes(2 * convert.CHUNK + 1), Encoding("JPEG", 90), (1.0, 0.5), (visible, visible), visible)
    verdict = Verdict(0, "v", "1", "2026-01-01", 0.9, None, 0.5, Outcome.NO_FACE_PROTECTED)
    header, *chunks = convert.to_protect(Protection(clean, candidate, tuple(found), (mask, mask), (verdict,)))
    data = b"".join(part.chunk for part in chunks)
    assert len(chunks) == 3
    assert header.ByteSize() < 2000
    assert plain(convert.from_result(header.result, data)) == plain(candidate)
    for face, crop in zip(header.result.faces, found, strict=True):
        known, masked = convert.from_protected_face(face)
        assert plain(known) == plain(crop.face)
        assert (masked.outcome, masked.iterations, masked.trace) == (mask.outcome, mask.iterations, mask.trace)
    assert [convert.from_verdict(one) for one in header.result.verdicts] == [verdict]


def test_the_generated_code_is_of_these_protos(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    subprocess.run([ROOT / "scripts" / "protos.sh", tmp_path], check=True, env=os.environ | {"PYTHON": sys.executable})
    new = {path.name: path.read_bytes() for path in (tmp_path / "faceoff" / "v1").iterdir()}
    assert new == {name: (ROOT / "faceoff" / "v1" / name).read_bytes() for name in new}
    kept = {path.name for path in (ROOT / "faceoff" / "v1").glob("*_pb2*")}
    assert kept == new.keys()
