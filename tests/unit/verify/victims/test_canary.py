"""Marked secrets through every fault, with every library's debug log on: none comes out anywhere, and nothing of a photo."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceoff.testing.faults import Fault
from faceoff.testing.lookalike import LookAlike, settings
from faceoff.testing.wires import Keys
from faceoff.verify.victims import asking
from faceoff.verify.victims.asking import consented
from faceoff.verify.victims.settings import victims_from
from tests.unit.verify.victims.house import OTHER, REFERENCE, TERMS, WIRES, House, find

MARK = "cAnArY"
PHOTO = base64.b64encode(REFERENCE.data)[:40].decode()
KEYS = Keys(*(f"{MARK}{number}{MARK}" for number in range(6)))


class Everything(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Everything]:
    """All that any library logs, its debug messages included."""
    everything, root = Everything(), logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers, everything])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    root.manager._clear_cache()  # type: ignore[attr-defined]
    yield everything
    monkeypatch.undo()
    root.manager._clear_cache()  # type: ignore[attr-defined]


def test_no_secret_and_nothing_of_a_photo_comes_out(
    tmp_path: Path, log: Everything, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "_BACKOFF", lambda _: 0.0)
    said: list[str] = []
    with LookAlike(find, KEYS) as server:
        house = House(server, settings(tmp_path, server.url, KEYS, TERMS))
        patient = victims_from(house.file)
        house.terms(TERMS.replace("timeout: 8", "timeout: 0.3"))
        hasty = victims_from(house.file)
        for fault in (None, *Fault):  # each on another account, for which nothing is remembered
            victims = consented(hasty if fault is Fault.SLOW else patient, WIRES, f"tenant {fault}")
            for wire, victim in victims.items():
                if fault is not None:
                    server.fault(wire, fault, seconds=60 if fault is Fault.SLOW else 0)
                said += [repr(victim), repr(vars(victim)), repr(victim.compare(REFERENCE, OTHER))]
        assert len(server.billed) > len(Fault) * len(WIRES) // 2
    out, err = capfd.readouterr()
    for text in ("\n".join(said), "\n".join(log.lines), out, err):
        assert MARK.lower() not in text.lower()
        assert PHOTO not in text
        assert repr(REFERENCE.data)[2:40] not in text
    assert any("HTTP Request" in line for line in log.lines)  # the logs were on
    for file in (tmp_path / "state").iterdir():
        assert MARK.encode() not in file.read_bytes()
        assert REFERENCE.data[:64] not in file.read_bytes()


def test_the_marks_would_be_found(house: House, log: Everything, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the level that we set, botocore's debug log has the key's id and the photos."""
    victim = house.victims()["rekognition"]
    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.DEBUG)
    logging.root.manager._clear_cache()  # type: ignore[attr-defined]
    assert victim.compare(REFERENCE, OTHER).score is not None
    assert any(house.server.keys.aws_id in line for line in log.lines)
    assert any(PHOTO in line for line in log.lines)
