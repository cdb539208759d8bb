"""The tenants' file, and the door that is made of it."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants import gate, keys
from faceoff.tenants.gate import Gate, Settings
from faceoff.tenants.principal import Principal, Scope
from faceoff.tenants.settings import Limits, TenantsFile
from faceoff.tenants.webhooks import Endpoint
from faceoff.types import Loss, Plan
from tests.authority import put

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FILE = """
oidc:
  issuer: https://id.example
  audience: faceoff
  jwks_file: jwks.json
targets: people
defaults: {rate: 1, burst: 2, quota: 10}
tenants:
  acme:
    quota: 1000
    webhook: {url: "https://acme.example/hook", secret_file: acme.secret}
"""
LISTEN = ["127.0.0.1:50050"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tenants.yaml"
    path.write_text(FILE)
    (tmp_path / "people" / "ann").mkdir(parents=True)
    (tmp_path / "acme.secret").write_text(f"{SECRET}\n")
    return path


def test_a_tenant_has_its_own_limits_or_the_default(file: Path) -> None:
    settings = TenantsFile(file).settings()
    assert settings.limits("acme") == Limits(1, 2, 1000)
    assert settings.limits("other") == Limits(1, 2, 10)


def test_the_door_of_a_file(file: Path, tmp_path: Path) -> None:
    token = keys.create(tmp_path / "keys.json", "acme", [Scope.PROTECT])
    door = Gate(Settings(tmp_path / "keys.json", file, tmp_path / "state.db"), ["0.0.0.0:80"])
    principal = door.authenticator.authenticate([("authorization", f"Bearer {token}")])
    assert door.targets() == tmp_path / "people"
    door.check_target(principal, Plan(loss=Loss.HINGE, target="ann"), ())
    with pytest.raises(FaceOffError):
        door.check_target(principal, Plan(loss=Loss.HINGE, target="eve"), ())
    door.limiter.reserve(principal.tenant, 1000)
    with pytest.raises(FaceOffError):
        door.limiter.reserve("other", 11)
    assert door._endpoint("acme") == Endpoint("https://acme.example/hook", (SECRET,))
    assert SECRET not in repr(door._endpoint("acme"))
    assert door._endpoint("other") is None
    door.close()


def test_a_change_takes_effect_and_a_mistake_does_not(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "jwks.json").write_text('{"keys": []}')
    door = Gate(Settings(tenants=file), LISTEN)
    with pytest.raises(FaceOffError):
        door.limiter.reserve("other", 11)
    put(file, FILE.replace("quota: 10}", "quota: 11}").encode())
    door.limiter.reserve("other", 11)
    for mistake in (
        b"\x00",
        b"tenants: [",
        b"defaults: {quota: -1}",
        b"unknown: 1",
        b"- a",
        b"!!python/object:os.system {}",
        b"a: !!timestamp x",
        b"a: !!bool x",
        b"[" * 10_000,
    ):
        put(file, mistake)
        for _ in range(3):
            assert door.targets() == file.parent / "people"
    assert capsys.readouterr().err.count("tenants_file_refused") == 7  # the same words are not repeated


@pytest.mark.parametrize(
    "text",
    [
        "tenants: {Acme: {}}",
        "tenants: {acme: {scopes: [research]}}",
        'tenants: {acme: {webhook: {url: "http://acme.example", secret_file: s}}}',
        'tenants: {acme: {webhook: {url: "https://me:hunter2@acme.example", secret_file: s}}}',
        "defaults: {rate: 0}",
        "defaults: {quota: .nan}",
        "oidc: {issuer: i, audience: a, jwks_file: f, algorithms: [HS256]}",
    ],
)
def test_a_door_does_not_start_with_a_mistake(tmp_path: Path, text: str) -> None:
    (tmp_path / "tenants.yaml").write_text(text)
    with pytest.raises(FaceOffError, match="cannot be used") as caught:
        Gate(Settings(tenants=tmp_path / "tenants.yaml"), LISTEN)
    assert "hunter2" not in str(caught.value)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_a_door_does_not_start_without_its_files(tmp_path: Path) -> None:
    for settings in (
        Settings(keys=tmp_path / "no"),
        Settings(tenants=tmp_path / "no"),
        Settings(state=Path("/dev/null/x")),
    ):
        with pytest.raises(FaceOffError) as caught:
            Gate(settings, LISTEN)
        assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_on_one_machine_there_are_no_limits_but_the_operators(file: Path) -> None:
    door = Gate(Settings(), LISTEN)
    local = door.authenticator.authenticate([])
    assert local == Principal("local", frozenset(Scope), "open")
    door.limiter.reserve(local.tenant, 1e9)
    assert door.targets() is None
    with pytest.raises(FaceOffError):
        Gate(Settings(), ["0.0.0.0:50050"])


def test_settings_come_from_options_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(*arguments: str) -> Settings:
        parser = argparse.ArgumentParser()
        gate.add_arguments(parser)
        return gate.settings(parser.parse_args(arguments))

    assert parsed() == Settings()
    assert parsed("--open", "--keys", "k") == Settings(Path("k"), open=True)
    monkeypatch.setenv("FACEOFF_KEYS", "other")
    monkeypatch.setenv("FACEOFF_TENANTS", "t")
    monkeypatch.setenv("FACEOFF_TENANTS_STATE", "s")
    monkeypatch.setenv("FACEOFF_OPEN", "1")
    assert parsed("--keys", "k") == Settings(Path("k"), Path("t"), Path("s"), open=True)
