from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from faceoff import universal
from faceoff.cli import main
from faceoff.cli.parts import Parts
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.home import Home
from faceoff.pipeline import Rooms
from faceoff.presets import STRENGTHS
from faceoff.rooms import Report
from faceoff.testing import BoxDetector
from faceoff.types import CROP_SIZE, Crop, Gallery, Loss, Photo, Plan, Progress
from faceoff.universal import Universal
from tests.unit.cli.fakes import Everything, Fakes, photo

Output = pytest.CaptureFixture[str]


@dataclass
class FakeLearner:
    """Noise for a mask; remembers what it was asked."""

    asked: list[tuple[int, Plan, list[str]]] = field(default_factory=list)

    def learn(self, crops: Sequence[Crop], plan: Plan, report: Report, gallery: Gallery) -> Universal:
        self.asked.append((len(crops), plan, list(gallery)))
        for _ in range(2):
            report(Progress("attack", 0, plan.iterations))
        return learnt(plan)


def learnt(plan: Plan) -> Universal:
    delta = np.random.default_rng(plan.seed).normal(0, 0.01, (CROP_SIZE, CROP_SIZE, 3)).astype(np.float32)
    return Universal(delta, ("facenet", "gone"), plan.loss, plan.seed, plan.epsilon, plan.rms, photos=2, reached=1)


class Real(Everything):
    """Faces where a mask can be put; the attack is not to be asked."""

    def detect(self, photo: Photo) -> list[Crop]:
        return BoxDetector(1).detect(photo)


@pytest.fixture
def learner() -> FakeLearner:
    return FakeLearner()


@pytest.fixture
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Fakes:
    return Fakes(tmp_path_factory.mktemp("home"), Real())


@pytest.fixture
def parts(fakes: Fakes, learner: FakeLearner) -> Parts:
    return replace(fakes.parts, learner=lambda home: learner)


def people(folder: Path) -> Path:
    for name in ("bob", "cleo"):
        (folder / name).mkdir(parents=True)
        (folder / name / "0.png").write_bytes(photo())
    return folder


@pytest.fixture
def me(album: Path) -> Path:
    folder = album / "me"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.png").write_bytes(photo(shade=90 + number))
    return folder


def test_learning_writes_a_mask_and_says_what_it_is(
    me: Path, parts: Parts, learner: FakeLearner, capsys: Output
) -> None:
    assert main(["universal", "me", "-o", "me.npz"], parts) == 0
    photos, plan, others = learner.asked[0]
    assert (photos, others) == (2, [])
    assert plan == replace(STRENGTHS["balanced"], loss=Loss.DODGE)
    assert universal.read(Path("me.npz")).surrogates == ("facenet", "gone")
    said = capsys.readouterr()
    assert "learnt from 2 photos; on 1 of them its goal is reached on the surrogates" in said.out
    assert "hides less than one computed for the photo" in said.out
    assert "it cannot promise it" in said.out
    assert said.err.count("me.npz: computing the mask") == 1


def test_other_people_another_strength_another_seed(me: Path, parts: Parts, learner: FakeLearner) -> None:
    people(me.parent / "others")
    words = ["universal", "me", "-o", "me.npz", "--targets", "others", "--strength", "subtle", "--seed", "7", "-q"]
    assert main(words, parts) == 0
    _, plan, others = learner.asked[0]
    assert others == ["bob", "cleo"]
    assert plan == replace(STRENGTHS["subtle"], loss=Loss.CROWD, seed=7)


def test_a_file_that_is_there_is_refused_before_the_work(
    me: Path, parts: Parts, learner: FakeLearner, capsys: Output
) -> None:
    Path("me.npz").write_text("mine")
    assert main(["universal", "me", "-o", "me.npz"], parts) == 2
    assert not learner.asked
    assert "--force" in capsys.readouterr().err
    assert main(["universal", "me", "-o", "me.npz", "--force", "-q"], parts) == 0
    assert universal.read(Path("me.npz")).photos == 2


def test_what_fails_leaves_no_file(me: Path, parts: Parts, capsys: Output) -> None:
    class Stopped(FakeLearner):
        def learn(self, crops: Sequence[Crop], plan: Plan, report: Report, gallery: Gallery) -> Universal:
            raise FaceOffError(Reason.NETWORK_MISSING, "It is not here.", "Fetch it.")

    assert main(["universal", "me", "-o", "me.npz"], replace(parts, learner=lambda home: Stopped())) == 1
    assert main(["universal", "nobody", "-o", "me.npz"], parts) == 2
    assert not Path("me.npz").exists()


@pytest.fixture
def mask(me: Path) -> Path:
    universal.write(learnt(replace(STRENGTHS["subtle"], loss=Loss.CROWD, seed=5)), me.parent / "me.npz")
    return me.parent / "me.npz"


def test_protecting_computes_nothing_and_says_so(mask: Path, fakes: Fakes, parts: Parts, capsys: Output) -> None:
    Path("a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--universal", "me.npz"], parts) == 0
    assert "a mask made before, not evaluated on its surrogates" in capsys.readouterr().out
    assert main(["protect", "a.png", "--universal", "me.npz", "--json", "--force"], parts) == 0
    (face,) = json.loads(capsys.readouterr().out)["faces"]
    assert (face["outcome"], face["iterations"]) == ("not_evaluated", 0)
    assert not fakes.rooms.plans


@pytest.mark.parametrize(("words", "strength"), [([], "subtle"), (["--strength", "strong"], "strong")])
def test_the_mask_is_as_visible_as_it_was_learnt_for_or_as_is_said(
    words: list[str], strength: str, mask: Path, fakes: Fakes, parts: Parts
) -> None:
    asked: list[Plan] = []

    class Amplifier(Everything):
        def amplify(self, photo, crops, masks, plan, encoding):  # type: ignore[no-untyped-def]
            asked.append(plan)
            return super().amplify(photo, crops, masks, plan, encoding)

    def local(home: Home, victims: Path | None) -> Rooms:
        return Rooms(fakes.rooms, fakes.rooms, Amplifier(), fakes.rooms)

    Path("a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--universal", "me.npz", "-q", *words], replace(parts, local=local)) == 0
    expected = STRENGTHS[strength]
    assert (asked[0].rms, asked[0].epsilon) == (expected.rms, expected.epsilon)
    assert (asked[0].surrogates, asked[0].loss, asked[0].seed) == (("facenet", "gone"), Loss.CROWD, 5)


def test_a_network_that_the_mask_was_learnt_on_cannot_judge_it(
    mask: Path, fakes: Fakes, parts: Parts, capsys: Output
) -> None:
    Path("a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--universal", "me.npz", "--victims", "facenet"], parts) == 2
    assert "cannot be both a surrogate and a victim" in capsys.readouterr().err
    assert not fakes.built


@pytest.mark.parametrize(
    "words",
    [["--seed", "0"], ["--targets", "DIR"], ["--untargeted"], ["--method", "paper/pgd_l2"], ["--server", "x:1"]],
)
def test_options_of_computing_do_not_go_with_it(words: list[str], mask: Path, parts: Parts, capsys: Output) -> None:
    Path("a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--universal", "me.npz", *words], parts) == 2
    assert f"leave {words[0]} out" in capsys.readouterr().err


def test_a_file_that_is_no_mask(mask: Path, fakes: Fakes, parts: Parts, capsys: Output) -> None:
    Path("a.png").write_bytes(photo())
    assert main(["protect", "a.png", "--universal", "a.png"], parts) == 2
    assert "a.png is not a universal mask" in capsys.readouterr().err
    assert not fakes.built
