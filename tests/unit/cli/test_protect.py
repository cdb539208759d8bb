from __future__ import annotations

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from faceoff.cli import main
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.home import Home
from faceoff.pipeline import Rooms
from faceoff.presets import STRENGTHS
from faceoff.types import Encoding, Loss, Method, Outcome
from tests.unit.cli.fakes import FACELESS, Fakes, photo, verdict

Output = pytest.CaptureFixture[str]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def objects(capsys: Output) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_png_stays_png_and_jpeg_stays_jpeg_without_subsampling(album: Path, fakes: Fakes) -> None:
    (album / "a.png").write_bytes(photo())
    (album / "b.jpeg").write_bytes(photo("JPEG"))
    (album / "c.webp").write_bytes(photo("WEBP"))
    assert main(["protect", "a.png", "b.jpeg", "c.webp"], fakes.parts) == 0
    assert names(album) == ["a.faceoff.png", "a.png", "b.faceoff.jpg", "b.jpeg", "c.faceoff.png", "c.webp"]
    with Image.open(album / "b.faceoff.jpg") as result:
        assert result.format == "JPEG"
        assert [layer[1:3] for layer in result.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
    assert fakes.rooms.encodings == [Encoding("PNG", 95), Encoding("JPEG", 95), Encoding("PNG", 95)]
    assert fakes.built == 1


def test_the_photo_is_found_by_content_not_by_name(album: Path, fakes: Fakes) -> None:
    (album / "really-a-jpeg.png").write_bytes(photo("JPEG"))
    assert main(["protect", "really-a-jpeg.png", "-q"], fakes.parts) == 0
    assert "really-a-jpeg.faceoff.jpg" in names(album)


def test_words_for_people(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["protect", "a.png"], fakes.parts) == 0
    said = capsys.readouterr()
    assert "a.faceoff.png" in said.out
    assert "RMS 3.6" in said.out
    assert "SSIM 0.960" in said.out
    assert "dlib no longer matches the original: 0.71 -> 0.43, threshold 0.62" in said.out
    assert "This lowers the chance of recognition; it cannot promise it." in said.out
    assert "a.png: computing the mask" in said.err


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_words(outcome: Outcome, album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    fakes.rooms.verdicts = [verdict(outcome, clean=None, protected=None)]
    assert main(["protect", "a.png"], fakes.parts) == 0
    assert "    dlib " in capsys.readouterr().out


def test_json_is_one_object_a_photo_failed_ones_too(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    (album / "b.png").write_bytes(photo(width=FACELESS))
    assert main(["protect", "a.png", "b.png", "--json"], fakes.parts) == 1
    done, failed = objects(capsys)
    assert done.pop("seconds") >= 0
    face = {
        "outcome": "reached",
        "method": "pgd_l2",
        "alpha": STRENGTHS["balanced"].alpha,
        "rms": 3.6,
        "ssim": 0.96,
        "iterations": 40,
    }
    assert done == {
        "photo": "a.png",
        "output": "a.faceoff.png",
        "faces": [
            {"box": {"x": 4, "y": 2, "width": 10, "height": 12}, **face},
            {"box": {"x": 20, "y": 2, "width": 5, "height": 6}, **face},
        ],
        "verdicts": [
            {
                "face": 0, "victim": "dlib", "version": "1", "date": "2026-01-01", "against": "original", "view": "photo",
                "clean_score": 0.71, "protected_score": 0.43, "threshold": 0.62, "outcome": "transferred",
                "raw_score": None, "raw_threshold": None, "note": "",
            }
        ],
    }  # fmt: skip
    assert failed["photo"] == "b.png"
    assert failed["error"]["reason"] == "NO_FACE_DETECTED"
    assert set(failed["error"]) == {"reason", "message", "hint"}


def test_folders_are_walked_and_mirrored(album: Path, fakes: Fakes, capsys: Output) -> None:
    for name in ("in/b/x.png", "in/a/x.JPG", "in/x.png", "in/.hidden/x.png", "in/old.faceoff.png"):
        path = album / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo())
    (album / "in/notes.txt").write_text("no photo")
    (album / "in/camera").write_bytes(photo("JPEG"))
    assert main(["protect", "in", "-o", "out", "--json"], fakes.parts) == 0
    assert names(album / "out") == ["a/x.faceoff.png", "b/x.faceoff.png", "camera.faceoff.jpg", "x.faceoff.png"]
    assert [line["photo"] for line in objects(capsys)] == ["in/camera", "in/x.png", "in/a/x.JPG", "in/b/x.png"]


def test_patterns_that_the_shell_left_alone(album: Path, fakes: Fakes) -> None:
    for name in ("a.png", "b.faceoff.png", "c.jpg", "[1].png"):
        (album / name).write_bytes(photo())
    assert main(["protect", "?.png", "[1].png", "-q"], fakes.parts) == 0
    assert "a.faceoff.png" in names(album)
    assert "[1].faceoff.png" in names(album)
    assert "c.faceoff.png" not in names(album)
    assert len(fakes.rooms.plans) == 2


def test_a_result_is_protected_again_only_when_it_alone_is_named(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    (album / "a.faceoff.png").write_bytes(photo())
    assert main(["protect", "a.png", "a.faceoff.png", "--force", "-q"], fakes.parts) == 0
    assert names(album) == ["a.faceoff.png", "a.png"]
    assert main(["protect", "a.faceoff.png", "-q"], fakes.parts) == 0
    assert "a.faceoff.faceoff.png" in names(album)


def test_a_photo_named_twice_is_protected_once(album: Path, fakes: Fakes) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["protect", "a.png", "./a.png", ".", "-q"], fakes.parts) == 0
    assert len(fakes.rooms.plans) == 1


def test_nothing_is_overwritten_unless_forced(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    (album / "a.faceoff.png").write_bytes(b"precious")
    assert main(["protect", "a.png"], fakes.parts) == 2
    assert (album / "a.faceoff.png").read_bytes() == b"precious"
    assert "--force" in capsys.readouterr().err
    assert not fakes.rooms.plans  # refused before the work
    assert main(["protect", "a.png", "--force"], fakes.parts) == 0
    assert (album / "a.faceoff.png").read_bytes() != b"precious"


def test_two_photos_of_a_run_never_share_a_result(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo(shade=1))
    (album / "a.webp").write_bytes(photo("WEBP", shade=200))
    assert main(["protect", "a.png", "a.webp", "--force", "-q"], fakes.parts) == 1
    with Image.open(album / "a.faceoff.png") as result:
        assert result.getpixel((0, 0)) == (1, 60, 30)
    assert "another --out-dir" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (photo(width=FACELESS), 3),
        (b"", 4),
        (b"no photo at all", 4),
        (photo()[:60], 4),
        (bytes(26_000_000), 4),
        (None, 4),
    ],
    ids=["no face", "empty", "text", "cut off", "too large", "missing"],
)
def test_exit_code_of_photos_that_cannot_be_protected(
    data: bytes | None, code: int, album: Path, fakes: Fakes, capsys: Output
) -> None:
    if data is not None:
        (album / "a.png").write_bytes(data)
    assert main(["protect", "a.png"], fakes.parts) == code
    assert capsys.readouterr().err.splitlines()[-2].startswith("faceoff: a.png: ")
    (album / "good.jpg").write_bytes(photo("JPEG"))
    assert main(["protect", "a.png", "good.jpg", "-q"], fakes.parts) == 1
    assert "good.faceoff.jpg" in names(album)


def test_a_folder_without_photos(album: Path, fakes: Fakes) -> None:
    assert main(["protect", "."], fakes.parts) == 4


def test_a_server_that_is_not_there(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--server", "localhost:1", "--json"], fakes.parts) == 5
    said = capsys.readouterr()
    assert "Nothing answers at localhost:1." in said.err
    assert json.loads(said.out)["error"]["reason"] == "SERVICE_UNAVAILABLE"


def test_networks_that_are_missing_fail_once_but_json_names_every_photo(
    album: Path, fakes: Fakes, capsys: Output
) -> None:
    def missing(home: Home, victims: Path | None) -> Rooms:
        raise FaceOffError(Reason.NETWORK_MISSING, "The network is not here.", "Run `faceoff models fetch`.")

    for name in ("a.png", "b.png"):
        (album / name).write_bytes(photo())
    assert main(["protect", "a.png", "b.png", "--json", "-q"], replace(fakes.parts, local=missing)) == 1
    said = capsys.readouterr()
    assert said.err.count("The network is not here.") == 1
    assert [json.loads(line)["photo"] for line in said.out.splitlines()] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--nope"],
        ["a.png", "--strength", "extreme"],
        ["a.png", "--quality", "0"],
        ["a.png", "--iterations", "0"],
        ["a.png", "--alpha", "nan"],
        ["a.png", "--face", "-1"],
        ["a.png", "--surrogates", ","],
        ["a.png", "b.png", "--plot", "plot.png"],
        ["a.png", "--plot", "a.png"],
        ["-", "--json"],
        ["-", "a.png"],
        ["a.png", "--surrogates", "sface,nobody"],
        ["a.png", "--surrogates", "sface", "--victims", "dlib,sface"],
        ["a.png", "--face", "7"],
    ],
)
def test_usage_errors(arguments: list[str], album: Path, fakes: Fakes, capsys: Output) -> None:
    for name in ("a.png", "b.png"):
        (album / name).write_bytes(photo())
    try:
        code = main(["protect", *arguments], fakes.parts)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err
    assert names(album) == ["a.png", "b.png"]


def test_the_plan_is_a_strength_with_what_was_said_over_it(album: Path, fakes: Fakes) -> None:
    (album / "a.png").write_bytes(photo())

    def plan_of(*arguments: str) -> Any:
        assert main(["protect", "a.png", "--force", "-q", *arguments], fakes.parts) == 0
        return fakes.rooms.plans[-1]

    assert plan_of().rms == 3.7
    assert plan_of("--strength", "strong").iterations == 60
    said = plan_of(
        "--surrogates", "sface, facenet", "--kappa", "2", "--alpha", "1.5", "--iterations", "7", "--seed", "3"
    )
    assert (said.surrogates, said.kappa, said.alpha, said.iterations) == (("sface", "facenet"), 2.0, 1.5, 7)
    assert said.seed == 3
    paper = plan_of("--method", "paper/cw_l2_small", "--untargeted")
    assert (paper.method, paper.loss, paper.iterations, paper.rms) == (Method.CW_L2, Loss.DODGE, 100, 0)
    assert plan_of().loss is Loss.CROWD
    assert plan_of("--untargeted").loss is Loss.DODGE
    assert plan_of("--method", "released/pgd_linf", "--strength", "subtle").rms == 2.0


def test_only_the_faces_that_were_picked(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--face", "1", "--json"], fakes.parts) == 0
    (line,) = objects(capsys)
    assert [face["box"]["x"] for face in line["faces"]] == [20]


def test_own_photos_and_other_people_go_into_the_gallery(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    for folder in ("me", "others/ann"):
        (album / folder).mkdir(parents=True)
        (album / folder / "1.png").write_bytes(photo())
    assert main(["protect", "a.png", "-q", "--own", "me", "--targets", "others"], fakes.parts) == 0
    assert {label: len(crops) for label, crops in fakes.rooms.galleries[-1].items()} == {"": 1, "ann": 1}
    assert fakes.rooms.plans[-1].loss is Loss.CROWD
    assert main(["protect", "a.png", "-q", "--own", "nowhere"], fakes.parts) == 2
    assert "No face was found in the photos of nowhere" in capsys.readouterr().err


def test_quiet_says_nothing(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["protect", "a.png", "-q"], fakes.parts) == 0
    assert capsys.readouterr() == ("", "")


def test_standard_input_to_standard_output(
    album: Path, fakes: Fakes, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(photo("JPEG"))))
    assert main(["protect", "-"], fakes.parts) == 0
    said = capfdbinary.readouterr()
    with Image.open(io.BytesIO(said.out)) as result:
        assert result.format == "JPEG"
    assert b"no longer matches" in said.err
    assert names(album) == []


def test_standard_input_to_a_folder(album: Path, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(photo())))
    assert main(["protect", "-", "-o", "out", "--json"], fakes.parts) == 0
    assert names(album) == ["out/stdin.faceoff.png"]


def test_a_plot_beside_the_result(album: Path, fakes: Fakes) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--plot", "plot.png"], fakes.parts) == 0
    with Image.open(album / "plot.png") as plot:
        assert plot.format == "PNG"
    assert names(album) == ["a.faceoff.png", "a.png", "plot.png"]


def test_interrupted_in_the_attack(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    (album / "b.png").write_bytes(photo())
    fakes.rooms.during = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert main(["protect", "a.png", "b.png"], fakes.parts) == 130
    assert names(album) == ["a.png", "b.png"]
    assert len(fakes.rooms.plans) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_out_of_time(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--timeout", "1e-9"], fakes.parts) == 1
    assert "--timeout" in capsys.readouterr().err
    assert names(album) == ["a.png"]


def test_the_unexpected_is_one_line_unless_debugging(
    album: Path, fakes: Fakes, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEOFF_DEBUG", "0")

    def broken() -> None:
        raise ZeroDivisionError("oops")

    (album / "a.png").write_bytes(photo())
    fakes.rooms.during = broken
    assert main(["protect", "a.png", "-q"], fakes.parts) == 1
    said = capsys.readouterr().err
    assert "Unexpected ZeroDivisionError" in said
    assert "FACEOFF_DEBUG=1" in said
    assert "Traceback" not in said
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "protect", "a.png", "-q"], fakes.parts)


def test_a_folder_that_cannot_be_written(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    (album / "out").write_text("a file")
    assert main(["protect", "a.png", "-o", "out"], fakes.parts) == 2
    assert "Cannot write" in capsys.readouterr().err
