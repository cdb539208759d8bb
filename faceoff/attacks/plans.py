"""Which plans can be carried out. Nothing here imports TensorFlow, so that a plan is refused at once."""

from __future__ import annotations

from collections.abc import Mapping

from faceoff.errors import FaceOffError, Reason
from faceoff.types import OWN, Gallery, Loss, Plan

RANGES: Mapping[str, tuple[float, float]] = {
    "iterations": (1, 10_000),
    "epsilon": (1e-4, 1.0),
    "step_size": (1e-4, 10.0),
    "kappa": (0.0, 100.0),
    "jitter": (0.0, 3.0),
    "decay": (0.0, 1.0),
    "shrink": (0.0, 1.0),
    "texture": (0.0, 0.95),
    "search_steps": (1, 30),
    "initial_const": (1e-6, 1e6),
    "largest_const": (1e-6, 1e12),
    "warm_start": (0, 10_000),
    "alpha": (0.0, 100.0),
    "rms": (0.0, 255.0),
    "seed": (0, 2**63 - 1),
}
"""The least and the most that a plan may say."""


def check(plan: Plan, gallery: Gallery) -> None:
    """Raise INVALID_ARGUMENT for a plan that cannot be carried out."""
    check_values(plan)
    check_people(plan, gallery)


def check_values(plan: Plan) -> None:
    """Raise INVALID_ARGUMENT for a plan that cannot be carried out, whoever is in the gallery."""
    for name, (low, high) in RANGES.items():
        value = getattr(plan, name)
        if not low <= value <= high:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"{name} is {value}.",
                f"It must lie between {low} and {high}.",
                field=f"plan.{name}",
            )
    if not plan.surrogates:
        raise FaceOffError(Reason.INVALID_ARGUMENT, "No surrogate is named.", "Name at least one network.")


def check_people(plan: Plan, gallery: Gallery) -> None:
    """Raise INVALID_ARGUMENT for a plan that cannot be carried out with these people."""
    others = [label for label in gallery if label != OWN]
    if plan.loss in (Loss.TARGET, Loss.HINGE) and not others:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"The {plan.loss} loss needs other people's faces.",
            "Give a folder of them: --targets DIR.",
        )
    if plan.target and plan.target not in others:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"There is no target {plan.target}.",
            f"The gallery has {', '.join(others) or 'nobody'}.",
        )
    if not all(gallery.values()):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, "A person of the gallery has no photo.", "Give one face or more each."
        )
