"""The exported SavedModel, run as a server runs it, against the functions in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceoff.attacks import export
from faceoff.attacks.attacker import LocalAttacker
from faceoff.attacks.task import CHUNK
from faceoff.networks.session import ModelSession
from faceoff.presets import STRENGTHS
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


def test_first_calls_are_those_of_an_attack() -> None:
    """Those that a server makes before it serves: the same graphs, outputs and shapes, or it would have compiled in vain."""
    asked: list[Any] = []

    class Asked(tiny.TinyNetworks):
        def call(self, model: str, signature: str, inputs: Mapping[str, Array], *more: Any) -> dict[str, Array]:
            asked.append((signature, {name: (value.dtype, value.shape) for name, value in inputs.items()}, more[0]))
            return super().call(model, signature, inputs, *more)

    networks = Asked("a", "b")
    plan = replace(STRENGTHS["balanced"], surrogates=("a", "b"), iterations=CHUNK)
    LocalAttacker(networks, networks.card).attack(tiny.crops(1), plan, ignore)
    made = [
        (call.signature, {n: (v.dtype, (1, *np.shape(v))) for n, v in call.inputs.items()}, call.outputs)
        for call in export.first_calls(networks.network)
    ]
    assert made == asked[: len(made)]
    assert {signature for signature, *_ in asked} == {signature for signature, *_ in made}
