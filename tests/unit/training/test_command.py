"""The command in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from faceoff.cli import main
from faceoff.cli.parts import Parts
from faceoff.cli.train import _duration, default_name
from faceoff.networks import catalogue
from faceoff.networks.card import Format
from faceoff.networks.home import Home
from faceoff.networks.local import LocalNetworks
from faceoff.testing import BoxDetector
from faceoff.training import quality
from faceoff.training.faces import Faces
from faceoff.training.settings import Adversary, Architecture, Attack, Settings
from faceoff.types import Float

ROOT = Path(__file__).parents[3]
COMMAND = """
import sys
from pathlib import Path
from faceoff.cli import main
from faceoff.cli.parts import Parts
from faceoff.networks.home import Home
from faceoff.testing import BoxDetector
sys.exit(main(sys.argv[1:], Parts(Home(Path("home")), detector=BoxDetector)))
"""
TINY = ("--architecture", "tiny", "--out", "mine")


def start(folder: Path, where: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FACEOFF_DEBUG": "0"}
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "train", str(folder), *TINY, *arguments],
        cwd=where,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_and_on_to_a_network_like_any_other(folder: Path, faces: Faces, tmp_path: Path) -> None:
    epochs = ("--epochs", "30")
    with start(folder, tmp_path, *epochs) as child:
        assert child.stderr is not None
        while not child.stderr.readline().startswith("epoch 2/"):
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=30)[1]
    assert child.returncode == 130
    assert "goes on after the last whole epoch" in said
    assert "Traceback" not in said
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["training"]

    with start(folder, tmp_path, *epochs) as child:
        out, said = child.communicate(timeout=200)
    assert child.returncode == 0, said
    assert "8 people: 48 photos to train on, 24 held out" in said
    assert "epoch 2/30" not in said
    assert "epoch 30/30" in said
    assert "WARNING" not in said
    assert out.startswith("mine: verification AUC")
    assert "--surrogates mine" in out
    assert list((tmp_path / "home" / "training").iterdir()) == []

    home = Home(tmp_path / "home")
    card = catalogue.card("mine", home)
    assert card.format is Format.KERAS_H5
    assert card.loss == "triplet"
    assert card.training_data.startswith("48 photos of 8 people")
    assert card.threshold_pairs.startswith("252 pairs of different people among 24 held-out photos")
    # The SavedModel, read back through the importer and with the set's own alignment, measures what the training did.
    assert (home.model("mine", 1) / "saved_model.pb").exists()
    (rows,) = np.nonzero(faces.held_out)
    images = np.asarray(faces.pixels[rows] / 255, np.float32)
    inputs: dict[str, Float] = {"images": images, "landmarks": faces.landmarks[rows]}
    served = LocalNetworks(home).call("mine", "embed", inputs)["embeddings"]
    measured = quality.thresholds(quality.pairs(served, faces.labels[rows]))
    assert measured == pytest.approx(dict(card.thresholds), abs=2e-4)
    assert list(measured) == [1e-1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 2, "has 0 sub-folders"),
        (["people", "--out", "dlib"], 2, "built-in"),
        (["people", "--device", "gpu"], 2, "finds no GPU"),
        (["people", "--adversarial", "pgd", "--batch-photos", "3"], 2, "even number"),
        (["people"], 3, "No face was found"),
    ],
)
def test_refusals(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / "people" / name).mkdir(parents=True)
        (tmp_path / "people" / name / "x.png").write_bytes(b"no photo")
    parts = Parts(Home(tmp_path / "home"), detector=BoxDetector)
    command = ["train", str(tmp_path / arguments[0]), "--architecture", "tiny", *arguments[1:]]
    assert main(command, parts) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_an_unknown_architecture_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", str(tmp_path), "--architecture", "huge"])
    assert "tiny" in capsys.readouterr().err


def test_names_and_times() -> None:
    assert default_name(Settings()) == "small-triplet-128"
    adversarial = Settings(architecture=Architecture.LARGE, dimension=512, adversary=Adversary(Attack.CW))
    assert default_name(adversarial) == "large-triplet-512-cw"
    assert [_duration(seconds) for seconds in (3, 600, 7200)] == ["3 s", "10 min", "2.0 h"]
