import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from faceoff.campaign import journal, tables
from faceoff.campaign.folder import Folder
from faceoff.campaign.house import House
from faceoff.campaign.journal import Row
from faceoff.campaign.run import run
from faceoff.campaign.sections import facts
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Outcome
from faceoff.verify.rates import COUNTED
from tests.unit.campaign.fakes import Attacker, campaign, content, folder, house, slow_house

ROOT = Path(__file__).parents[3]
CELLS = (4 + 8 * 3) * 2 * 2


def table(out: Path) -> list[Row]:
    """The rows apart from how long they took and when, in the cells' order."""
    rows = journal.read(out / "rows.jsonl")
    left_out = ("seconds", "date", "batch")
    return sorted(({k: v for k, v in row.items() if k not in left_out} for row in rows), key=lambda row: row["cell"])


@pytest.fixture(scope="module")
def undisturbed(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = run(campaign(people), out, house, quiet=True)
    assert (done["cells"], done["new"], done["run"]) == (CELLS, CELLS, 0)
    return out


def test_every_cell_has_one_row(undisturbed: Path) -> None:
    rows = table(undisturbed)
    assert len(rows) == len({row["cell"] for row in rows}) == CELLS
    assert {row["line"] for row in rows} == {"clean", "mask"}
    mask = next(row for row in rows if row["line"] == "mask" and row["alpha"] == 8 and row["victim"] == "v1")
    assert mask["l2"] > 0 < mask["rms"]
    assert {"score", "clean_score", "target_score", "rank", "target_rank", "r_surrogate", "r_victim"} <= set(mask)
    clean = {
        (row["person"], row["photo"], row["encoding"], row["victim"]): row for row in rows if row["line"] == "clean"
    }
    for row in rows:
        if row["line"] == "mask":
            before = clean[row["person"], row["photo"], row["encoding"], row["victim"]]
            assert (row["clean_score"], row["clean_rank"]) == (before["score"], before["rank"])


def test_a_finished_campaign_is_not_run_again(undisturbed: Path, people: Path) -> None:
    before = (undisturbed / "rows.jsonl").read_bytes()
    attacker = Attacker()
    assert run(campaign(people), undisturbed, lambda: house(attacker), quiet=True)["new"] == 0
    assert not attacker.faces
    assert (undisturbed / "rows.jsonl").read_bytes() == before


def test_one_mask_serves_every_alpha_victim_and_encoding(people: Path, tmp_path: Path) -> None:
    attacker = Attacker()
    run(campaign(people), tmp_path, lambda: house(attacker), quiet=True)
    assert sum(attacker.faces) == 4 * 2
    assert len(list((tmp_path / "masks").iterdir())) == 8
    run(campaign(people, alphas=[1, 3, 8]), tmp_path, lambda: house(attacker), quiet=True)
    assert sum(attacker.faces) == 8


def test_cropped_pictures_show_the_same_face_alone(tmp_path: Path) -> None:
    people = folder(tmp_path / "people", wide=100)
    encodings = [
        {"format": "png"},
        {"format": "png", "cropped": True},
        {"format": "jpeg", "scale": 0.5, "cropped": True},
    ]
    out = tmp_path / "out"
    run(campaign(people, encodings=encodings, alphas=[8]), out, house, quiet=True)
    whole, cropped, small = (
        {(row["line"], row["victim"], row["person"], row["photo"], row.get("kappa")): row for row in table(out)
         if row["encoding"] == name}
        for name in ("png", "png-cropped", "jpeg-75-420-x0.5-cropped")
    )  # fmt: skip
    assert set(whole) == set(cropped) == set(small)
    assert len(whole) == (4 + 8) * 2
    for key, row in whole.items():
        assert cropped[key]["score"] == pytest.approx(row["score"], abs=0.02)
        if row["line"] == "mask":
            assert cropped[key]["clean_score"] is not None
            sizes = [
                Image.open(next(out.glob(f"pictures/*/{found[key]['look']}.*"))).size for found in (whole, cropped)
            ]
            assert sizes[0] == (196, 96)
            assert sizes[1][0] < 150
            assert sizes[1][1] == 96
    differences = tables.cropped(journal.read(out / "rows.jsonl"))
    assert {line["encoding"] for line in differences} == {"png-cropped"}
    assert all(abs(line["difference"]["mean"]) < 0.02 for line in differences)


def test_killed_at_twenty_moments_the_table_is_the_same(undisturbed: Path, people: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.campaign.kill", str(people), str(tmp_path), "1"]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=250, check=True)
    runs = sorted(tmp_path.iterdir())
    assert len(runs) > 2
    for out in runs:
        assert table(out) == table(undisturbed)


def test_two_workers_make_the_same_table(undisturbed: Path, people: Path, tmp_path: Path) -> None:
    done = run(campaign(people), tmp_path, slow_house, workers=2, quiet=True)
    assert done["new"] == CELLS
    assert table(tmp_path) == table(undisturbed)


def test_a_worker_that_dies_is_reported(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARENT", str(os.getpid()))
    with pytest.raises(FaceOffError, match=r"A worker ended \(exit code 7\)"):
        run(campaign(people), tmp_path, dying_house, workers=2, quiet=True)


def dying_house() -> House:
    """A worker's process does not survive it."""
    if os.environ["PARENT"] != str(os.getpid()):
        os._exit(7)
    return house()


def test_torn_and_broken_lines_are_done_again(undisturbed: Path, people: Path, tmp_path: Path) -> None:
    run(campaign(people), tmp_path, house, quiet=True)
    rows = tmp_path / "rows.jsonl"
    lines = rows.read_bytes().splitlines(keepends=True)
    lines[5] = b"\0" * 40 + b"\n"
    rows.write_bytes(b"".join(lines[:-1]) + lines[-1][:-9])
    assert run(campaign(people), tmp_path, house, quiet=True)["new"] == 2
    assert table(tmp_path) == table(undisturbed)


def test_a_lost_or_broken_mask_is_computed_again(undisturbed: Path, people: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(campaign(people), tmp_path, lambda: house(Attacker(dies=2)), quiet=True)
    masks = sorted((tmp_path / "masks").iterdir())
    assert masks
    masks[0].write_bytes(b"PK\3\4 cut off")
    run(campaign(people), tmp_path, house, quiet=True)
    assert table(tmp_path) == table(undisturbed)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alphas": [1, 3, 9]}, "`alphas` is [1.0, 3.0, 9.0], there it was [1.0, 3.0, 8.0]"),
        ({"encodings": [{"format": "png", "cropped": True}]}, "`encodings` is [{"),
        ({"seed": 3}, "`seed` is 3, there it was 0"),
        ({"victims": {"local": ["v1", "v3"]}}, "`victims`"),
    ],
)
def test_another_campaign_is_refused_in_the_folder(
    undisturbed: Path, people: Path, changes: dict[str, Any], words: str
) -> None:
    before = table(undisturbed)
    with pytest.raises(FaceOffError) as caught:
        run(campaign(people, **changes), undisturbed, house, quiet=True)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert words in caught.value.message
    assert "--out" in caught.value.hint
    assert table(undisturbed) == before


def test_other_photos_or_weights_are_refused(people: Path, tmp_path: Path) -> None:
    mine = folder(tmp_path / "people")
    run(campaign(mine), tmp_path / "out", house, quiet=True)
    (mine / "ada" / "0.png").write_bytes((mine / "bea" / "0.png").read_bytes())
    with pytest.raises(FaceOffError, match="the photos have changed"):
        run(campaign(mine), tmp_path / "out", house, quiet=True)
    out = tmp_path / "other"
    run(campaign(people), out, house, quiet=True)
    changed = house()
    object.__setattr__(changed, "weights", lambda name: "new" if name == "v1" else f"weights of {name}")
    with pytest.raises(FaceOffError, match="the victims' weights have changed"):
        run(campaign(people), out, lambda: changed, quiet=True)
    assert run(campaign(people), out, lambda: changed, verify_only=True, quiet=True)["run"] == 1


def test_two_runs_in_one_folder_are_refused(people: Path, tmp_path: Path) -> None:
    with Folder(tmp_path).locked(), pytest.raises(FaceOffError, match="Another run is at work"):
        run(campaign(people), tmp_path, house, quiet=True)


@pytest.mark.parametrize(("victim", "reason"), [("gone", Reason.UNKNOWN_NETWORK), ("blind", Reason.INVALID_ARGUMENT)])
def test_a_victim_that_cannot_judge_is_refused(people: Path, tmp_path: Path, victim: str, reason: Reason) -> None:
    with pytest.raises(FaceOffError) as caught:
        run(campaign(people, victims={"local": [victim]}), tmp_path, house, quiet=True)
    assert caught.value.reason is reason
    if victim == "blind":
        assert "`faceoff models thresholds DIR blind`" in caught.value.hint
    assert not (tmp_path / "rows.jsonl").exists()


def test_the_stored_pictures_are_verified_again(people: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceOffError, match="no campaign to verify again"):
        run(campaign(people), tmp_path, house, verify_only=True, quiet=True)
    run(campaign(people), tmp_path, house, quiet=True)
    attacker = Attacker()
    done = run(campaign(people), tmp_path, lambda: house(attacker), verify_only=True, quiet=True)
    assert (done["run"], done["cells"], done["new"]) == (1, CELLS, CELLS)
    assert not attacker.faces
    assert run(campaign(people), tmp_path, house, verify_only=True, quiet=True)["run"] == 2
    rows = table(tmp_path)
    first, later = ({row["cell"]: row for row in rows if row["run"] == number} for number in (0, 1))
    assert {**first} == {cell: row | {"run": 0} for cell, row in later.items()}
    assert [run["complete"] for run in json.loads((tmp_path / "manifest.json").read_text())["runs"]] == [True] * 3


def test_a_later_run_says_what_it_was_made_with(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(campaign(people), tmp_path, house, quiet=True)
    changed = replace(house(), weights=lambda name: "new" if name == "v1" else f"weights of {name}")
    monkeypatch.setattr("faceoff.campaign.manifest.commit", lambda: "later")
    assert run(campaign(people), tmp_path, lambda: changed, verify_only=True, quiet=True)["run"] == 1
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    first, later = manifest["runs"]
    assert (first["victims"], first["commit"]) == (manifest["victims"], manifest["commit"])
    assert (later["victims"], later["commit"]) == ({"v1": "new", "v2": "weights of v2"}, "later")
    assert later["versions"]["numpy"]
    (fact,) = (fact for fact in facts(manifest) if fact.startswith("run 1 of "))
    assert "code later" in fact
    assert "v1: weights new; v2: weights weights of v2" in fact
    assert "not complete" not in fact
    # What is left of it with these weights is not mixed with others'.
    later["complete"] = False
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert run(campaign(people), tmp_path, lambda: changed, verify_only=True, quiet=True)["run"] == 1
    later["complete"] = False
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert "run 1 of" in facts(manifest)[-1]
    assert "not complete" in facts(manifest)[-1]
    assert run(campaign(people), tmp_path, house, verify_only=True, quiet=True)["run"] == 2


def test_lost_pictures_hold_no_run_open(people: Path, tmp_path: Path) -> None:
    run(campaign(people), tmp_path, house, quiet=True)
    shutil.rmtree(tmp_path / "pictures" / "clean")
    for number in (1, 2):
        done = run(campaign(people), tmp_path, house, verify_only=True, quiet=True)
        assert (done["run"], done["left"]) == (number, 0)
        assert done["outcomes"][Outcome.NO_CLEAN_PAIR] > 0


def test_a_killed_verification_goes_on_as_the_same_run(people: Path, tmp_path: Path) -> None:
    run(campaign(people), tmp_path, house, quiet=True)
    run(campaign(people), tmp_path, house, verify_only=True, quiet=True)
    rows, manifest = tmp_path / "rows.jsonl", tmp_path / "manifest.json"
    rows.write_bytes(b"".join(rows.read_bytes().splitlines(keepends=True)[:-30]))
    facts = json.loads(manifest.read_text())
    facts["runs"][1]["complete"] = False
    manifest.write_text(json.dumps(facts))
    done = run(campaign(people), tmp_path, house, verify_only=True, quiet=True)
    assert (done["run"], done["new"]) == (1, 30)


def test_a_picture_in_which_no_face_is_found_is_no_evidence(people: Path, tmp_path: Path) -> None:
    encodings = [{"format": "png"}, {"format": "png", "scale": 0.5}]
    run(campaign(people, encodings=encodings), tmp_path, lambda: house(least=60), quiet=True)
    rows = table(tmp_path)
    half = [row for row in rows if row["encoding"] == "png-x0.5"]
    assert half
    assert {row["outcome"] for row in half} == {Outcome.NO_FACE_PROTECTED}
    assert all(row["outcome"] in COUNTED for row in rows if row["encoding"] == "png")


def test_the_manifest_says_what_it_was_made_with(undisturbed: Path, people: Path) -> None:
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert manifest["config"] == campaign(people).decisive()
    assert manifest["surrogates"] == {"facenet": "weights of facenet"}
    assert manifest["victims"] == {"v1": "weights of v1", "v2": "weights of v2"}
    assert sorted(manifest["photos"]) == ["ada", "bea", "cleo", "dora"]
    assert all(len(sha) == 64 for files in manifest["photos"].values() for sha in files.values())
    assert manifest["versions"]["numpy"]
    assert "cores" in manifest["hardware"]
    assert str(people) not in (undisturbed / "manifest.json").read_text()


def test_time_left_is_told(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(campaign(people), tmp_path, house)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == f"small: {CELLS} of {CELLS} cells, 0.0 min left"


FAKED = """
import sys
from faceoff.cli import campaign, main
from faceoff.cli.parts import native_silence
with native_silence():
    from tests.unit.campaign.fakes import Attacker, house
campaign._house = lambda home: house(Attacker({pause}))
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def command(people: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(content(people)))

    def start(*words: str, pause: float = 0.0) -> subprocess.Popen[str]:
        code = FAKED.format(pause=pause)
        arguments = [sys.executable, "-c", code, "campaign", *words]
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=quiet,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


def test_the_command_runs_and_reports(command: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    done = command("run", str(tmp_path / "small.yaml"), "--out", out, "--json", "--quiet")
    told, complaints = done.communicate(timeout=100)
    assert (done.returncode, complaints) == (0, "")
    assert json.loads(told)["new"] == CELLS
    done = command("report", out)
    told, complaints = done.communicate(timeout=100)
    assert (done.returncode, complaints) == (0, "")
    assert [Path(line).name for line in told.splitlines()] == ["index.html", "report.md", "table.csv"]
    done = command("run", str(tmp_path / "none.yaml"), "--out", out)
    assert "No such file" in done.communicate(timeout=100)[1]
    assert done.returncode == 2


def test_ctrl_c_stops_it_cleanly(
    command: Callable[..., subprocess.Popen[str]], undisturbed: Path, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    running = command("run", str(tmp_path / "small.yaml"), "--out", str(out), pause=0.5)
    until = time.monotonic() + 100
    while not (out / "rows.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    _, complaints = running.communicate(timeout=100)
    assert running.returncode == 130
    assert "interrupted" in complaints
    assert "Traceback" not in complaints
    run(campaign(people), out, house, quiet=True)
    assert table(out) == table(undisturbed)
