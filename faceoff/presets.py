"""Plans that have names: strengths (visibility budgets) and the paper's hyper-parameters (Table 1)."""

from __future__ import annotations

from dataclasses import replace

from faceoff.types import Loss, Method, Plan, Reference


def _strength(rms: float, iterations: int) -> Plan:
    """The plan whose mask has at most ``rms`` 8-bit levels on the face. It is optimised at the size that it will have, which
    transfers better than scaling a larger one down; alpha makes up for what rounding and a larger face take."""
    return Plan(
        epsilon=rms / 255,
        rms=rms,
        iterations=iterations,
        jitter=1.0,
        shrink=0.5,
        texture=0.7,
        surround=True,
        decay=0.8,
        loss=Loss.CROWD,
        alpha=1.2,
    )


STRENGTHS: dict[str, Plan] = {
    "subtle": _strength(2.0, 40),
    "balanced": _strength(3.7, 40),
    "strong": _strength(6.0, 60),
}
"""Defined by the RMS on the face, in 8-bit levels, that a mask may have."""

_TABLE_1: dict[str, Plan] = {
    "pgd_l2": Plan(method=Method.PGD_L2, epsilon=0.1, step_size=0.1, iterations=20),
    "pgd_l2_200": Plan(method=Method.PGD_L2, epsilon=0.1, step_size=0.1, iterations=200),
    "pgd_linf": Plan(method=Method.PGD_LINF, epsilon=0.1, step_size=0.1, iterations=20),
    "pgd_linf_200": Plan(method=Method.PGD_LINF, epsilon=0.1, step_size=0.1, iterations=200),
    "cw_linf": Plan(method=Method.CW_LINF, step_size=0.1, iterations=100, search_steps=10),
    "cw_l2_small": Plan(method=Method.CW_L2, step_size=0.1, iterations=100, search_steps=8),
    "cw_l2_large": Plan(method=Method.CW_L2, step_size=0.1, iterations=800, search_steps=15),
}


def _released(plan: Plan) -> Plan:
    """What the authors' code does where it differs from their text (docs/decisions/0009)."""
    method = Method.PGD_LINF if plan.method is Method.PGD_L2 else plan.method
    return replace(plan, method=method, reference=Reference.CENTROID, largest_const=1000.0)


METHODS: dict[str, Plan] = {
    f"{baseline}/{name}": change(replace(plan, surrogates=("facenet",)))
    for baseline, change in (("paper", lambda plan: plan), ("released", _released))
    for name, plan in _TABLE_1.items()
}
"""The paper's attacks with the hyper-parameters of its Table 1, on one surrogate of the paper's kind: as described
(``paper/``) and as the authors' code has them (``released/``)."""

PLANS: dict[str, Plan] = {**STRENGTHS, **METHODS}
"""Every plan that has a name."""
