"""Seconds until a face's goal holds on the surrogates: ``balanced``, ended by its early success, against the paper's CW l2
large. Both have the same surrogates, loss and face, and run in this process.

CW large as a whole takes too long to wait for: a few of its steps are timed and multiplied by the fewest that its early
abort allows, so the true ratio is lower still. It first holds its goal long before, with a far more visible mask: the row
``_first`` is against that moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks import photos
from benchmarks.loop import Recorder, silent
from benchmarks.measure import Row, compared, in_turns
from faceoff.attacks.attacker import LocalAttacker
from faceoff.attacks.cw import CHECKS
from faceoff.detect import MtcnnDetector
from faceoff.networks import catalogue
from faceoff.networks.home import default_home
from faceoff.networks.local import LocalNetworks
from faceoff.presets import METHODS, STRENGTHS
from faceoff.types import Float, Mask, MaskOutcome, Progress

RUNS = 3
STEPS = 400
"""As many as `balanced` may take here to reach its goal."""
SAMPLE = 40
"""Steps of CW large that are timed."""


class EnoughError(Exception):
    """The sample is complete."""


def rows() -> Iterator[Row]:
    home = default_home()
    networks = Recorder(LocalNetworks(home))
    attacker = LocalAttacker(networks, lambda name: catalogue.card(name, home))
    crops = MtcnnDetector().detect(photos.photo())[:1]
    balanced = replace(STRENGTHS["balanced"], early=True, iterations=STEPS)
    large = replace(METHODS["paper/cw_l2_large"], surrogates=balanced.surrogates, loss=balanced.loss)
    masks: list[Mask] = []

    def to_goal() -> None:
        masks[:] = attacker.attack(crops, balanced, silent)

    def sample() -> None:
        networks.calls.clear()

        def stop(progress: Progress) -> None:
            if progress.done >= SAMPLE:
                raise EnoughError

        with contextlib.suppress(EnoughError):
            attacker.attack(crops, large, stop)

    ours, theirs = in_turns(to_goal, sample, runs=RUNS)
    verb = "reached" if masks[0].outcome is MaskOutcome.REACHED else "MISSED"
    spent = f"balanced {verb} it in {masks[0].iterations} steps, RMS {rms(masks[0].delta):.1f} of 255 in the crop"

    fewest = 2 * (large.iterations // CHECKS) * large.search_steps
    whole = [seconds * fewest / SAMPLE for seconds in theirs]
    against = f"CW l2 large, {SAMPLE} steps timed, multiplied to the fewest it can make, {fewest}; {spent}"
    yield compared("time_to_goal_vs_cw_large", ours, whole, "s", against)

    made, found = first_success(networks)
    first = [seconds * made / SAMPLE for seconds in theirs]
    against = f"the moment when CW l2 large first holds its goal, {made} steps, {found}; {spent}"
    yield compared("time_to_goal_vs_cw_large_first", ours, first, "s", against)


def first_success(networks: Recorder) -> tuple[int, str]:
    """After how many of the recorded steps the goal first held at a chunk's end, and the mask's size there."""
    made = 0
    for chunk, answer in networks.calls:
        made += chunk.steps
        if answer["success"][0]:
            return made, f"RMS {rms(answer['best_delta'][0]):.1f} of 255"
    return made, "not yet held"


def rms(delta: Float) -> float:
    return float(np.sqrt(np.mean(np.square(delta)))) * 255
