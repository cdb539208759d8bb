"""Whom a photo may be made to resemble: this is a shield, not a tool for passing as somebody."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants.principal import Principal, Scope
from faceoff.types import OWN, Loss, Plan

_TARGETED = (Loss.TARGET, Loss.HINGE)


def check_target(principal: Principal, plan: Plan, sent: Collection[str], consented: Collection[str]) -> None:
    """Let only the scope ``research`` choose whom the faces are led to.

    ``sent`` are the labels of the gallery in the request, ``consented`` those of the operator's pool. Everybody else gets their
    targets from the pool: they may name one, but not send photos, not even under a label that is in it. Further photos
    of the faces' own person (OWN) anybody may send. Raises TARGET_NOT_ALLOWED.
    """
    if Scope.RESEARCH in principal.scopes:
        return
    if set(sent) - {OWN}:
        raise _refused("Photos of other people cannot be sent as targets.")
    if plan.loss in _TARGETED and not consented:
        raise _refused("The operator has no targets: nobody agreed to be one.")
    if plan.loss in _TARGETED and plan.target and plan.target not in consented:
        raise _refused("This target is not among the people who agreed to be one.")


def consented_labels(pool: Path | None) -> frozenset[str]:
    """Who is in the operator's pool: the names of its sub-folders, as faceoff.gallery reads them."""
    if pool is None or not pool.is_dir():
        return frozenset()
    return frozenset(path.name for path in pool.iterdir() if path.is_dir())


def _refused(message: str) -> FaceOffError:
    return FaceOffError(
        Reason.TARGET_NOT_ALLOWED,
        message,
        f"Leave the target out, or protect without one; a key with the scope {Scope.RESEARCH} may choose.",
    )
