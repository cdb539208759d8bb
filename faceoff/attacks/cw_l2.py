"""Carlini and Wagner's l2 attack on one face: a binary search over the constant c (paper section 3.3 and Table 1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from faceoff.attacks import cw, pgd
from faceoff.attacks.task import Steps, Task, randomness
from faceoff.types import Mask, Method

UNBOUNDED = 1e9
"""Below this largest c the search halves; above, a round without success multiplies c by ten (Carlini and Wagner's)."""


def run(task: Task) -> Steps[Mask]:
    """The smallest mask that reached the goal in any round, else the last round's last.

    With ``plan.warm_start`` the first round starts from that many PGD steps (fewer if they reach the goal) and every other
    from where the one before has got to; without, each starts from the photo, as in the paper.
    """
    plan, image = task.plan, task.image
    noise, views = randomness(task)
    w = (cw.to_tanh(image) + 1e-3 * noise).astype(np.float32)
    total, trace = 0, list[float]()
    if plan.warm_start:
        short = replace(plan, method=Method.PGD_L2, iterations=plan.warm_start, early=True)
        begun = yield from pgd.run(replace(task, plan=short))
        total, trace = begun.iterations, list(begun.trace)
        w = cw.to_tanh(image + begun.delta)
    best, last = cw.nothing_found(task), w
    const, lower, upper = plan.initial_const, 0.0, plan.largest_const
    for _ in range(plan.search_steps):
        state, steps, seen = yield from cw.round_of(task, w, best, views, const=const, linf=0, tau=0)
        total, trace = total + steps, trace + seen
        best = {name: state[name] for name in best}
        last = state["w"]
        if plan.warm_start:
            w = last
        if state["found"]:
            upper = min(upper, const)
        else:
            lower = max(lower, const)
        const = (lower + upper) / 2 if upper < UNBOUNDED else const * 10
    return cw.result(task, best, last, total, trace)
