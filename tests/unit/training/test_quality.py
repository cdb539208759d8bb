from __future__ import annotations

import numpy as np
import pytest

from faceoff.training import quality
from faceoff.training.quality import Pairs
from faceoff.types import Float


def unit(rows: int, seed: int) -> Float:
    values = np.random.default_rng(seed).normal(size=(rows, 5))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def distances(same: list[float], other: list[float]) -> Pairs:
    return Pairs(np.array(same, np.float32), np.array(other, np.float32))


def test_pairs_are_every_pair_once() -> None:
    embeddings, labels = unit(7, seed=0), np.array([0, 0, 0, 1, 1, 2, 2])
    found = quality.pairs(embeddings, labels)
    assert (len(found.same), len(found.other)) == (5, 16)
    distances = [
        np.linalg.norm(embeddings[i] - embeddings[j]) for i in range(7) for j in range(i) if labels[i] == labels[j]
    ]
    np.testing.assert_allclose(found.same, sorted(distances), atol=1e-5)


def test_auc_is_the_chance_of_the_right_order() -> None:
    random = np.random.default_rng(1)
    same, other = np.sort(random.integers(0, 20, 30)) / 10, np.sort(random.integers(5, 25, 40)) / 10
    by_hand = np.mean([(s < o) + (s == o) / 2 for s in same for o in other])
    assert quality.auc(distances(list(same), list(other))) == pytest.approx(by_hand)
    assert quality.auc(distances([0.1], [0.2, 0.3])) == 1
    assert quality.auc(distances([0.5], [0.5])) == 0.5


def test_thresholds_accept_no_more_than_they_say() -> None:
    other = np.sort(np.random.default_rng(2).uniform(0.5, 1.5, 405)).astype(np.float32)
    measured = quality.thresholds(Pairs(other, other))
    assert list(measured) == [1e-1, 1e-2]  # four pairs at 1 %, none at 0.1 %
    for rate, distance in measured.items():
        assert (other <= distance).mean() <= rate


def test_few_pairs_give_no_threshold_and_equal_embeddings_neither() -> None:
    assert quality.thresholds(distances([1], [1] * 29)) == {}
    assert quality.thresholds(distances([0], [0] * 1000)) == {}


def test_the_equal_error_threshold_lies_between_what_it_separates() -> None:
    assert quality.equal_error(distances([0.1, 0.2], [0.8, 0.9])) == pytest.approx(0.2)


def test_nearest_is_by_centroid() -> None:
    known = np.array([[0, 0], [2, 0], [10, 0], [12, 0]], np.float32)
    labels = np.array([0, 0, 1, 1])
    assert quality.nearest(np.array([[3, 0], [9, 0]], np.float32), known, labels).tolist() == [0, 1]
