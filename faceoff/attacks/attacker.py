"""Driving an attack: prepares the tensors, calls the surrogates a chunk of steps at a time, reports, and keeps the result.

Between two chunks it sees a cancellation or a deadline (``report`` raises) and shows progress.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from faceoff import losses
from faceoff.attacks import cw
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import window
from faceoff.networks.card import Card
from faceoff.networks.sets import set_name
from faceoff.rooms import Networks, Report
from faceoff.types import Array, Crop, Float, Gallery, Loss, Mask, MaskOutcome, Method, Plan, Progress

CHUNK = 10
"""Steps a call. Short enough for a lively progress bar and a prompt cancellation, long enough that the wire costs little."""

LARGEST_BATCH = 4
"""Faces that share a call. More gain nothing on a few cores, and up to 5 every bit of a mask is the same whatever the batch
(docs/decisions/0007)."""

JITTER = np.array([0.07, 0.07, 0.18, 0.2], np.float32)
"""What jitter 1.0 means: shifts by up to 7 % of the input's side, scale by 18 %, rotation by .2 radians, each uniform."""

RECOGNISED_FAR = 1e-2
"""A dodge is reached where a surrogate would no longer accept the pair at this false accept rate."""

UNKNOWN_THRESHOLD = 1.2
"""For a card without measured thresholds: between two unrelated faces, unit embeddings are about 1.4 apart."""


@dataclass(frozen=True)
class Batch:
    """What stays the same during an attack: every tensor of the goal, the images and the mask's window."""

    model: str
    inputs: dict[str, Array]
    sizes: tuple[int, ...]

    @property
    def images(self) -> Float:
        return self.inputs["images"]


class LocalAttacker:
    """faceoff.rooms.Attacker over any faceoff.rooms.Networks. ``card`` finds a network's card by its name."""

    def __init__(self, networks: Networks, card: Callable[[str], Card]) -> None:
        self._networks = networks
        self._card = card

    def attack(
        self, crops: Sequence[Crop], plan: Plan, report: Report, gallery: Gallery = MappingProxyType({})
    ) -> list[Mask]:
        """One mask a crop; raises INVALID_ARGUMENT for a plan out of range and what the networks raise."""
        check(plan, gallery)
        groups = [crops[start : start + LARGEST_BATCH] for start in range(0, len(crops), LARGEST_BATCH)]
        rounds = plan.search_steps if plan.method is Method.CW_L2 else 1
        total = plan.iterations * rounds * len(groups)
        masks: list[Mask] = []
        for index, group in enumerate(groups):
            before = index * plan.iterations * rounds
            report(Progress("attack", before, total))
            batch = self._prepare(group, plan, gallery)
            run = self._carlini_wagner if plan.method is Method.CW_L2 else self._pgd
            masks += run(batch, plan, lambda done, before=before: report(Progress("attack", before + done, total)))  # type: ignore[misc]
        return masks

    def _prepare(self, crops: Sequence[Crop], plan: Plan, gallery: Gallery) -> Batch:
        cards = [self._card(name) for name in sorted(set(plan.surrogates))]
        model = set_name(plan.surrogates)
        images, landmarks = stack(crops)
        sources = self._embed(model, images, landmarks)
        people = {label: self._embed(model, *stack(members)) for label, members in gallery.items()}
        depth, count = sources.shape[1], len(crops)
        most = max([1, *(len(embeddings) for embeddings in people.values())])
        galleries = np.zeros((count, 1 + len(people), most, depth), np.float32)
        weights = np.zeros(galleries.shape[:3], np.float32)
        galleries[:, 0, 0], weights[:, 0, 0] = sources, 1
        for label, embeddings in enumerate(people.values(), start=1):
            galleries[:, label, : len(embeddings)], weights[:, label, : len(embeddings)] = embeddings, 1
        if plan.target:
            target = np.full(count, 1 + list(people).index(plan.target), np.int32)
        else:
            away = np.linalg.norm(sources[:, None, None] - galleries, axis=-1) * weights
            target = np.argmax(away.sum(-1) / np.maximum(weights.sum(-1), 1), axis=1).astype(np.int32)
        thresholds = np.array([card.thresholds.get(RECOGNISED_FAR, UNKNOWN_THRESHOLD) for card in cards], np.float32)

        def each(value: float, dtype: type = np.float32) -> Array:
            return np.full(count, value, dtype)

        return Batch(
            model,
            {
                "images": images,
                "landmarks": landmarks,
                "galleries": galleries,
                "weights": weights,
                "kind": each(losses.CODES[plan.loss], np.int32),
                "target": target,
                "kappa": each(plan.kappa),
                "thresholds": np.tile(
                    thresholds + np.float32(plan.kappa if plan.loss is Loss.DODGE else 0), (count, 1)
                ),
            },
            tuple(card.embedding_size for card in cards),
        )

    def _pgd(self, batch: Batch, plan: Plan, done: Callable[[int], None]) -> list[Mask]:
        images, count = batch.images, len(batch.images)
        windows = np.stack([window(landmarks, images.shape[1]) for landmarks in batch.inputs["landmarks"]])
        noise, jitter = randomness(plan, images.shape[1:], len(batch.sizes))
        state = {
            # Where a face meets its own embedding the dodge has no slope: every start is a little off the photo.
            "delta": (0.1 * plan.epsilon * noise * windows).astype(np.float32),
            "momentum": np.zeros_like(images),
            "best_delta": np.zeros_like(images),
            "best_loss": np.full(count, np.inf, np.float32),
        }
        state["delta"] = np.clip(images + state["delta"], 0, 1) - images
        fixed = batch.inputs | {
            "window": windows,
            "epsilon": np.full(count, plan.epsilon, np.float32),
            "step_size": np.full(count, plan.step_size, np.float32),
            "linf": np.full(count, plan.method is Method.PGD_LINF, np.float32),
            "decay": np.full(count, plan.decay, np.float32),
        }
        state, trace = self._chunks(batch, "pgd_steps", fixed, state, jitter, done)
        # The last step's result has not been looked at yet, and under jitter no loss was of the plain view.
        last, last_reached = self._evaluate(batch, state["delta"])
        best, best_reached = self._evaluate(batch, state["best_delta"])
        masks = []
        for face in range(count):
            keep_best = (best_reached[face], -best[face]) > (last_reached[face], -last[face])
            delta = state["best_delta" if keep_best else "delta"][face]
            reached = bool(best_reached[face] if keep_best else last_reached[face])
            masks.append(mask(delta, reached, plan.iterations, [loss[face] for loss in trace]))
        return masks

    def _carlini_wagner(self, batch: Batch, plan: Plan, done: Callable[[int], None]) -> list[Mask]:
        images, count = batch.images, len(batch.images)
        windows = np.stack([window(landmarks, images.shape[1]) for landmarks in batch.inputs["landmarks"]])
        noise, jitter = randomness(plan, images.shape[1:], len(batch.sizes))
        start_w = (cw.to_tanh(images).numpy() + 1e-3 * noise).astype(np.float32)
        const = np.full(count, plan.initial_const, np.float32)
        lower, upper = np.zeros(count, np.float32), np.full(count, np.inf, np.float32)
        best = {"best_delta": np.zeros_like(images), "best_norm": np.full(count, np.inf, np.float32)}
        last_delta = np.zeros_like(images)
        trace: list[Float] = []
        for search in range(plan.search_steps):
            zeros = np.zeros_like(images)
            state = {"w": start_w, "m": zeros, "v": zeros, "count": np.zeros(count, np.float32)}
            state |= {"found": np.zeros(count, np.float32)} | best
            fixed = batch.inputs | {
                "window": windows,
                "const": const,
                "rate": np.full(count, plan.step_size, np.float32),
            }

            def so_far(steps: int, before: int = search * plan.iterations) -> None:
                done(before + steps)

            state, seen = self._chunks(batch, "cw_l2_steps", fixed, state, jitter, so_far)
            trace += seen
            best = {name: state[name] for name in best}
            last_delta = cw.perturbation(state["w"], images, windows).numpy()
            found = state["found"] > 0
            upper = np.where(found, np.minimum(upper, const), upper)
            lower = np.where(found, lower, np.maximum(lower, const))
            const = np.where(np.isfinite(upper), (lower + upper) / 2, const * 10).astype(np.float32)
        reached = np.isfinite(best["best_norm"])
        return [
            mask(
                best["best_delta"][face] if reached[face] else last_delta[face],
                bool(reached[face]),
                plan.iterations * plan.search_steps,
                [loss[face] for loss in trace],
            )
            for face in range(count)
        ]

    def _chunks(
        self,
        batch: Batch,
        signature: str,
        fixed: Mapping[str, Array],
        state: dict[str, Array],
        jitter: Float,
        done: Callable[[int], None],
    ) -> tuple[dict[str, Array], list[Float]]:
        """The state after as many steps as ``jitter`` [N, M, 4] has, and the loss [B] after each chunk of them."""
        trace = []
        for start in range(0, len(jitter), CHUNK):
            chunk = jitter[start : start + CHUNK]
            views = np.ascontiguousarray(np.broadcast_to(chunk, (len(batch.images), *chunk.shape)))
            inputs = {**fixed, **state, "jitter": views}
            answer = self._networks.call(batch.model, signature, inputs, (*state, "loss"))
            state = {name: answer[name] for name in state}
            trace.append(answer["loss"])
            done(start + len(chunk))
        return state, trace

    def _evaluate(self, batch: Batch, delta: Float) -> tuple[Float, Float]:
        """The loss [B] of the masks on the plain view, and whether the goal holds."""
        embeddings = self._embed(batch.model, np.asarray(batch.images + delta, np.float32), batch.inputs["landmarks"])
        goal = losses.Goal(**{name: batch.inputs[name] for name in losses.Goal._fields})
        loss, success = losses.evaluate(embeddings, goal, batch.sizes)
        return loss.numpy(), success.numpy()

    def _embed(self, model: str, images: Float, landmarks: Float) -> Float:
        embeddings: Float = self._networks.call(model, "embed", {"images": images, "landmarks": landmarks})[
            "embeddings"
        ]
        return embeddings


def stack(crops: Sequence[Crop]) -> tuple[Float, Float]:
    """The crops' pixels [B, S, S, 3] and landmarks [B, 5, 2]."""
    return np.stack([crop.pixels for crop in crops]), np.stack([crop.landmarks for crop in crops])


def mask(delta: Float, reached: bool, iterations: int, trace: Sequence[float]) -> Mask:
    outcome = MaskOutcome.REACHED if reached else MaskOutcome.NOT_REACHED
    return Mask(np.asarray(delta, np.float32), outcome, iterations, tuple(float(loss) for loss in trace))


def randomness(plan: Plan, shape: tuple[int, ...], members: int) -> tuple[Float, Float]:
    """The start noise [S, S, 3] (unit variance) and the jitter of every step [N, M, 4], from the plan's seed alone: a face's
    mask must not depend on who shares its batch, nor on where the networks run."""
    random = np.random.default_rng(plan.seed)
    noise = random.standard_normal(shape, np.float32)
    drawn = random.uniform(-1, 1, (plan.iterations, members, len(JITTER))) * JITTER * plan.jitter
    factor = np.exp(drawn[..., 2] + 1j * drawn[..., 3]) - 1
    jitter = np.stack([drawn[..., 0], drawn[..., 1], factor.real, factor.imag], axis=-1)
    return noise, jitter.astype(np.float32)


def check(plan: Plan, gallery: Gallery) -> None:
    """Raise INVALID_ARGUMENT for a plan that cannot be carried out."""
    ranges = {
        "iterations": (1, 10_000),
        "epsilon": (1e-4, 1.0),
        "step_size": (1e-4, 10.0),
        "kappa": (0.0, 100.0),
        "jitter": (0.0, 3.0),
        "decay": (0.0, 1.0),
        "search_steps": (1, 30),
        "initial_const": (1e-6, 1e6),
        "alpha": (0.0, 100.0),
        "rms": (0.0, 255.0),
        "seed": (0, 2**63 - 1),
    }
    for name, (low, high) in ranges.items():
        value = getattr(plan, name)
        if not low <= value <= high:
            raise FaceOffError(Reason.INVALID_ARGUMENT, f"{name} is {value}.", f"It must lie between {low} and {high}.")
    if not plan.surrogates:
        raise FaceOffError(Reason.INVALID_ARGUMENT, "No surrogate is named.", "Name at least one network.")
    if plan.loss is not Loss.DODGE and not gallery:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"The {plan.loss} loss needs other people's faces.",
            "Give a folder of them: --targets DIR.",
        )
    if plan.target and plan.target not in gallery:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"There is no target {plan.target}.",
            f"The gallery has {', '.join(gallery) or 'nobody'}.",
        )
