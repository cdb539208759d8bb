"""The warp has its exact adjoint, files are checked, and what is learnt works on photos that it was not learnt from."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceoff.attacks.universal import Learner
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import face_square, window
from faceoff.types import CROP_SIZE, Array, Crop, Float, Loss, MaskOutcome, Method, Metric, Plan, Progress, Reference
from faceoff.universal import LANDMARKS, MAX_BYTES, Universal, UniversalAttacker, Warp, read, write
from tests.unit import tiny

PLAN = Plan(surrogates=("a", "b"), epsilon=0.05, step_size=0.1, iterations=12, jitter=0.5, decay=0.8)


def turned(angle: float, scale: float, shift: tuple[float, float] = (0, 0)) -> Float:
    """Landmarks of a face in a crop."""
    centre = (CROP_SIZE - 1) / 2
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray((LANDMARKS - centre) @ turn.T + centre + np.array(shift), np.float32)


def crop(landmarks: Float, seed: int = 0) -> Crop:
    return replace(tiny.crops(1, seed)[0], landmarks=landmarks)


def ignore(progress: Progress) -> None:
    """Nobody is watching."""


FACES = {
    "upright": turned(0, 1),
    "turned": turned(0.4, 0.9),
    "small": turned(-0.2, 0.3, (30, -20)),
    "tiny": turned(0.1, 0.02),
    "over the border": turned(1.0, 1.2, (80, 60)),
    "as found": tiny.LANDMARKS,
}


@pytest.mark.parametrize("landmarks", FACES.values(), ids=FACES)
@pytest.mark.parametrize("texture", [0.0, 0.7])
def test_the_adjoint_is_exact(landmarks: Float, texture: float) -> None:
    warp, random = Warp(crop(landmarks), texture), np.random.default_rng(1)
    x, y = random.standard_normal((2, CROP_SIZE, CROP_SIZE, 3), np.float32)
    forth, back = warp.apply(x).astype(np.float64), warp.adjoint(y).astype(np.float64)
    scale = np.linalg.norm(forth) * np.linalg.norm(y) + 1e-9
    assert abs((forth * y).sum() - (x * back).sum()) <= 1e-5 * scale


def test_a_face_that_lies_as_in_the_frame_gets_the_mask_as_it_is() -> None:
    assert face_square(LANDMARKS) == pytest.approx((95.5, 95.5, CROP_SIZE), abs=1e-3)
    delta = np.random.default_rng(0).standard_normal((CROP_SIZE, CROP_SIZE, 3), np.float32)
    worn = Warp(crop(LANDMARKS), 0.0).apply(delta)
    np.testing.assert_allclose(worn, window(LANDMARKS) * delta, atol=1e-3)


@pytest.mark.parametrize("name", ["turned", "small", "as found"])
def test_the_mask_follows_the_landmarks(name: str) -> None:
    """A mask of straight slopes is sampled exactly: at each landmark it has the frame's value there."""
    landmarks = FACES[name]
    rows, columns = np.mgrid[0:CROP_SIZE, 0:CROP_SIZE].astype(np.float32)
    worn = Warp(crop(landmarks), 0.0).apply(np.stack([columns, rows, np.ones_like(rows)], axis=-1))
    nose = tuple(np.round(landmarks[2]).astype(int)[::-1])
    slack = 1.5 * CROP_SIZE / face_square(landmarks)[2] + (
        8 if name == "as found" else 0
    )  # no similarity fits a real face
    np.testing.assert_allclose(worn[nose][:2] / worn[nose][2], LANDMARKS[2], atol=slack)


@pytest.mark.parametrize("landmarks", [FACES["upright"], FACES["small"]])
def test_every_face_gets_the_mask_at_the_plans_size(landmarks: Float) -> None:
    noise = np.random.default_rng(0).standard_normal((CROP_SIZE, CROP_SIZE, 3), np.float32)
    told: list[Progress] = []
    plan = replace(PLAN, texture=0.7)
    (mask,) = UniversalAttacker(made(noise)).attack([crop(landmarks)], plan, told.append)
    size = np.sqrt(np.square(mask.delta).sum() / (3 * window(landmarks).sum()))
    assert size == pytest.approx(PLAN.epsilon, rel=1e-4)
    assert (mask.outcome, mask.iterations) == (MaskOutcome.NOT_EVALUATED, 0)
    assert not mask.delta[window(landmarks)[..., 0] == 0].any()
    assert told == [Progress("attack", 0, 1), Progress("attack", 1, 1)]


# The file


def made(delta: Float) -> Universal:
    return Universal(delta, ("facenet", "sface"), Loss.CROWD, 3, 0.0113, 3.7, 9, 8)


@pytest.fixture
def mask() -> Universal:
    return made(np.random.default_rng(0).normal(0, 0.01, (CROP_SIZE, CROP_SIZE, 3)).astype(np.float32))


def test_a_file_keeps_the_mask_and_what_made_it(mask: Universal, tmp_path: Path) -> None:
    path = tmp_path / "me.npz"
    write(mask, path)
    found = read(path)
    assert replace(found, delta=mask.delta) == mask
    largest = np.abs(mask.delta).max()
    np.testing.assert_allclose(found.delta * largest, mask.delta, atol=1e-3 * largest)
    assert path.stat().st_size < 250_000
    with np.load(path, allow_pickle=False) as members:
        assert sorted(members) == ["about", "delta"]
        said = json.loads(members["about"].item())
    assert set(said) == {"format", "surrogates", "loss", "seed", "epsilon", "rms", "photos", "reached"}


def test_a_file_is_not_replaced_unasked(mask: Universal, tmp_path: Path) -> None:
    write(mask, tmp_path / "me.npz")
    with pytest.raises(FaceOffError):
        write(mask, tmp_path / "me.npz")
    write(mask, tmp_path / "me.npz", overwrite=True)


ABOUT = {
    "format": 1,
    "surrogates": ["a"],
    "loss": "dodge",
    "seed": 0,
    "epsilon": 0.01,
    "rms": 3.7,
    "photos": 2,
    "reached": 1,
}
DELTA = np.ones((CROP_SIZE, CROP_SIZE, 3), np.float16)


def file(delta: Array = DELTA, about: Any = ABOUT, save: Callable[..., None] = np.savez, **more: Array) -> bytes:
    data = io.BytesIO()
    save(data, delta=delta, about=np.array(json.dumps(about)), **more)
    return data.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def claiming(shape: str) -> bytes:
    """An array file whose header says more than there is."""
    header = f"{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


BAD = {
    "nothing": b"",
    "a photo": b"\x89PNG\r\n\x1a\n" + b"x" * 100,
    "an array alone": claiming("(2,)") + b"1234",
    "cut off": file()[:-100],
    "no such members": zipped({"other.npy": b""}),
    "a member that is no array": zipped({"delta.npy": b"hello", "about.npy": b"hello"}),
    "claims too much": zipped({"delta.npy": claiming(f"({1 << 40},)"), "about.npy": b""}),
    "too large": file(more=np.zeros(MAX_BYTES, np.uint8)),
    "a bomb": file(save=np.savez_compressed, more=np.zeros(64 * MAX_BYTES, np.uint8)),
    "objects": file(np.array([{}], object)),
    "another shape": file(DELTA[1:]),
    "not finite": file(DELTA * np.float16(np.inf)),
    "empty": file(DELTA * 0),
    "whole numbers": file(DELTA.astype(np.int8)),
    "another format": file(about=ABOUT | {"format": 2}),
    "no format": file(about=[]),
    "no surrogates": file(about=ABOUT | {"surrogates": []}),
    "surrogates that are no names": file(about=ABOUT | {"surrogates": [1]}),
    "no such loss": file(about=ABOUT | {"loss": "love"}),
    "no seed": file(about={name: value for name, value in ABOUT.items() if name != "seed"}),
    "a seed below 0": file(about=ABOUT | {"seed": -1}),
    "no number": file(about=ABOUT | {"epsilon": float("nan")}),
    "no strength": file(about=ABOUT | {"epsilon": 0}),
    "too strong": file(about=ABOUT | {"rms": 1e9}),
    "words for numbers": file(about=ABOUT | {"epsilon": []}),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_files_that_are_no_masks_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "me.npz"
    path.write_bytes(data)
    with pytest.raises(FaceOffError) as caught:
        read(path)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(FaceOffError) as caught:
            read(path)
        assert caught.value.reason is Reason.INVALID_ARGUMENT


# Learning


@pytest.fixture(scope="module")
def networks() -> tiny.TinyNetworks:
    return tiny.TinyNetworks("a", "b")


def person(count: int, seed: int = 0) -> list[Crop]:
    """Photos of one person: the same picture, each with other noise, the face elsewhere."""
    picture, random = tiny.images(1, seed)[0], np.random.default_rng(seed)
    return [
        replace(
            crop(turned(random.uniform(-0.2, 0.2), random.uniform(0.6, 0.9))),
            pixels=np.clip(picture + random.normal(0, 0.02, picture.shape), 0, 1).astype(np.float32),
        )
        for _ in range(count)
    ]


def embeddings(networks: tiny.TinyNetworks, crops: Sequence[Crop], deltas: Sequence[Float] | None = None) -> Float:
    images = np.stack([face.pixels for face in crops])
    if deltas is not None:
        images = np.clip(images + np.stack(deltas), 0, 1)
    landmarks = np.stack([face.landmarks for face in crops])
    return networks.call("a+b", "embed", {"images": images, "landmarks": landmarks})["embeddings"]


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, loss=Loss.CROWD, metric=Metric.COSINE),
        replace(PLAN, reference=Reference.CENTROID, texture=0.7),
    ],
)
def test_a_mask_moves_photos_that_it_was_not_learnt_from(networks: tiny.TinyNetworks, plan: Plan) -> None:
    crops = person(8)
    known, others = crops[:5], crops[5:]
    gallery = {"bob": person(2, 1), "cleo": person(1, 2)} if plan.loss is Loss.CROWD else {}
    learnt = Learner(networks, networks.card).learn(known, plan, ignore, gallery)
    noise = np.random.default_rng(7).standard_normal(learnt.delta.shape, np.float32)

    def moved(mask: Universal) -> Float:
        deltas = [found.delta for found in UniversalAttacker(mask).attack(others, plan, ignore)]
        away = embeddings(networks, others, deltas) - embeddings(networks, known).mean(0)
        return np.asarray(np.linalg.norm(away, axis=1), np.float32)

    assert (moved(learnt) > 1.5 * moved(replace(learnt, delta=noise))).all()
    assert (learnt.surrogates, learnt.loss, learnt.photos) == (("a", "b"), plan.loss, 5)
    assert 0 <= learnt.reached <= 5


def test_the_same_seed_gives_the_same_mask_and_calls_stay_small(networks: tiny.TinyNetworks) -> None:
    class Counting(tiny.TinyNetworks):
        def __init__(self) -> None:
            self.largest = 0

        def call(
            self,
            model: str,
            signature: str,
            inputs: Mapping[str, Array],
            outputs: Sequence[str] = (),
            timeout: float = 60.0,
        ) -> dict[str, Array]:
            self.largest = max(self.largest, len(inputs["images"]))
            return networks.call(model, signature, inputs, outputs, timeout)

    counting, quick = Counting(), replace(PLAN, iterations=3)
    first = Learner(counting, networks.card).learn(person(5), quick, ignore)
    assert counting.largest == 4
    again = Learner(networks, networks.card, batch_sizes=(1,)).learn(person(5), quick, ignore)
    np.testing.assert_allclose(again.delta, first.delta, atol=1e-5)
    other = Learner(networks, networks.card).learn(person(5), replace(quick, seed=1), ignore)
    assert np.abs(other.delta - first.delta).max() > 1e-3


def test_learning_tells_how_far_it_is_and_can_be_stopped(networks: tiny.TinyNetworks) -> None:
    told: list[Progress] = []
    Learner(networks, networks.card).learn(person(2), replace(PLAN, iterations=3), told.append)
    assert {progress.done for progress in told} == {0, 1, 2, 3}
    assert {(progress.stage, progress.total) for progress in told} == {("attack", 3)}

    def stop(progress: Progress) -> None:
        if progress.done == 1:
            raise FaceOffError(Reason.CANCELLED, "Enough.")

    networks.calls.clear()
    with pytest.raises(FaceOffError) as caught:
        Learner(networks, networks.card).learn(person(2), PLAN, stop)
    assert caught.value.reason is Reason.CANCELLED
    assert networks.calls.count("value_and_gradient") == 1


@pytest.mark.parametrize(
    ("photos", "plan"),
    [
        (1, PLAN),
        (2, replace(PLAN, method=Method.CW_L2)),
        (2, replace(PLAN, loss=Loss.HINGE)),
        (2, replace(PLAN, epsilon=0.0)),
        (2, replace(PLAN, surrogates=())),
    ],
)
def test_what_cannot_be_learnt_is_refused(networks: tiny.TinyNetworks, photos: int, plan: Plan) -> None:
    with pytest.raises(FaceOffError) as caught:
        Learner(networks, networks.card).learn(person(photos), plan, ignore)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert caught.value.hint
