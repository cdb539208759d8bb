from __future__ import annotations

import pytest
from hypothesis import given, strategies

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import seal


@given(strategies.lists(strategies.binary(max_size=50), max_size=5))
def test_what_is_packed_is_unpacked(parts: list[bytes]) -> None:
    assert seal.unpack(seal.pack(parts)) == parts


def test_only_the_key_and_the_name_open_it() -> None:
    key = seal.new_key()
    sealed = seal.seal(key, b"photo", "name")
    assert b"photo" not in sealed
    assert seal.unseal(key, sealed, "name") == b"photo"
    assert seal.seal(key, b"photo", "name") != sealed
    for wrong in (
        (seal.new_key(), sealed, "name"),
        (key, sealed, "other"),
        (key, sealed[:-1] + bytes([sealed[-1] ^ 1]), "name"),
        (key, b"", "name"),
    ):
        with pytest.raises(FaceOffError) as caught:
            seal.unseal(*wrong)
        assert caught.value.reason is Reason.INTERNAL
