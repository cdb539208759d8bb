"""Plans that have names: strengths (visibility budgets) and the paper's hyper-parameters (Table 1)."""

from __future__ import annotations

from faceoff.types import Loss, Method, Plan

WINDOW_SHARE = 0.78
"""A mask's RMS over its window, as a share of its RMS on the face, where most of it gathers. With epsilon at that share of
the budget the mask is optimised at the size that it will have, which transfers better than scaling a larger one down."""


def _strength(rms: float, iterations: int) -> Plan:
    """The plan whose mask has at most ``rms`` 8-bit levels on the face."""
    return Plan(epsilon=WINDOW_SHARE * rms / 255, rms=rms, iterations=iterations, jitter=1.0, decay=0.8, alpha=1.2)


STRENGTHS: dict[str, Plan] = {
    "subtle": _strength(2.0, 40),
    "balanced": _strength(3.7, 40),
    "strong": _strength(6.0, 60),
}
"""Defined by the RMS on the face, in 8-bit levels, that a mask may have."""

METHODS: dict[Method, Plan] = {
    Method.PGD_L2: Plan(method=Method.PGD_L2, epsilon=0.1, step_size=0.1, iterations=20),
    Method.PGD_LINF: Plan(method=Method.PGD_LINF, epsilon=0.1, step_size=0.1, iterations=20),
    Method.CW_L2: Plan(method=Method.CW_L2, loss=Loss.HINGE, step_size=0.1, iterations=100, search_steps=8),
}
"""The paper's hyper-parameters for one method."""
