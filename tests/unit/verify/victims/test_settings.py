from __future__ import annotations

from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.verify.victims.keyfile import KeyFile
from faceoff.verify.victims.settings import spent, victims_from
from tests.unit.verify.victims.house import House

AZURE = """\
state: state
victims:
  azure:
    kind: azure
    enabled: true
    endpoint: https://example.cognitiveservices.azure.com
    key_file: azure.key
    price: {amount: 0.001, currency: USD, as_of: 2026-01-01}
    limits: {daily: 1, monthly: 10}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "victims.yaml"
    file.write_text(text)
    return file


def test_victims_are_off_until_they_are_switched_on(tmp_path: Path) -> None:
    assert list(victims_from(write(tmp_path, AZURE))) == ["azure"]
    assert victims_from(write(tmp_path, AZURE.replace("    enabled: true\n", ""))) == {}
    assert spent(tmp_path / "victims.yaml") == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("https:", "http:", "must be https"),
        ("https://", "https://user:CANARY@", "without user"),
        ("azure.com", "azure.com?key=CANARY", "without user, query"),
        ("kind: azure", "kind: clarifai", "victims.azure"),
        ("key_file: azure.key", "key: CANARY", "victims.azure.azure.key: Extra inputs"),
        ("amount: 0.001", "amount: -1", "price.amount"),
        ("amount: 0.001", "amount: 2", "not a single call"),
        ("amount: 0.001", "amount: 0.00000001", "price.amount"),
        ("currency: USD", "currency: dollars", "price.currency"),
        (", as_of: 2026-01-01", "", "price.as_of: Field required"),
        ("    limits: {daily: 1, monthly: 10}\n", "", "limits: Field required"),
        ("state: state\n", "", "state: Field required"),
        ("victims:", "victims: [", "no YAML (line"),
        (AZURE, "", "valid dictionary"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_quoted(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(FaceOffError) as raised:
        victims_from(write(tmp_path, AZURE.replace(old, new)))
    assert raised.value.reason is Reason.INVALID_ARGUMENT
    assert said in raised.value.message
    assert "CANARY" not in str(raised.value)


def test_a_missing_file_and_a_missing_cache_key(tmp_path: Path) -> None:
    with pytest.raises(FaceOffError, match="No such file"):
        victims_from(tmp_path / "none.yaml")
    with pytest.raises(FaceOffError, match="cache's key file"):
        victims_from(write(tmp_path, "cache: {key_file: none}\n" + AZURE))


def test_http_is_for_this_machine_only(house: House) -> None:
    assert house.server.url.startswith("http://127.0.0.1")
    assert len(house.victims()) == 4


def test_a_secret_is_read_anew_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first\n")
    key = KeyFile(file)
    assert key.read() == key.read() == "first"
    (tmp_path / "new").write_text("other\n")
    (tmp_path / "new").rename(file)
    assert key.read() == "other"
    assert "other" not in repr(key)


@pytest.mark.parametrize("content", [b"", b"two words", b"two\nlines", b"\xff\xfe", b"x" * 5000, None])
def test_what_is_no_secret_is_refused_unquoted(tmp_path: Path, content: bytes | None) -> None:
    from faceoff.verify.victims.calls import Fault

    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(Fault) as raised:
        KeyFile(tmp_path / "key").read()
    assert raised.value.words == "Nothing was sent: key holds no usable key."
