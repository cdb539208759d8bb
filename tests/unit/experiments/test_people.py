from pathlib import Path

import pytest

from experiments.people import Split, sources
from faceoff.campaign.people import Pair, Person, Targets, gallery, pairs, read
from faceoff.errors import FaceOffError, Reason
from tests.unit.experiments.house import Detector, folder


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Person]:
    everybody, faceless = read(folder(tmp_path_factory.mktemp("people"), shots=3), Detector())
    assert faceless == 0
    return everybody


def ten(shots: int) -> list[Person]:
    return [Person(f"p{number}", tuple([None] * shots)) for number in range(10)]  # type: ignore[list-item]


def test_ninety_pairs_attack_ninety_photos() -> None:
    chosen = pairs(ten(9), sources(ten(9), Split.ALL), targeted=True)
    assert len(chosen) == 90 == len({(pair.source, pair.target) for pair in chosen})
    assert len({(pair.source, pair.shot) for pair in chosen}) == 90
    assert all(pair.source != pair.target for pair in chosen)


def test_splits_share_no_source() -> None:
    tune, report = (pairs(ten(9), sources(ten(9), split), targeted=False) for split in (Split.TUNE, Split.REPORT))
    assert {pair.source for pair in tune} == set(range(5))
    assert {pair.source for pair in report} == set(range(5, 10))
    assert tune + report == pairs(ten(9), sources(ten(9), Split.ALL), targeted=False)


def test_without_targets_no_photo_comes_twice() -> None:
    assert len(pairs(ten(5), sources(ten(5), Split.ALL), targeted=True)) == 90
    chosen = pairs(ten(5), sources(ten(5), Split.ALL), targeted=False)
    assert len(chosen) == 50 == len({(pair.source, pair.shot) for pair in chosen})


def test_a_limit_spreads_over_the_sources() -> None:
    chosen = pairs(ten(9), sources(ten(9), Split.ALL), targeted=True, limit=3)
    assert len(chosen) == 3 == len({pair.source for pair in chosen})


def test_what_is_under_attack_is_in_no_gallery(people: list[Person]) -> None:
    everything = pairs(people, sources(people, Split.ALL), targeted=True)
    for pair in everything:
        known = gallery(people, pair, Targets.PAIR)
        for other in everything:
            if other.target == pair.target:
                attacked = people[other.source].shots[other.shot].crop
                assert all(crop is not attacked for crops in known.values() for crop in crops)
        assert len(known[people[pair.target].name]) == 3
    alone = gallery(people, Pair(1, 0, 0), Targets.AUTO)
    assert list(alone) == ["ada", "cleo", "dora"]
    assert gallery(people, Pair(1, 0, 0), Targets.NONE) == {}


def test_a_folder_without_people_says_so(tmp_path: Path) -> None:
    with pytest.raises(FaceOffError) as caught:
        read(tmp_path, Detector())
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_photos_without_a_face_are_counted(tmp_path: Path) -> None:
    with pytest.raises(FaceOffError):
        read(folder(tmp_path), Detector(least=1000))
