"""docs/threat-model.md rests on tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE)))


@pytest.mark.parametrize("named", NAMED)
def test_what_shows_it_is_there(named: str) -> None:
    path, _, name = named.partition("::")
    assert (ROOT / path).is_file()
    assert f"def {name or 'test_'}" in (ROOT / path).read_text()


def test_every_threat_says_what_is_left() -> None:
    threats = re.split(r"^### ", PAGE.partition("## Threats")[2].partition("\n## ")[0], flags=re.M)[1:]
    assert len(threats) >= 9
    assert [threat.partition("\n")[0] for threat in threats if "*Left:*" not in threat] == []


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
