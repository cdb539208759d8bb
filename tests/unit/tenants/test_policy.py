from __future__ import annotations

from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants.policy import check_target, consented_labels
from faceoff.tenants.principal import Principal, Scope
from faceoff.types import OWN, Loss, Plan

ANYBODY = Principal("acme", frozenset({Scope.PROTECT}), "id")
RESEARCHER = Principal("lab", frozenset({Scope.PROTECT, Scope.RESEARCH}), "id")
POOL = {"ann", "bob"}
TARGETED = (Loss.TARGET, Loss.HINGE)


@pytest.mark.parametrize("loss", Loss)
def test_protecting_without_a_target_is_everybodys(loss: Loss) -> None:
    check_target(ANYBODY, Plan(loss=loss), (), POOL)
    check_target(ANYBODY, Plan(loss=loss), {OWN}, POOL)


@pytest.mark.parametrize("loss", TARGETED)
def test_targets_come_from_the_pool(loss: Loss) -> None:
    check_target(ANYBODY, Plan(loss=loss, target="ann"), (), POOL)
    for target in ("eve", "ANN", "../ann", "ann\0"):
        with pytest.raises(FaceOffError) as caught:
            check_target(ANYBODY, Plan(loss=loss, target=target), (), POOL)
        assert caught.value.reason is Reason.TARGET_NOT_ALLOWED
        assert target not in str(caught.value)
    with pytest.raises(FaceOffError, match="nobody agreed"):
        check_target(ANYBODY, Plan(loss=loss), (), ())


@pytest.mark.parametrize("loss", Loss)
def test_photos_of_others_are_not_taken_under_any_label(loss: Loss) -> None:
    for sent in ({"eve"}, {"ann"}, {OWN, "ann"}):
        with pytest.raises(FaceOffError, match="cannot be sent"):
            check_target(ANYBODY, Plan(loss=loss, target="ann"), sent, POOL)


@pytest.mark.parametrize("loss", Loss)
def test_a_researcher_chooses(loss: Loss) -> None:
    check_target(RESEARCHER, Plan(loss=loss, target="eve"), {"eve"}, ())


def test_the_pool_is_a_folder_of_people(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "README").write_text("")
    assert consented_labels(tmp_path) == {"ann"}
    assert consented_labels(None) == consented_labels(tmp_path / "missing") == frozenset()
