"""Names, files and streams that nobody expects: a clear message, and the photos after it are still protected."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from faceoff.cli import main
from tests.unit.cli.fakes import Fakes, photo
from tests.unit.cli.test_process import faked

Output = pytest.CaptureFixture[str]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_no_regular_file_is_not_waited_for(album: Path, fakes: Fakes, capsys: Output) -> None:
    os.mkfifo(album / "pipe.png")
    (album / "loop.png").symlink_to("loop.png")
    (album / "folder.jpg").mkdir()
    (album / "good.png").write_bytes(photo())
    photos = ("pipe.png", "loop.png", "folder.jpg", f"{'n' * 300}.png", "good.png")
    assert main(["protect", *photos, "--json", "-q"], fakes.parts) == 1
    said = capsys.readouterr()
    *bad, good = map(json.loads, said.out.splitlines())
    assert [row["error"]["reason"] for row in bad] == ["INVALID_ARGUMENT"] * 3
    assert all(row["error"]["hint"] for row in bad)
    assert good["output"] == "good.faceoff.png"
    assert main(["protect", "folder.jpg"], fakes.parts) == 4


def test_a_name_that_leaves_no_room_is_refused_before_the_work(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / f"{'m' * 248}.png").write_bytes(photo())
    assert main(["protect", f"{'m' * 248}.png", "-q"], fakes.parts) == 2
    assert "File name too long" in capsys.readouterr().err
    assert not fakes.rooms.plans


def test_names_command_no_terminal_and_fake_no_line(album: Path, fakes: Fakes, capsys: Output) -> None:
    wild = "a\nfaceoff: all is well\x1b[2J.png"
    (album / wild).write_bytes(photo())
    assert main(["protect", wild], fakes.parts) == 0
    assert main(["protect", wild], fakes.parts) == 2
    said = capsys.readouterr()
    for stream in said:
        assert "\x1b" not in stream
        assert not any(line.startswith("faceoff: all") for line in stream.splitlines())


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("name", [b"not text \xff.png", "Zoë 写真.png".encode()])
def test_names_that_the_output_has_no_letters_for(
    name: bytes,
    encoding: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    path = os.fsdecode(name)
    (tmp_path / path).write_bytes(photo())
    for more in ((), ("--json", "--force")):
        done = subprocess.run(
            [*faked(), "protect", path, *more],
            env=environment | {"PYTHONIOENCODING": encoding},
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["photo"] == path
    assert (tmp_path / path.replace(".png", ".faceoff.png")).exists()


def test_a_plot_has_its_place_made_and_replaces_no_photo(album: Path, fakes: Fakes) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["protect", "a.png", "-q", "--plot", "new/folder/plot.png"], fakes.parts) == 0
    assert (album / "new" / "folder" / "plot.png").exists()
    assert main(["protect", "a.png", "--force", "--plot", "./a.png"], fakes.parts) == 2
    assert main(["protect", "a.png", "--force", "--plot", "a.png/plot.png"], fakes.parts) == 2
    assert (album / "a.png").read_bytes() == photo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [("a.png", "--json"), ("-",)])
def test_standard_output_on_a_full_disk(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "a.png").write_bytes(photo())
    with Path("/dev/full").open("wb") as full, (tmp_path / "a.png").open("rb") as source:
        done = subprocess.run(
            [*faked(), "protect", *arguments, "-q"],
            env=environment,
            cwd=tmp_path,
            stdin=source,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 2
    assert "Standard output cannot be written: No space left on device." in done.stderr


@pytest.mark.parametrize(("closed", "code"), [("<&-", 0), (">&-", 2), ("2>&-", 0)])
def test_streams_that_our_parent_closed(
    closed: str,
    code: int,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "a.png").write_bytes(photo())
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *faked(), "protect", "a.png", "--json"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path) == ["a.faceoff.png", "a.png", "attacking"]


def test_sigterm_leaves_nothing_behind(album: Path, fakes: Fakes) -> None:
    (album / "a.png").write_bytes(photo())
    before = signal.getsignal(signal.SIGTERM)
    fakes.rooms.during = lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        main(["protect", "a.png", "-q"], fakes.parts)
    assert left.value.code == 143
    assert names(album) == ["a.png"]
    assert signal.getsignal(signal.SIGTERM) is before
