"""Plans that have names: strengths (visibility budgets) and the paper's hyper-parameters (Table 1)."""

from __future__ import annotations

from faceoff.types import Loss, Method, Plan

STRENGTHS: dict[str, Plan] = {
    "subtle": Plan(epsilon=2.0 / 255, rms=2.0, iterations=40, jitter=1.0, decay=1.0),
    "balanced": Plan(epsilon=3.7 / 255, rms=3.7, iterations=40, jitter=1.0, decay=1.0),
    "strong": Plan(epsilon=6.0 / 255, rms=6.0, iterations=60, jitter=1.0, decay=1.0),
}
"""Defined by the RMS on the face, in 8-bit levels, that a mask may have (docs/architecture.md shows pictures)."""

METHODS: dict[Method, Plan] = {
    Method.PGD_L2: Plan(method=Method.PGD_L2, epsilon=0.1, step_size=0.1, iterations=20),
    Method.PGD_LINF: Plan(method=Method.PGD_LINF, epsilon=0.1, step_size=0.1, iterations=20),
    Method.CW_L2: Plan(method=Method.CW_L2, loss=Loss.HINGE, step_size=0.1, iterations=100, search_steps=8),
}
"""The paper's hyper-parameters for one method."""
