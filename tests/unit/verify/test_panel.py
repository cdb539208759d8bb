"""Networks and commercial victims together."""

from unittest.mock import Mock

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.types import Terms
from faceoff.verify.panel import Panel
from faceoff.verify.verifier import LocalVerifier
from faceoff.verify.victims.victim import Victim
from tests.unit import tiny
from tests.unit.verify.test_verifier import NEAR, PHOTO, SAME, FoundByTest


@pytest.fixture(scope="module")
def panel() -> Panel:
    local = LocalVerifier(tiny.TinyNetworks("a"), FoundByTest(), [tiny.card("a", 6, thresholds={1e-2: 0.2})])
    return Panel(local, {"azure": Mock(spec=Victim)})


def test_linkage_and_ranks_are_of_networks(panel: Panel) -> None:
    candidates = {"x": tiny.crops(2, 3)}
    for victims in ((), ("a",), ("a", "azure")):
        assert {verdict.victim for verdict in panel.linked(SAME, [NEAR], victims)} == {"a"}
        assert {rank.victim for rank in panel.rank(SAME, PHOTO, candidates, victims, Terms((NEAR,)))} == {"a"}
    for ask in (
        lambda: panel.linked(SAME, [NEAR], ("azure",)),
        lambda: panel.rank(SAME, PHOTO, candidates, ("azure",), Terms((NEAR,))),
    ):
        with pytest.raises(FaceOffError, match="azure cannot be asked for linkage or ranks") as caught:
            ask()
        assert caught.value.reason is Reason.INVALID_ARGUMENT
