import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceoff.verify.thresholds import FARS, pairs, threshold

DISTANCES = st.lists(st.integers(1, 1000).map(lambda value: value / 500), min_size=30, max_size=200).map(
    lambda values: np.sort(np.array(values, np.float32))
)


def test_every_pair_once() -> None:
    x, y, z = np.eye(3, dtype=np.float32)
    genuine, impostor = pairs({"a": np.stack([x, x]), "b": np.stack([y, -y]), "c": z[None]})
    assert genuine.tolist() == [0, 2]
    assert len(impostor) == 8
    assert impostor == pytest.approx(np.sqrt(2))


@given(DISTANCES, DISTANCES)
def test_no_more_impostors_than_asked_and_as_many_as_can_be(genuine: np.ndarray, impostor: np.ndarray) -> None:
    found = threshold(genuine, impostor, 0.1)
    genuine, impostor = genuine.astype(np.float64), impostor.astype(np.float64)  # as verdicts compare
    assert found.distance is not None
    assert found.impostors is not None
    assert found.impostors.successes == (impostor <= found.distance).sum() <= 0.1 * len(impostor)
    further = impostor[impostor > found.distance].min()
    assert (impostor <= further).sum() > 0.1 * len(impostor)
    assert found.genuine is not None
    assert found.genuine.successes == (genuine <= found.distance).sum()


@pytest.mark.parametrize(
    ("count", "supported"), [(29, []), (30, [0.1]), (299, [0.1]), (300, [0.1, 0.01]), (3000, [*FARS])]
)
def test_a_rate_that_the_pairs_cannot_show_is_refused(count: int, supported: list[float]) -> None:
    impostor = np.linspace(1, 2, count, dtype=np.float32)
    found = [threshold(impostor[:10], impostor, far) for far in FARS]
    assert [one.far for one in found if one.distance is not None] == supported
    assert [one.needed for one in found] == [30, 300, 3000]


def test_by_hand() -> None:
    impostor = np.arange(1, 101, dtype=np.float32) / np.float32(50)
    found = threshold(np.array([0.1, 0.15, 0.3], np.float32), impostor, 0.1)
    assert found.distance == pytest.approx(0.21, abs=1e-4)  # ten of a hundred, half-way to the eleventh
    assert found.genuine is not None
    assert (found.genuine.successes, found.genuine.n) == (2, 3)
