"""Campaigns that ask the services of others: real adapters over real HTTP to the look-alikes."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceoff import image
from faceoff.campaign import journal, tables
from faceoff.campaign.journal import Row
from faceoff.campaign.run import run
from faceoff.cli import main
from faceoff.errors import FaceOffError
from faceoff.testing.faults import Fault
from faceoff.testing.lookalike import LookAlike, settings
from faceoff.types import Box, Float, Outcome
from faceoff.verify.rates import COUNTED
from tests.unit.campaign.fakes import Detector, Networks, campaign, content, folder, house

ROOT = Path(__file__).parents[3]
TERMS = (
    "price: {amount: 0.001, currency: USD, as_of: 2026-01-01}, limits: {daily: 1, monthly: 10}, rate: 1000, timeout: 30"
)


def embed(data: bytes) -> list[tuple[Box, Float]]:
    (crop,) = Detector().detect(image.decode(data))
    inputs = {"images": crop.pixels[None], "landmarks": crop.landmarks[None]}
    return [(crop.face.box, np.asarray(Networks().call("z", "embed", inputs)["embeddings"][0]))]


@pytest.fixture
def server() -> Iterator[LookAlike]:
    with LookAlike(embed, threshold=0.6) as server:
        yield server


@pytest.fixture
def asked(server: LookAlike, tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "keys"
    folder.mkdir()
    file = settings(folder, server.url, server.keys, TERMS)
    remote = ["azure", "rekognition"]
    return {
        "victims": {"file": str(file), "remote": remote, "consent": remote},
        "alphas": [1, 8],
        "encodings": [{"format": "png"}],
        "plans": [{"plan": "paper/pgd_l2", "set": {"loss": "hinge"}}],
    }


def rows(out: Path, victim: str = "azure") -> list[Row]:
    return [row for row in tables.latest(journal.read(out / "rows.jsonl")) if row["victim"] == victim]


def test_services_judge_as_networks_do(people: Path, tmp_path: Path, asked: dict[str, Any], server: LookAlike) -> None:
    out = tmp_path / "out"
    done = run(campaign(people, **asked), out, house, quiet=True)
    assert set(done["outcomes"]) == {Outcome.TRANSFERRED, Outcome.NOT_TRANSFERRED}
    for victim in ("azure", "rekognition"):
        found = rows(out, victim)
        strong = [row["score"] for row in found if row["line"] == "mask" and row["alpha"] == 8]
        weak = [row["score"] for row in found if row["line"] == "mask" and row["alpha"] == 1]
        clean = [row["score"] for row in found if row["line"] == "clean"]
        assert max(strong) < 0.5 < min(weak) < min(clean)
        assert all("target_score" in row and "rank" not in row for row in found if row["line"] == "mask")
    billed = len(server.billed)
    assert run(campaign(people, **asked), out, house, quiet=True)["new"] == 0
    assert len(server.billed) == billed


def test_a_cropped_picture_is_compared_with_a_cropped_photo(tmp_path: Path, asked: dict[str, Any]) -> None:
    people = folder(tmp_path / "people", wide=100)
    asked["encodings"] = [{"format": "png"}, {"format": "png", "cropped": True}]
    sizes = set()

    def noted(data: bytes) -> list[tuple[Box, Float]]:
        sizes.add(image.decode(data).width)
        return embed(data)

    with LookAlike(noted, threshold=0.6) as server:
        keys = tmp_path / "others"
        keys.mkdir()
        file = settings(keys, server.url, server.keys, TERMS)
        asked["victims"] |= {"file": str(file)}
        one = asked | {"alphas": [8], "encodings": asked["encodings"][1:]}
        run(campaign(people, **one), tmp_path / "cropped", house, quiet=True)
        assert len(sizes) == 1
        assert 196 not in sizes
        run(campaign(people, **asked), tmp_path / "both", house, quiet=True)
    assert len(sizes) == 2
    found = rows(tmp_path / "both")
    assert {row["encoding"] for row in found} == {"png", "png-cropped"}
    assert {row["outcome"] for row in found if row["line"] == "clean"} == {Outcome.NOT_TRANSFERRED}


def test_ranks_are_among_all_people(people: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    asked["victims"] |= {"ranks": True, "remote": ["rekognition"]}
    run(campaign(people, **asked), tmp_path / "out", house, quiet=True)
    for row in rows(tmp_path / "out", "rekognition"):
        assert row.get("clean_rank") == (1 if row["line"] == "mask" else None)
        if row["line"] == "mask" and row["alpha"] == 8:
            assert row["rank"] > 1 == row["target_rank"]
        else:
            assert row["rank"] == 1


def test_throttled_calls_are_no_evidence_and_asked_again(
    people: Path, tmp_path: Path, asked: dict[str, Any], server: LookAlike
) -> None:
    out = tmp_path / "out"
    server.fault("azure", Fault.BUSY, times=5, seconds=90)  # longer than the victim may take: no second try
    run(campaign(people, **asked), out, house, quiet=True)
    found = [row for row in rows(out) if row["line"] == "mask"]
    evidence = [row for row in found if row["outcome"] in COUNTED]
    assert {row["outcome"] for row in rows(out)} - set(COUNTED)
    assert sum(line["n"] for line in tables.masks(found)) == len(evidence) < len(found)
    before = len([call for call in server.billed if call.wire == "rekognition"])
    assert run(campaign(people, **asked), out, house, quiet=True)["new"] > 0
    assert {row["outcome"] for row in rows(out)} <= set(COUNTED)
    assert len([call for call in server.billed if call.wire == "rekognition"]) == before


def budget(asked: dict[str, Any], daily: str) -> None:
    """What a day may cost from now on."""
    file = Path(asked["victims"]["file"])
    file.write_text(re.sub(r"daily: [\d.]+", f"daily: {daily}", file.read_text()))


@pytest.mark.parametrize("again", [False, True])
def test_a_run_is_complete_when_no_cell_waits_for_the_budget(
    people: Path, tmp_path: Path, asked: dict[str, Any], server: LookAlike, again: bool
) -> None:
    asked["victims"] |= {"remote": ["facepp"], "consent": ["facepp"]}
    out, number = tmp_path / "out", int(again)
    if again:
        run(campaign(people, **asked), out, house, quiet=True)
    before = len(server.billed)

    def go_on() -> tuple[int, bool]:
        done = run(campaign(people, **asked), out, house, verify_only=again, quiet=True)
        assert done["run"] == number
        runs = json.loads((out / "manifest.json").read_text())["runs"]
        assert len(runs) == number + 1
        return done["left"], runs[number]["complete"]

    budget(asked, f"{(before + 12) / 1000}")  # of 20 calls
    assert go_on() == (4, False)
    assert go_on() == (4, False)
    assert len(server.billed) == before + 12
    budget(asked, "1")
    assert go_on() == (0, True)
    assert len(server.billed) == before + 20
    assert {row["outcome"] for row in rows(out, "facepp")} <= set(COUNTED)


def test_the_command_says_what_is_left(
    people: Path,
    tmp_path: Path,
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("faceoff.cli.campaign._house", lambda home: house())
    asked["victims"] |= {"remote": ["facepp"], "consent": ["facepp"]}
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(content(people, **asked)))
    command = ["campaign", "run", str(file), "--out", str(tmp_path / "out")]
    budget(asked, "0.002")
    assert main([*command, "--quiet"]) == 6
    assert capsys.readouterr().out.splitlines()[-1].startswith("10 cells are left, throttled or over budget")
    assert main([*command, "--json"]) == 6
    said = capsys.readouterr()
    assert json.loads(said.out)["left"] == 10
    assert said.err.splitlines()[-1].startswith("small: 2 of 12 cells, ")
    budget(asked, "1")
    assert main([*command, "--quiet"]) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_does_not_pay_again_for_what_was_answered(people: Path, tmp_path: Path, workers: int) -> None:
    plans = [{"plan": "paper/pgd_l2", "set": {"loss": "dodge"}, "grid": {"kappa": [0, 1]}}]
    questions, shown, held, gone = 4 + 4 * 2 * 3, itertools.count(), threading.Semaphore(0), threading.Event()

    def holding(data: bytes) -> list[tuple[Box, Float]]:
        """After twelve questions, in the midst of a job, nobody is answered or charged before the kill."""
        if next(shown) >= 24 and not gone.is_set():
            held.release()
            gone.wait(100)
            raise ConnectionError
        return embed(data)

    with LookAlike(holding, threshold=0.6) as server:
        keys, out = tmp_path / "keys", tmp_path / "out"
        victims = {
            "file": str(settings(keys, server.url, server.keys, TERMS)),
            "remote": ["facepp"],
            "consent": ["facepp"],
        }
        changes = {"plans": plans, "victims": victims, "encodings": [{"format": "png"}]}
        work = RUN.format(content=content(people, **changes), file=str(people), out=str(out), workers=workers)
        running = subprocess.Popen(
            [sys.executable, "-c", work], cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for _ in range(workers):  # each asks one question at a time, so what else was answered is remembered
            assert held.acquire(timeout=100)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        gone.set()
        assert len(journal.read(out / "rows.jsonl")) < len(server.billed) < questions
        assert (out / ".secret").stat().st_mode & 0o777 == 0o600
        done = run(campaign(people, **changes), out, house, quiet=True)
        assert (done["cells"], done["left"]) == (questions, 0)
        assert len(server.billed) == questions
        assert set(done["outcomes"]) <= set(COUNTED)


RUN = """
from pathlib import Path
from faceoff.campaign.config import parse
from faceoff.campaign.run import run
from tests.unit.campaign.fakes import house
run(parse({content!r}, Path({file!r})), Path({out!r}), house, workers={workers}, quiet=True)
"""


def test_a_later_run_asks_the_service_and_not_its_memory(
    people: Path, tmp_path: Path, asked: dict[str, Any], server: LookAlike
) -> None:
    file = Path(asked["victims"]["file"])
    (file.parent / "cache.key").write_text("abcdef")
    file.write_text("cache: {key_file: cache.key, hours: 9000}\n" + file.read_text())
    run(campaign(people, **asked), tmp_path, house, quiet=True)
    billed = len(server.billed)
    run(campaign(people, **asked), tmp_path, house, verify_only=True, quiet=True)
    assert len(server.billed) == 2 * billed


def test_what_fails_for_good_holds_no_run_open(people: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    broken = {path.read_bytes() for path in (people / "ada").iterdir()}

    def twice(data: bytes) -> list[tuple[Box, Float]]:
        return embed(data) * (2 if data in broken else 1)  # CompreFace refuses a reference with two faces

    with LookAlike(twice, threshold=0.6) as server:
        keys = tmp_path / "others"
        keys.mkdir()
        file = settings(keys, server.url, server.keys, TERMS)
        asked["victims"] = {"file": str(file), "remote": ["compreface"], "consent": ["compreface"]}
        done = run(campaign(people, **asked), tmp_path / "out", house, quiet=True)
        assert (done["left"], done["outcomes"][Outcome.ERROR]) == (0, 2)
        for number in (1, 2):
            done = run(campaign(people, **asked), tmp_path / "out", house, verify_only=True, quiet=True)
            assert (done["run"], done["left"]) == (number, 0)


def test_without_consent_nothing_is_sent(people: Path, asked: dict[str, Any], server: LookAlike) -> None:
    asked["victims"]["consent"] = []
    with pytest.raises(FaceOffError, match="would be sent photos"):
        campaign(people, **asked)
    assert not server.requests


def test_a_service_that_the_file_does_not_have_is_refused(people: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    asked["victims"] |= {"remote": ["nobody"], "consent": ["nobody"]}
    with pytest.raises(FaceOffError, match="no victim nobody"):
        run(campaign(people, **asked), tmp_path / "out", house, quiet=True)
