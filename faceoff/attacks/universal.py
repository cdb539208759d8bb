"""Learning a universal mask (faceoff.universal) from a handful of one person's photos: PGD in l2 with momentum on the sum of
the photos' gradients, each pulled back from its face to the mask's own frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from faceoff.attacks.attacker import BATCH_SIZES, goal
from faceoff.attacks.batching import Batcher, Job
from faceoff.attacks.plans import check
from faceoff.attacks.task import Answer, Call, Steps, Task, embed_crop, judge, randomness
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import window
from faceoff.networks.card import Card
from faceoff.networks.sets import set_name
from faceoff.rooms import Networks, Report
from faceoff.types import Crop, Float, Gallery, Loss, Method, Plan, Priority, Progress
from faceoff.universal import LANDMARKS, Universal, Warp

FACE_SHARE = 0.78
"""A universal mask's RMS over its frame, which bounds it as a whole, as a share of its RMS on the face, where most gathers."""


class Learner:
    """Learns over any faceoff.rooms.Networks; ``card`` finds a network's card by its name."""

    def __init__(
        self, networks: Networks, card: Callable[[str], Card], batch_sizes: Sequence[int] = BATCH_SIZES
    ) -> None:
        self._batcher = Batcher(networks, batch_sizes)
        self._card = card

    def learn(
        self, crops: Sequence[Crop], plan: Plan, report: Report, gallery: Gallery = MappingProxyType({})
    ) -> Universal:
        """The mask that hides the person of ``crops``, each of another photo. ``gallery`` are other people, whom the crowd loss
        leads towards. ``report`` is called after every call of the networks and may raise to stop.

        Raises INVALID_ARGUMENT for fewer than two photos or a plan that is not PGD in l2 with the dodge or the crowd loss, and
        what the networks raise.
        """
        _check(crops, plan, gallery)
        if plan.surround:
            plan = replace(plan, epsilon=FACE_SHARE * plan.epsilon)
        cards = [self._card(name) for name in sorted(set(plan.surrogates))]
        model = set_name(plan.surrogates)

        def at(step: int) -> Callable[[int], None]:
            return lambda _: report(Progress("attack", step, plan.iterations))

        def run(asked: Sequence[Steps[Any]], step: int) -> list[Any]:
            return self._batcher.run([Job(model, work) for work in asked], at(step), Priority.BULK)

        labels = [np.stack(run([embed_crop(crop) for crop in members], 0)) for members in (crops, *gallery.values())]
        shared = goal(plan, labels, cards)
        sizes = tuple(card.embedding_size for card in cards)
        faces = [
            _Face(
                Task(
                    replace(plan, seed=plan.seed + number),  # so that every photo has views of its own
                    {"images": crop.pixels, "landmarks": crop.landmarks, **shared},
                    window(crop.landmarks, crop.transform.size),
                    (0, 0, crop.transform.size, crop.transform.size),
                    1.0,
                    sizes,
                ),
                Warp(crop, plan.texture),
            )
            for number, crop in enumerate(crops)
        ]
        frame = window(LANDMARKS)
        radius = plan.epsilon * np.sqrt(3 * frame.sum())
        noise, _ = randomness(faces[0].task)
        delta = 0.1 * plan.epsilon * noise * frame
        momentum = np.zeros_like(delta)
        for step in range(plan.iterations):
            gradient = np.sum(run([face.gradient(delta, step) for face in faces], step), axis=0)
            momentum = plan.decay * momentum + gradient / (np.abs(gradient).mean() + 1e-24)
            delta = delta - plan.step_size * radius * momentum / (np.linalg.norm(momentum) + 1e-24)
            delta = delta * min(1.0, radius / (np.linalg.norm(delta) + 1e-24))
        found = run([judge(face.task, face.worn(delta)[0]) for face in faces], plan.iterations)
        return Universal(
            delta=np.asarray(delta, np.float32),
            surrogates=plan.surrogates,
            loss=plan.loss,
            seed=plan.seed,
            epsilon=plan.epsilon,
            rms=plan.rms,
            photos=len(crops),
            reached=sum(reached for reached, _ in found),
        )


class _Face:
    """One photo's share of the learning."""

    def __init__(self, task: Task, warp: Warp) -> None:
        self.task = task
        self._warp = warp
        self._jitter = randomness(task)[1].jitter

    def worn(self, delta: Float) -> tuple[Float, float]:
        """The mask on this face as it will be worn, clipped to what pixels can be, and the factor that it took."""
        worn = self._warp.apply(delta)
        gain = self._warp.gain(worn, self.task.plan.epsilon)
        image = self.task.image
        return np.asarray(np.clip(image + gain * worn, 0, 1) - image, np.float32), gain

    def gradient(self, delta: Float, step: int) -> Steps[Float]:
        """The loss's gradient with respect to the mask in its frame. The factor is taken as fixed: the length of a mask is
        not what is learnt."""
        worn, gain = self.worn(delta)
        inputs = {**self.task.inputs, "images": self.task.image + worn, "jitter": self._jitter[step]}
        answer: Answer = yield Call("value_and_gradient", inputs, ("gradient",))
        return np.asarray(gain * self._warp.adjoint(answer["gradient"]), np.float32)


def _check(crops: Sequence[Crop], plan: Plan, gallery: Gallery) -> None:
    check(plan, gallery)
    if plan.method is not Method.PGD_L2 or plan.loss not in (Loss.DODGE, Loss.CROWD):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"A universal mask cannot be learnt with {plan.method} and the {plan.loss} loss.",
            "Take a strength's plan with the dodge or the crowd loss.",
        )
    if len(crops) < 2:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "One photo is too few to learn a person's mask from.",
            "Give about ten photos of the person that differ in light, pose and background.",
        )
