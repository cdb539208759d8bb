"""detect, models, doctor and version."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faceoff import __version__
from faceoff.cli import doctor, main
from faceoff.cli.doctor import State
from faceoff.networks import catalogue, store
from faceoff.networks.home import Home
from faceoff.networks.options import BuildOptions, Precision
from tests.unit.cli.fakes import FACELESS, Fakes, photo

Output = pytest.CaptureFixture[str]


def objects(capsys: Output) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_version(fakes: Fakes, capsys: Output) -> None:
    assert main(["version"], fakes.parts) == 0
    assert capsys.readouterr().out == f"faceoff {__version__}\n"


def test_detect(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo())
    assert main(["detect", "a.png"], fakes.parts) == 0
    assert "face 1: 5 x 6 at (20, 2), score 0.900" in capsys.readouterr().out
    assert main(["detect", "a.png", "--json"], fakes.parts) == 0
    (line,) = objects(capsys)
    assert line["photo"] == "a.png"
    assert [face["face"] for face in line["faces"]] == [0, 1]
    assert set(line["faces"][0]) == {"face", "box", "landmarks", "score"}


def test_detect_where_there_is_no_face(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "a.png").write_bytes(photo(width=FACELESS))
    assert main(["detect", "a.png", "--json"], fakes.parts) == 3
    assert objects(capsys)[0]["error"]["reason"] == "NO_FACE_DETECTED"


def test_models_list(fakes: Fakes, capsys: Output) -> None:
    assert main(["models", "list"], fakes.parts) == 0
    assert "facenet" in capsys.readouterr().out
    assert main(["models", "list", "--json"], fakes.parts) == 0
    lines = objects(capsys)
    assert [line["name"] for line in lines] == [card.name for card in catalogue.all_cards(Home(fakes.home))]
    assert not any(line["fetched"] for line in lines)


def test_models_fetch_from_a_wrong_file(album: Path, fakes: Fakes, capsys: Output) -> None:
    (album / "wrong.dat").write_bytes(b"not the weights")
    assert main(["models", "fetch", "dlib", "--from", "wrong.dat"], fakes.parts) == 1
    assert "faceoff: dlib: " in capsys.readouterr().err


def test_models_fetch_from_is_for_one_network(fakes: Fakes, capsys: Output) -> None:
    assert main(["models", "fetch", "--from", "somewhere"], fakes.parts) == 2
    assert "usage: faceoff models fetch" in capsys.readouterr().err


def test_models_of_an_unknown_name(fakes: Fakes, capsys: Output) -> None:
    assert main(["models", "fetch", "nobody"], fakes.parts) == 2
    assert "Known networks" in capsys.readouterr().err


def test_models_build_of_what_is_not_fetched(fakes: Fakes, capsys: Output) -> None:
    assert main(["models", "build"], fakes.parts) == 1
    assert "faceoff models fetch" in capsys.readouterr().err


def test_models_build_with_options_is_for_named_sets(fakes: Fakes, capsys: Output) -> None:
    assert main(["models", "build", "--xla"], fakes.parts) == 2
    assert "--precision and --xla are for sets that are named" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["models", "build", "sface", "--precision", "float8"], fakes.parts)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], None),
        (["--precision", "bfloat16"], BuildOptions(Precision.BFLOAT16)),
        (["--xla"], BuildOptions(xla=True)),
        (["--no-xla"], BuildOptions()),
    ],
)
def test_models_build_passes_the_options_on(
    arguments: list[str], options: BuildOptions | None, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    monkeypatch.setattr(store, "build", lambda cards, home, options: built.append(options))
    assert main(["models", "build", "facenet,sface", *arguments], fakes.parts) == 0
    assert built == [options]


def test_doctor_finds_what_is_missing(fakes: Fakes, capsys: Output) -> None:
    assert main(["doctor", "--json", "--server", "localhost:1"], fakes.parts) == 1
    found = {line["check"]: line for line in objects(capsys)}
    assert found["python"]["state"] == found["packages"]["state"] == found["tensorflow"]["state"] == "ok"
    assert found["network facenet"]["state"] == "fail"
    assert found["network facenet"]["hint"] == "Run: faceoff models fetch facenet"
    assert found["network dlib"]["state"] == "warn"
    assert found["models"]["state"] == "warn"
    assert found["server"]["state"] == "fail"
    assert "network fsvt" not in found  # nobody need bring the paper's own


def test_doctor_on_damaged_weights_and_built_models(tmp_path: Path) -> None:
    home = Home(tmp_path)
    weights = home.weights(catalogue.card("dlib"))
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"damaged")
    assert next(finding for finding in doctor.networks(home) if "dlib" in finding.check).state is State.FAIL
    model = home.model("dlib", 1)
    model.mkdir(parents=True)
    (model / "saved_model.pb").touch()
    assert doctor.models(home) == doctor.Finding("models", State.OK, "dlib")


def test_doctor_on_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert doctor.folder(tmp_path / "file").state is State.FAIL
    assert doctor.folder(tmp_path / "not" / "yet").state is not State.FAIL


def test_doctor_on_a_server_that_serves(fakes: Fakes) -> None:
    parts = replace(fakes.parts, check_health=lambda address, timeout: None)
    assert doctor.reachable("localhost:1", parts).state is State.OK
