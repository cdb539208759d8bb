import pytest

from experiments.plans import named
from faceoff.errors import FaceOffError, Reason
from faceoff.presets import PLANS, STRENGTHS
from faceoff.types import Loss


def test_presets_by_name() -> None:
    for name, plan in PLANS.items():
        assert named(name) == plan


def test_overrides_have_the_fields_types() -> None:
    plan = named("subtle", ["loss=hinge", "kappa=.2", "iterations=7", "surrogates=a,b"])
    assert plan.loss is Loss.HINGE
    assert (plan.kappa, plan.iterations, plan.surrogates) == (0.2, 7, ("a", "b"))
    assert plan.rms == STRENGTHS["subtle"].rms


@pytest.mark.parametrize("override", ["kapa=1", "kappa=much", "loss=none", "iterations"])
def test_what_is_not_one_is_refused(override: str) -> None:
    with pytest.raises(FaceOffError) as caught:
        named("balanced", [override])
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_unknown_names_are_refused() -> None:
    with pytest.raises(FaceOffError, match="There is no plan"):
        named("gentle")
