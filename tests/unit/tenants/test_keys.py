"""API keys: what is let in, what is not, and what the file survives."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants import keys
from faceoff.tenants.keys import ApiKeys
from faceoff.tenants.principal import Principal, Scope


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def refusal(checker: ApiKeys, token: str) -> FaceOffError:
    with pytest.raises(FaceOffError) as caught:
        checker.check(token)
    return caught.value


def test_a_key_says_whose_call_it_is(file: Path) -> None:
    token = keys.create(file, "acme", [Scope.PROTECT, Scope.RESEARCH])
    name = token.split("_")[1]
    assert ApiKeys(file).check(token) == Principal("acme", frozenset({Scope.PROTECT, Scope.RESEARCH}), name)
    assert token.split("_")[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_guess_is_told_nothing(file: Path) -> None:
    acme, other = (keys.create(file, tenant, [Scope.PROTECT]) for tenant in ("acme", "other"))
    checker = ApiKeys(file)
    _, name, secret = acme.split("_")
    guesses = [
        f"fo_{name}_{other.split('_')[2]}",  # one tenant's id with another's secret
        f"fo_{name}_{'0' * 64}",
        f"fo_{'0' * 12}_{secret}",
        f"fo_{name}_{secret.upper()}",
        f"{acme}\n",
        acme[:-1],
        name,
        "",
    ]
    errors = [refusal(checker, guess) for guess in guesses]
    assert {error.reason for error in errors} == {Reason.UNAUTHENTICATED}
    assert len({str(error) for error in errors}) == 1


def test_a_key_is_replaced_without_a_gap(file: Path) -> None:
    old, new = (keys.create(file, "acme", [Scope.PROTECT]) for _ in range(2))
    checker = ApiKeys(file)
    assert checker.check(old).tenant == checker.check(new).tenant == "acme"
    with pytest.raises(FaceOffError, match="2 keys already"):
        keys.create(file, "acme", [Scope.PROTECT])
    keys.create(file, "other", [Scope.PROTECT])
    keys.revoke(file, old.split("_")[1])
    assert "was revoked" in refusal(checker, old).message
    assert checker.check(new).tenant == "acme"
    keys.create(file, "acme", [Scope.PROTECT])


def test_a_key_expires(file: Path) -> None:
    now = datetime.now(UTC)
    token = keys.create(file, "acme", [Scope.PROTECT], now + timedelta(hours=1))
    assert ApiKeys(file, lambda: now).check(token)
    assert "has expired" in refusal(ApiKeys(file, lambda: now + timedelta(hours=1)), token).message


@pytest.mark.parametrize("name", ["", "Acme", "a b", "../acme", "a\n", "-a", "a" * 64, "ä"])
def test_a_tenants_name_is_plain(file: Path, name: str) -> None:
    with pytest.raises(FaceOffError, match="cannot have this name"):
        keys.create(file, name, [Scope.PROTECT])


def test_revoking_what_is_not_there_changes_nothing(file: Path) -> None:
    keys.create(file, "acme", [Scope.PROTECT])
    before = file.read_bytes()
    with pytest.raises(FaceOffError) as caught:
        keys.revoke(file, "0" * 12)
    assert caught.value.reason is Reason.NOT_FOUND
    assert file.read_bytes() == before


def spoilt(file: Path) -> dict[str, bytes]:
    good = json.loads(file.read_text())
    key = good["keys"][0]
    return {
        "empty": b"",
        "garbage": bytes(range(256)),
        "list": b"[]",
        "deep": b"[" * 100_000,
        "huge": b" " * 5_000_000,
        "extra": json.dumps({**good, "extra": 1}).encode(),
        "twice": json.dumps({"keys": [key, key]}).encode(),
        "scope": json.dumps({"keys": [{**key, "scopes": ["root"]}]}).encode(),
        "no scope": json.dumps({"keys": [{**key, "scopes": []}]}).encode(),
        "no hash": json.dumps({"keys": [{**key, "sha256": ""}]}).encode(),
        "time": json.dumps({"keys": [{**key, "expires": "2030-01-01T00:00:00"}]}).encode(),
        "tenant": json.dumps({"keys": [{**key, "tenant": "../x"}]}).encode(),
    }


_SPOILT = (
    "empty",
    "garbage",
    "list",
    "deep",
    "huge",
    "extra",
    "twice",
    "tenant",
    "scope",
    "no scope",
    "no hash",
    "time",
)


@pytest.mark.parametrize("kind", _SPOILT)
def test_while_the_file_cannot_be_used_nobody_gets_in(file: Path, kind: str) -> None:
    token = keys.create(file, "acme", [Scope.PROTECT])
    good, checker = file.read_bytes(), ApiKeys(file)
    assert checker.check(token)
    file.write_bytes(spoilt(file)[kind])
    assert refusal(checker, token).reason is Reason.SERVICE_UNAVAILABLE
    with pytest.raises(FaceOffError, match="cannot be used"):
        keys.create(file, "acme", [Scope.PROTECT])  # and is not overwritten
    file.write_bytes(good)
    assert checker.check(token)


def test_what_is_no_file_holds_up_nobody(tmp_path: Path) -> None:
    pipe, token = tmp_path / "pipe", f"fo_{'0' * 12}_{'0' * 64}"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "missing", Path("/dev/zero")):
        assert refusal(ApiKeys(path), token).reason is Reason.SERVICE_UNAVAILABLE


def _create(file: Path, tenant: str) -> None:
    for _ in range(2):
        keys.create(file, tenant, [Scope.PROTECT])


def test_writers_at_once_lose_no_key(file: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_create, args=(file, f"tenant-{index}")) for index in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert [writer.exitcode for writer in writers] == [0] * 6
    assert len(keys.read(file)) == 12
    assert [path.name for path in file.parent.iterdir()] == ["keys.json"]


def test_a_link_to_the_file_stays_a_link(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    token = keys.create(link, "acme", [Scope.PROTECT])
    assert link.is_symlink()
    assert ApiKeys(link).check(token)
    assert ApiKeys(file).check(token)


@given(st.text(max_size=120) | st.from_regex(r"fo_[0-9a-f]{10,14}_[0-9a-f]{62,66}", fullmatch=True))
@settings(deadline=None)
def test_no_text_gets_in_by_its_form(token: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.json"
        keys.create(path, "acme", [Scope.PROTECT])
        assert refusal(ApiKeys(path), token).reason is Reason.UNAUTHENTICATED


def test_a_secret_is_in_nothing_that_is_said(
    file: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    token = keys.create(file, "acme", [Scope.PROTECT])
    secret, checker = token.split("_")[2], ApiKeys(file)
    said = [repr(checker), repr(checker.check(token)), repr(keys.read(file))]
    said += [repr(refusal(checker, bad)) for bad in (f"{token}x", f"fo_{'0' * 12}_{secret}")]
    file.write_bytes(file.read_bytes().replace(b'"protect"', json.dumps(secret).encode()))
    with pytest.raises(FaceOffError) as caught:
        keys.read(file)
    said += [str(caught.value), caplog.text, *capfd.readouterr()]
    assert secret not in "\n".join(said)
    assert keys._hash(secret) not in "\n".join(said)
