"""The exported SavedModel, run as a server runs it, against the functions in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceoff.attacks import export
from faceoff.attacks.attacker import LocalAttacker
from faceoff.networks.session import ModelSession
from faceoff.types import Array, Method
from tests.unit import tiny
from tests.unit.attacks.test_attacker import ROWS, ignore


class Exported(tiny.TinyNetworks):
    """The same set of networks, but every call goes to its SavedModel."""

    def __init__(self, folder: Path) -> None:
        super().__init__("a", "b")
        export.export(self.network, folder)
        self.session = ModelSession(folder)

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        return self.session.run(signature, inputs, outputs)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("store") / "1")


def test_every_signature_is_there(exported: Exported) -> None:
    named = {"embed", "serving_default", "value_and_gradient", "pgd_steps", "cw_steps"}
    assert set(exported.session.signatures) == named
    for name in named:
        for value in exported.session.signatures[name].inputs.values():
            assert value.shape[0] is None, "the first axis of every input is the batch"


@pytest.mark.parametrize("method", list(Method))
def test_signature_agrees_with_the_function(exported: Exported, method: Method) -> None:
    plan = replace(ROWS[method], surrogates=("a", "b"), epsilon=0.03, iterations=10, search_steps=2, jitter=1.0)
    here, there = (
        LocalAttacker(networks, exported.card).attack(tiny.crops(2), plan, ignore)
        for networks in (tiny.TinyNetworks("a", "b"), exported)
    )
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(ours.delta, theirs.delta, atol=1e-4)
