"""One face's attack as a generator: it yields calls of the surrogates and is sent their answers, and returns its mask.

Who runs it (faceoff.attacks.batching) merges the calls of faces that ask for the same, so an attack is written for one face
and reads straight down, whatever the others do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from faceoff import losses
from faceoff.networks.resolution import FACTORS
from faceoff.types import Array, Crop, Float, Mask, MaskOutcome, Plan

CHUNK = 10
"""Steps a call. Short enough for a lively progress bar and a prompt cancellation, long enough that the wire costs little."""

JITTER = np.array([0.07, 0.07, 0.18, 0.2], np.float32)
"""What jitter 1.0 means: shifts by up to 7 % of the input's side, scale by 18 %, rotation by .2 radians, each uniform."""

State = dict[str, Any]
"""What a method's graph hands from one chunk to the next, by the names of its State's fields."""


class Views(NamedTuple):
    """How each of N steps sees the face: ``jitter`` [N, M, 4] (faceoff.networks.align) and ``resolution`` [N] int32
    (faceoff.networks.resolution)."""

    jitter: Float
    resolution: Array


Answer = Mapping[str, Array]
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One face's share of a call: ``inputs`` without the batch axis, the ``outputs`` wanted, and how many of the attack's
    steps it makes."""

    signature: str
    inputs: Mapping[str, Any]
    outputs: tuple[str, ...]
    steps: int = 0


Steps = Generator[Call, Answer, T]


@dataclass(frozen=True)
class Task:
    """What stays the same during the attack on one face. ``inputs`` are the image, the landmarks and the goal (losses.Goal),
    ``window`` [S, S, 1] is where and how much of a mask may be, ``box`` (top, left, bottom, right) where epsilon is its RMS,
    ``spread`` how much larger its l2 norm may be there for that, ``sizes`` the embedding sizes of the set's networks."""

    plan: Plan
    inputs: Mapping[str, Any]
    window: Float
    box: tuple[int, int, int, int]
    spread: float
    sizes: tuple[int, ...]

    @property
    def image(self) -> Float:
        image: Float = self.inputs["images"]
        return image

    def mask(self, delta: Float, reached: bool, iterations: int, trace: Sequence[float]) -> Mask:
        outcome = MaskOutcome.REACHED if reached else MaskOutcome.NOT_REACHED
        return Mask(np.asarray(delta, np.float32), outcome, iterations, tuple(trace))


def embed(image: Float, landmarks: Float) -> Steps[Float]:
    """The set's embedding [D] of a crop."""
    answer = yield Call("embed", {"images": image, "landmarks": landmarks}, ("embeddings",))
    embedding: Float = answer["embeddings"]
    return embedding


def embed_crop(crop: Crop) -> Steps[Float]:
    return (yield from embed(crop.pixels, crop.landmarks))


def chunks(
    task: Task,
    signature: str,
    fixed: State,
    state: State,
    views: Views,
    finished: Callable[[int, Answer], bool] = lambda steps, answer: False,
) -> Steps[tuple[State, int, list[float]]]:
    """As many steps as there are views, a chunk a call, or fewer when ``finished`` says so after one (it gets the
    steps so far and the chunk's answer). Returns the state, the steps made and the loss after each chunk."""
    trace: list[float] = []
    done = 0
    while done < len(views.jitter):
        chunk = {name: value[done : done + CHUNK] for name, value in views._asdict().items()}
        steps = len(chunk["jitter"])
        inputs = {**task.inputs, **fixed, **state, **chunk}
        answer = yield Call(signature, inputs, (*state, "loss", "success"), steps)
        state = {name: answer[name] for name in state}
        trace.append(float(answer["loss"]))
        done += steps
        if finished(done, answer):
            break
    return state, done, trace


def judge(task: Task, delta: Float) -> Steps[tuple[bool, float]]:
    """Whether the goal holds for a mask on the plain view, and its loss."""
    embedding = yield from embed(np.asarray(task.image + delta, np.float32), task.inputs["landmarks"])
    goal = losses.Goal(**{name: task.inputs[name][None] for name in losses.Goal._fields})
    loss, success = losses.evaluate(embedding[None], goal, task.sizes)
    return bool(success[0]), float(loss[0])


def randomness(task: Task) -> tuple[Float, Views]:
    """The start noise [S, S, 3] (unit variance) and every step's view, from the plan's seed alone: a face's mask must not
    depend on who shares its batch, nor on where the networks run."""
    plan = task.plan
    random = np.random.default_rng(plan.seed)
    noise = random.standard_normal(task.image.shape, np.float32)
    drawn = random.uniform(-1, 1, (plan.iterations, len(task.sizes), len(JITTER))) * JITTER * plan.jitter
    factor = np.exp(drawn[..., 2] + 1j * drawn[..., 3]) - 1
    jitter = np.stack([drawn[..., 0], drawn[..., 1], factor.real, factor.imag], axis=-1)
    smaller = random.integers(1, len(FACTORS), plan.iterations)
    resolution = np.where(random.uniform(size=plan.iterations) < plan.shrink, smaller, 0)
    return noise, Views(jitter.astype(np.float32), resolution.astype(np.int32))
