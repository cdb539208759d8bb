from hypothesis import given
from hypothesis import strategies as st

from faceoff.verify.ranks import rank, ranks

SCORES = st.lists(st.floats(-2, 0), min_size=1, max_size=5)


def test_by_hand() -> None:
    others = {"a": [0.9, 0.1], "b": [0.8, 0.8], "c": [0.2]}
    assert ranks([0.5, 0.3], others) == (3, 4)  # a and b are nearer, with three of their photos
    assert ranks([0.95], others) == (1, 1)
    assert ranks([0.1], {}) == (1, 1)


@given(SCORES, st.dictionaries(st.text(), SCORES))
def test_a_tie_is_the_persons(own: list[float], others: dict[str, list[float]]) -> None:
    assert ranks(own, {name: [max(own)] * len(scores) for name, scores in others.items()}) == (1, 1)
    people, photos = ranks(own, others)
    assert 1 <= people <= photos
    assert people <= len(others) + 1
    assert rank(max(own), [score for scores in others.values() for score in scores]) == photos
