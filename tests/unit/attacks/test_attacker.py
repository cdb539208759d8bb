"""Every method on a tiny set: budgets hold, goals are reached, batch-mates and chunks make no difference."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf

from faceoff.attacks import pgd, texture
from faceoff.attacks.attacker import LocalAttacker, budget
from faceoff.attacks.methods import ATTACKS
from faceoff.attacks.task import CHUNK
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import crop_box, window
from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.rooms import Report
from faceoff.types import (
    CROP_SIZE,
    OWN,
    Array,
    Box,
    Crop,
    Gallery,
    Loss,
    Mask,
    MaskOutcome,
    Method,
    Metric,
    Plan,
    Progress,
    Reference,
)
from tests.unit import tiny

ROWS = {
    Method.PGD_L2: Plan(method=Method.PGD_L2, epsilon=0.3, step_size=0.06, iterations=55),
    Method.PGD_LINF: Plan(method=Method.PGD_LINF, epsilon=0.3, step_size=0.06, iterations=55),
    Method.CW_L2: Plan(method=Method.CW_L2, step_size=0.02, iterations=40, search_steps=4),
    Method.CW_LINF: Plan(method=Method.CW_LINF, step_size=0.02, iterations=40, search_steps=6),
}


@pytest.fixture(scope="module")
def networks() -> tiny.TinyNetworks:
    return tiny.TinyNetworks("a", "b")


def ignore(progress: Progress) -> None:
    """Nobody is watching."""


def attack(
    networks: tiny.TinyNetworks,
    plan: Plan,
    crops: Sequence[Crop],
    gallery: Gallery = MappingProxyType({}),
    report: Report = ignore,
) -> list[Mask]:
    return LocalAttacker(networks, networks.card).attack(crops, replace(plan, surrogates=("a", "b")), report, gallery)


def test_surrogates_that_are_not_there_are_refused_before_there_is_a_face() -> None:
    networks = Mock(spec=tiny.TinyNetworks)
    networks.version.side_effect = FaceOffError(Reason.NETWORK_MISSING, "There is no such set.")
    attacker = LocalAttacker(networks, lambda name: catalogue.card(name, Home(Path("nowhere"))))
    for names, reason in (
        (("sface", "nobody"), Reason.UNKNOWN_NETWORK),
        (("sface", "facenet"), Reason.NETWORK_MISSING),
    ):
        with pytest.raises(FaceOffError) as caught:
            attacker.check(names)
        assert caught.value.reason is reason
    networks.version.assert_called_once_with("facenet+sface")


def test_every_method_has_a_row() -> None:
    assert set(ROWS) == set(Method) == set(ATTACKS)


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("loss", list(Loss))
def test_reaches_its_goal_within_its_budget(networks: tiny.TinyNetworks, method: Method, loss: Loss) -> None:
    plan = replace(ROWS[method], loss=loss)
    crops = tiny.crops(2)
    gallery = {"other": tiny.crops(2, seed=5), "third": tiny.crops(1, seed=6)} if loss is not Loss.DODGE else {}
    weights = window(tiny.LANDMARKS)
    for crop, mask in zip(crops, attack(networks, plan, crops, gallery), strict=True):
        changed = crop.pixels + mask.delta
        assert changed.min() >= -1e-6
        assert changed.max() <= 1 + 1e-6
        assert not mask.delta[weights[..., 0] == 0].any()
        if method is Method.PGD_L2:
            assert np.linalg.norm(mask.delta) <= plan.epsilon * np.sqrt(3 * weights.sum()) * (1 + 1e-5)
        if method is Method.PGD_LINF:
            assert np.abs(mask.delta).max() <= plan.epsilon * (1 + 1e-5)
        assert mask.outcome is MaskOutcome.REACHED
        assert 0 < mask.iterations <= budget(plan)
        assert len(mask.trace) >= mask.iterations // CHUNK


def test_the_face_and_its_surroundings_are_bounded_apart(networks: tiny.TinyNetworks) -> None:
    """With ``surround`` the box has the mask's RMS, what is around it no more, and neither is left out."""
    plan = replace(ROWS[Method.PGD_L2], epsilon=0.004, jitter=0.01, decay=0.9, texture=0.7, surround=True)
    (crop,) = tiny.crops(1)
    (mask,) = attack(networks, plan, [crop])
    (together,) = attack(networks, replace(plan, surround=False), [crop])
    plain = window(crop.landmarks)
    weighted = plain * np.square(texture.weights(crop.pixels, plan.texture))
    places = pgd.regions(tf.constant([crop_box(crop)]), CROP_SIZE, CROP_SIZE)
    box, near, rest = places.numpy()[0][..., None]
    np.testing.assert_array_equal(box + near + rest, 1)
    assert near[49, 60:130].all()
    assert not near[50, 60:130].any()
    assert rest[0].all()
    larger = (plain * box).sum() / (weighted * box).sum()
    for region in (box, near, rest):
        bound = plan.epsilon * np.sqrt(3 * larger * (weighted * region).sum())
        assert 0.9 * bound <= np.linalg.norm(mask.delta * region) <= bound * (1 + 1e-5)
    assert np.linalg.norm(together.delta * rest) < 0.9 * np.linalg.norm(mask.delta * rest)


def test_a_box_beside_its_landmarks_bounds_nothing(networks: tiny.TinyNetworks) -> None:
    (crop,) = tiny.crops(1)
    astray = replace(crop, face=replace(crop.face, box=Box(-50, -50, 10, 10)))
    plan = replace(ROWS[Method.PGD_L2], iterations=10)
    (mask,) = attack(networks, replace(plan, surround=True), [astray])
    (together,) = attack(networks, plan, [astray])
    np.testing.assert_array_equal(mask.delta, together.delta)


@pytest.mark.parametrize("method", list(Method))
def test_batch_mates_make_no_difference(networks: tiny.TinyNetworks, method: Method) -> None:
    plan = replace(ROWS[method], jitter=1.0, shrink=0.5, epsilon=0.03, iterations=20)
    crops = tiny.crops(4)
    together = attack(networks, plan, crops)
    alone = attack(networks, plan, crops[2:3])
    assert np.abs(together[2].delta - alone[0].delta).max() <= 1e-4


@pytest.mark.parametrize("method", list(Method))
def test_same_seed_same_mask_other_seed_other_mask(networks: tiny.TinyNetworks, method: Method) -> None:
    crops = tiny.crops(1)
    plan = replace(ROWS[method], jitter=1.0, search_steps=2, iterations=12)
    first, second = attack(networks, plan, crops)[0], attack(networks, plan, crops)[0]
    other = attack(networks, replace(plan, seed=7), crops)[0]
    np.testing.assert_array_equal(first.delta, second.delta)
    assert np.abs(first.delta - other.delta).max() > 1e-4


def test_best_iterate_is_kept(networks: tiny.TinyNetworks) -> None:
    """Steps far too long end somewhere bad: the result is the best that was seen, not the last."""
    plan = replace(ROWS[Method.PGD_L2], step_size=3.0, iterations=40, loss=Loss.TARGET)
    gallery = {"other": tiny.crops(1, seed=5)}
    mask = attack(networks, plan, tiny.crops(1), gallery)[0]
    longer = attack(networks, replace(plan, iterations=200), tiny.crops(1), gallery)[0]

    def loss_of(found: Mask) -> float:
        crop = tiny.crops(1)[0]
        embeddings = networks.network.embed((crop.pixels + found.delta)[None], crop.landmarks[None]).numpy()
        other = networks.network.embed(gallery["other"][0].pixels[None], crop.landmarks[None]).numpy()
        return float(np.linalg.norm((embeddings - other)[0][: networks.network.sizes[0]]))

    assert loss_of(longer) <= loss_of(mask) + 1e-3


def test_progress_is_true_and_stops_within_one_chunk(networks: tiny.TinyNetworks) -> None:
    seen: list[Progress] = []

    def stop_after_two(progress: Progress) -> None:
        seen.append(progress)
        if progress.done >= 2 * CHUNK:
            raise FaceOffError(Reason.CANCELLED, "stopped")

    networks.calls.clear()
    with pytest.raises(FaceOffError):
        attack(networks, replace(ROWS[Method.PGD_L2], iterations=100), tiny.crops(1), report=stop_after_two)
    assert sorted({progress.done for progress in seen}) == [0, CHUNK, 2 * CHUNK]
    assert all(progress.total == 100 for progress in seen)
    assert networks.calls.count("pgd_steps") == 2


def test_more_faces_than_a_batch(networks: tiny.TinyNetworks) -> None:
    crops = tiny.crops(5)
    plan = replace(ROWS[Method.PGD_L2], iterations=5)
    masks = attack(networks, plan, crops)
    assert len(masks) == len(crops)
    alone = attack(networks, plan, crops[-1:])[0]
    np.testing.assert_allclose(masks[-1].delta, alone.delta, atol=1e-5)


def test_early_ends_at_the_first_mask_that_reaches_the_goal(networks: tiny.TinyNetworks) -> None:
    plan = replace(ROWS[Method.PGD_L2], iterations=200, jitter=0.5, shrink=0.5)
    whole, early = (attack(networks, replace(plan, early=early), tiny.crops(1))[0] for early in (False, True))
    assert whole.iterations == 200
    assert early.iterations < 100
    assert early.outcome is MaskOutcome.REACHED


def test_early_does_not_end_at_a_view_that_the_plain_one_contradicts(networks: tiny.TinyNetworks) -> None:
    """With wild views some hold the goal by chance; the attack goes on until the face as it is does, or the steps end."""
    plan = replace(ROWS[Method.PGD_L2], iterations=60, jitter=3.0, epsilon=0.01, early=True)
    for mask in attack(networks, plan, tiny.crops(4)):
        assert mask.outcome is MaskOutcome.REACHED or mask.iterations == plan.iterations


def test_a_warm_start_finds_a_mask_as_small_in_fewer_steps(networks: tiny.TinyNetworks) -> None:
    cold = replace(ROWS[Method.CW_L2], iterations=100, search_steps=6)
    warm = replace(cold, iterations=20, search_steps=4, warm_start=20, epsilon=0.3)
    slow, quick = (attack(networks, plan, tiny.crops(1))[0] for plan in (cold, warm))
    assert quick.iterations <= 100 < slow.iterations
    assert quick.outcome is slow.outcome is MaskOutcome.REACHED
    assert np.linalg.norm(quick.delta) <= 1.2 * np.linalg.norm(slow.delta)


def test_cw_gives_a_round_up_that_gets_nowhere(networks: tiny.TinyNetworks) -> None:
    """Steps too short to matter, under jitter that moves the loss up and down."""
    plan = replace(ROWS[Method.CW_L2], step_size=1e-4, jitter=2.0, kappa=9.0, iterations=100, search_steps=2)
    assert attack(networks, plan, tiny.crops(1))[0].iterations < budget(plan)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("reference", list(Reference))
def test_references_and_metrics(networks: tiny.TinyNetworks, metric: Metric, reference: Reference) -> None:
    """Each leads away from the source and to the target, as its own kind of distance sees it."""
    crop, gallery = tiny.crops(1)[0], {"other": tiny.crops(3, seed=5), "third": tiny.crops(2, seed=6)}
    plan = replace(ROWS[Method.PGD_L2], loss=Loss.HINGE, metric=metric, reference=reference, target="third")
    mask = attack(networks, plan, [crop], gallery)[0]
    assert mask.outcome is MaskOutcome.REACHED

    def embedding(pixels: Array) -> Array:
        return np.asarray(networks.network.embed(pixels[None], crop.landmarks[None]).numpy()[0, :6])

    found, source = embedding(crop.pixels + mask.delta), embedding(crop.pixels)
    third = np.stack([embedding(other.pixels) for other in gallery["third"]])
    if reference is Reference.CENTROID:
        third = third.mean(0, keepdims=True)
    assert np.linalg.norm(found - third, axis=-1).mean() < np.linalg.norm(found - source)


def test_own_photos_are_of_the_source_not_of_a_target(networks: tiny.TinyNetworks) -> None:
    plan = replace(ROWS[Method.PGD_L2], iterations=20)
    without, with_own = (
        attack(networks, plan, tiny.crops(1), gallery)[0] for gallery in ({}, {OWN: tiny.crops(2, seed=3)})
    )
    assert np.abs(without.delta - with_own.delta).max() > 1e-3
    with pytest.raises(FaceOffError) as error:
        attack(networks, replace(plan, loss=Loss.HINGE), tiny.crops(1), {OWN: tiny.crops(1)})
    assert error.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("change", "gallery"),
    [
        ({"iterations": 0}, {}),
        ({"epsilon": 0.0}, {}),
        ({"epsilon": float("nan")}, {}),
        ({"loss": Loss.HINGE}, {}),
        ({"target": "nobody"}, {"somebody": tiny.crops(1)}),
        ({"loss": Loss.HINGE}, {"somebody": []}),
    ],
)
def test_impossible_plans_are_refused(networks: tiny.TinyNetworks, change: dict[str, Any], gallery: Gallery) -> None:
    with pytest.raises(FaceOffError) as error:
        attack(networks, replace(ROWS[Method.PGD_L2], **change), tiny.crops(1), gallery)
    assert error.value.reason is Reason.INVALID_ARGUMENT
    assert error.value.hint
