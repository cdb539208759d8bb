"""Which attacks there are. A new one is a file like its neighbours and its rows here and in tests/unit/attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from faceoff.attacks import cw, cw_l2, cw_linf, pgd
from faceoff.attacks.task import Steps, Task
from faceoff.types import Mask, Method

ATTACKS: Mapping[Method, Callable[[Task], Steps[Mask]]] = {
    Method.PGD_L2: pgd.run,
    Method.PGD_LINF: pgd.run,
    Method.CW_L2: cw_l2.run,
    Method.CW_LINF: cw_linf.run,
}
"""From one face's task to its mask."""

GRAPHS: tuple[Any, ...] = (pgd, cw)
"""What is exported: each has SIGNATURE, State, Parameters and steps."""
