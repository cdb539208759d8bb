"""Carlini and Wagner's linf attack on one face: only changes beyond tau cost anything, and tau is halved below the largest
change after every success (paper section 3.3 and Table 1)."""

from __future__ import annotations

import numpy as np

from faceoff.attacks import cw
from faceoff.attacks.task import Steps, Task, randomness
from faceoff.types import Mask

HALVING = 0.5


def run(task: Task) -> Steps[Mask]:
    """The mask with the smallest largest change that reached the goal, else the last. ``plan.search_steps`` trials: one that
    reaches the goal halves tau and the next starts from it, one that does not doubles c."""
    noise, views = randomness(task)
    w = (cw.to_tanh(task.image) + 1e-3 * noise).astype(np.float32)
    best, last = cw.nothing_found(task), w
    const, tau = task.plan.initial_const, 1.0
    total, trace = 0, list[float]()
    for _ in range(task.plan.search_steps):
        state, steps, seen = yield from cw.round_of(task, w, best, views, const=const, linf=1, tau=tau)
        total, trace = total + steps, trace + seen
        best = {name: state[name] for name in best}
        last = state["w"]
        if state["found"]:
            tau = HALVING * min(tau, float(best["best_size"]))
            w = cw.to_tanh(task.image + best["best_delta"])
        else:
            const *= 2
    return cw.result(task, best, last, total, trace)
