"""From crops and a plan to masks: checks the plan, embeds the people once, and lets each face's attack run."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from faceoff import losses
from faceoff.attacks import plans, texture
from faceoff.attacks.batching import Batcher, Job
from faceoff.attacks.methods import ATTACKS
from faceoff.attacks.task import Steps, Task, embed_crop
from faceoff.geometry import crop_box, window
from faceoff.networks.card import FAR, Card
from faceoff.networks.sets import set_name
from faceoff.rooms import Networks, Report
from faceoff.types import (
    OWN,
    Crop,
    Float,
    Gallery,
    Loss,
    Mask,
    Method,
    Metric,
    Plan,
    Priority,
    Progress,
    Reference,
)

BATCH_SIZES = (1, 2, 3, 4)
"""Faces that may share a call. More gain little on a few cores, where a larger call only takes longer to cancel."""

UNKNOWN_THRESHOLD = 1.2
"""For a card without measured thresholds: between two unrelated faces, unit embeddings are about 1.4 apart."""

SAME_PHOTO = 1e-3
"""Embeddings nearer than this are of one photo, which counts once."""


class LocalAttacker:
    """faceoff.rooms.Attacker over any faceoff.rooms.Networks. ``card`` finds a network's card by its name. Requests of
    several threads share calls (faceoff.attacks.batching)."""

    def __init__(
        self,
        networks: Networks,
        card: Callable[[str], Card],
        batch_sizes: Sequence[int] = BATCH_SIZES,
        observe: Callable[[int], None] = lambda faces: None,
    ) -> None:
        self._batcher = Batcher(networks, batch_sizes, observe)
        self._networks = networks
        self._card = card
        self._end = math.inf

    def within(self, seconds: float) -> LocalAttacker:
        """The same one, its calls shared with all others, for a request that raises DEADLINE_TOO_SHORT after ``seconds``."""
        other = copy.copy(self)
        other._end = time.monotonic() + seconds
        return other

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        """One mask a crop; raises INVALID_ARGUMENT for a plan out of range and what the networks raise."""
        plans.check(plan, gallery)
        cards = [self._card(name) for name in sorted(set(plan.surrogates))]
        model = set_name(plan.surrogates)
        each = budget(plan)
        total = each * len(crops)
        report(Progress("attack", 0, total))
        photos = [(label, crop) for label, members in gallery.items() for crop in members]
        jobs = [Job(model, embed_crop(crop)) for _, crop in photos]
        embeddings = self._batcher.run(jobs, priority=priority, end=self._end)
        people: dict[str, list[Float]] = {label: [] for label in gallery}
        for (label, _), embedding in zip(photos, embeddings, strict=True):
            people[label].append(embedding)
        faces = [Job(model, face(crop, plan, people, cards), each) for crop in crops]
        return self._batcher.run(faces, lambda steps: report(Progress("attack", steps, total)), priority, self._end)

    def check(self, surrogates: Sequence[str]) -> None:
        """Raise what the cards and the networks raise for names of which they know nothing."""
        for name in surrogates:
            self._card(name)
        self._networks.version(set_name(surrogates))


def face(crop: Crop, plan: Plan, people: Mapping[str, Sequence[Float]], cards: Sequence[Card]) -> Steps[Mask]:
    """The whole attack on one face. ``people`` are the gallery's embeddings [D], by label."""
    source = yield from embed_crop(crop)
    sizes = [card.embedding_size for card in cards]
    others = {label: members for label, members in people.items() if label != OWN}
    own = [photo for photo in people.get(OWN, ()) if np.linalg.norm(photo - source) > SAME_PHOTO]
    labels = [np.stack([source, *own]), *map(np.stack, others.values())]
    target = choose_target(plan, source, labels, list(others))
    inputs = {"images": crop.pixels, "landmarks": crop.landmarks, **goal(plan, labels, cards, target)}
    plain = window(crop.landmarks, crop.transform.size)
    weighted = plain * np.square(texture.weights(crop.pixels, plan.texture))
    box = bounded_box(crop, weighted, plan.surround)
    task = Task(plan, inputs, weighted, box, spread(plain, weighted, box), tuple(sizes))
    return (yield from ATTACKS[plan.method](task))


def bounded_box(crop: Crop, weighted: Float, surround: bool) -> tuple[int, int, int, int]:
    """Where epsilon is the mask's RMS: the face's box, or the whole crop without ``surround``, and where the detector put the
    box beside the landmarks, so that it has nothing of the window ``weighted`` [S, S, 1]."""
    if surround:
        top, left, bottom, right = crop_box(crop)
        if weighted[top:bottom, left:right].any():
            return top, left, bottom, right
    return 0, 0, *weighted.shape[:2]


def spread(plain: Float, weighted: Float, box: tuple[int, int, int, int]) -> float:
    """How much larger a mask's l2 norm may be in the ``weighted`` window than in the ``plain`` one, [S, S, 1] each, for the
    same RMS over the box."""
    top, left, bottom, right = box
    return float(np.sqrt(plain[top:bottom, left:right].sum() / weighted[top:bottom, left:right].sum()))


def choose_target(plan: Plan, source: Float, labels: Sequence[Float], names: Sequence[str]) -> int:
    """The label to resemble: the plan's, else the farthest from the source."""
    if plan.target:
        return 1 + names.index(plan.target)
    return int(np.argmax([np.linalg.norm(source - label, axis=-1).mean() for label in labels]))


def goal(plan: Plan, labels: Sequence[Float], cards: Sequence[Card], target: int = 0) -> Mapping[str, Any]:
    """The tensors that losses.Goal is made of, for one face. ``labels`` are the people's embeddings [G, D], the own person's
    first."""
    sizes = [card.embedding_size for card in cards]
    if plan.reference is Reference.CENTROID:
        labels = [centroid(label, sizes, plan.metric)[None] for label in labels]
    galleries = np.zeros((len(labels), max(map(len, labels)), sum(sizes)), np.float32)
    weights = np.zeros(galleries.shape[:2], np.float32)
    for index, label in enumerate(labels):
        galleries[index, : len(label)], weights[index, : len(label)] = label, 1
    limits = [card.thresholds.get(FAR, UNKNOWN_THRESHOLD) for card in cards]
    if plan.metric is Metric.COSINE:
        limits = [limit**2 / 2 for limit in limits]
    margin = plan.kappa if plan.loss in (Loss.DODGE, Loss.CROWD) else 0
    return {
        "galleries": galleries,
        "weights": weights,
        "kind": np.int32(losses.CODES[plan.loss]),
        "target": np.int32(target),
        "kappa": np.float32(plan.kappa),
        "cosine": np.float32(plan.metric is Metric.COSINE),
        "thresholds": np.array([limit + margin for limit in limits], np.float32),
    }


def centroid(embeddings: Float, sizes: Sequence[int], metric: Metric) -> Float:
    """Beta of section 2.1, the mean of the embeddings [G, D]; for the cosine, which knows no length, of unit length."""
    mean = np.asarray(embeddings.mean(axis=0), np.float32)
    if metric is Metric.COSINE:
        parts = np.split(mean, np.cumsum(sizes)[:-1])
        mean = np.concatenate([part / max(float(np.linalg.norm(part)), 1e-9) for part in parts])
    return mean


def stack(crops: Sequence[Crop]) -> tuple[Float, Float]:
    """The crops' pixels [B, S, S, 3] and landmarks [B, 5, 2]."""
    return np.stack([crop.pixels for crop in crops]), np.stack([crop.landmarks for crop in crops])


def budget(plan: Plan) -> int:
    """The most steps that one face's attack makes."""
    if plan.method in (Method.CW_L2, Method.CW_LINF):
        return plan.iterations * plan.search_steps + plan.warm_start
    return plan.iterations
