"""``faceoff keys``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceoff.cli import main
from faceoff.tenants.keys import ApiKeys


def test_a_keys_life(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys.json"
    monkeypatch.setenv("FACEOFF_KEYS", str(file))
    assert main(["keys", "create", "acme", "--scope", "protect", "--scope", "research", "--days", "30"]) == 0
    said = capsys.readouterr()
    token = said.out.strip()
    assert "only time" in said.err
    assert ApiKeys(file).check(token).scopes == {"protect", "research"}

    assert main(["keys", "list", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["tenant"], row["state"], row["scopes"]) == ("acme", "live", ["protect", "research"])
    assert main(["keys", "revoke", row["id"]]) == 0
    assert main(["keys", "list"]) == 0
    out = capsys.readouterr().out
    assert "revoked" in out
    assert token not in out


def test_a_command_without_its_file_or_with_a_wrong_scope_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEOFF_KEYS", raising=False)
    assert main(["keys", "list"]) == 2
    assert main(["keys", "list", "--file", str(tmp_path / "missing")]) == 2
    assert main(["keys", "create", "acme", "--file", str(tmp_path / "no" / "keys.json")]) == 2
    with pytest.raises(SystemExit):
        main(["keys", "create", "acme", "--scope", "root", "--file", str(tmp_path / "keys.json")])
    assert list(tmp_path.iterdir()) == []
