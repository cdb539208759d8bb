from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.home import Home
from faceoff.training import objectives, trainer
from faceoff.training.checkpoint import Checkpoint
from faceoff.training.faces import Faces
from faceoff.training.recipes import blank
from faceoff.training.settings import Adversary, Architecture, Attack, Objective, Settings
from faceoff.training.trainer import Epoch
from faceoff.types import Float, Progress
from tests.unit.training.conftest import PEOPLE

TINY = Settings(architecture=Architecture.TINY, people=PEOPLE, epochs=3)


def weights(
    faces: Faces, settings: Settings, home: Path, stop_after: int = 0, heard: list[Progress] | None = None
) -> tuple[list[Float], list[Epoch]]:
    """Train, or go on; a stop is raised as Ctrl-C would be."""

    def tell(epoch: Epoch) -> None:
        if epoch.number == stop_after:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(Home(home), "x", trainer.identity(settings, faces))
    report = list[Progress]().append if heard is None else heard.append
    model, epochs = trainer.train(blank("x", settings), settings, faces, checkpoint, report, tell)
    return model.get_weights(), epochs


@pytest.mark.parametrize(
    "settings",
    [TINY, replace(TINY, objective=Objective.CENTER, adversary=Adversary(Attack.CW, steps=2))],
    ids=["triplet", "center, adversarially"],
)
def test_it_learns(settings: Settings, faces: Faces, tmp_path: Path) -> None:
    heard: list[Progress] = []
    _, epochs = weights(faces, replace(settings, epochs=16), tmp_path, heard=heard)
    assert epochs[-1].loss < 0.3 * epochs[0].loss
    assert epochs[0].auc < 0.85
    assert epochs[-1].auc > 0.93
    steps = 16 * -(-6 * PEOPLE // (PEOPLE * TINY.photos))
    assert [progress.done for progress in heard] == list(range(steps + 1))
    assert {progress.total for progress in heard} == {steps}


def test_an_interrupted_training_ends_as_an_undisturbed_one(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(TINY, epochs=2, objective=Objective.CENTER)
    undisturbed, epochs = weights(faces, settings, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        weights(faces, settings, tmp_path / "b", stop_after=1)
    with pytest.raises(FaceOffError, match="other settings or photos") as raised:
        weights(faces, replace(settings, epochs=3), tmp_path / "b")
    assert raised.value.reason is Reason.INVALID_ARGUMENT
    with monkeypatch.context() as changed:
        changed.setattr(objectives, "CENTRE_WEIGHT", float("nan"))
        with pytest.raises(FaceOffError, match=r"number in epoch 2. .*lower --learning-rate.*after epoch 1"):
            weights(faces, replace(settings, learning_rate=1e-2), tmp_path / "b")

    resumed, again = weights(faces, settings, tmp_path / "b")
    assert [(each.loss, each.auc) for each in again] == [(each.loss, each.auc) for each in epochs]
    for ours, theirs in zip(resumed, undisturbed, strict=True):
        np.testing.assert_array_equal(ours, theirs)

    (tmp_path / "b" / "training" / "x" / "checkpoint.npz").write_bytes(b"PK\3\4 cut short")
    with pytest.raises(FaceOffError, match="damaged"):
        weights(faces, settings, tmp_path / "b")


@pytest.mark.parametrize(("people", "photos"), [(3, 4), (8, 2), (5, 8)])
def test_batches_are_balanced_and_never_of_held_out_photos(faces: Faces, people: int, photos: int) -> None:
    (rows,) = np.nonzero(~faces.held_out)
    seen = set()
    for batch in trainer._batches(faces.labels, rows, people, replace(TINY, photos=photos), 1, steps=8):
        labels = faces.labels[batch].reshape(people, photos)
        assert (labels == labels[:, :1]).all()
        assert len(set(labels[:, 0])) == people
        assert set(batch) <= set(rows)
        seen |= set(labels[:, 0])
    assert seen == set(range(PEOPLE))
