"""The training itself: balanced batches, half of each adversarial where asked, measured and saved after every epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.align import normalised
from faceoff.networks.architectures import LocalResponse
from faceoff.networks.card import Card
from faceoff.networks.options import Precision
from faceoff.networks.sets import unit
from faceoff.rooms import Report
from faceoff.training import quality, recipes
from faceoff.training.adversary import half_masked
from faceoff.training.checkpoint import Checkpoint
from faceoff.training.faces import Faces
from faceoff.training.objectives import Loss, objective
from faceoff.training.settings import Settings
from faceoff.training.views import Embedder, inference, varied
from faceoff.types import Array, Progress

MEASURED = 2000
"""Held-out photos that are measured on at most: two million pairs."""


@dataclass(frozen=True)
class Epoch:
    """``loss`` is the mean over its steps, ``auc`` that of verification on the held-out photos, ``seconds`` what it took."""

    number: int
    loss: float
    auc: float
    seconds: float


Tell = Callable[[Epoch], None]


def identity(settings: Settings, faces: Faces) -> dict[str, Any]:
    """What must be the same for a training to go on where it was interrupted. A diverged one goes on at a lower rate."""
    decides = asdict(settings)
    del decides["learning_rate"]
    return decides | {"faces": np.bincount(faces.labels).tolist()}


def train(
    card: Card, settings: Settings, faces: Faces, checkpoint: Checkpoint, report: Report, tell: Tell
) -> tuple[keras.Model, list[Epoch]]:
    """The card's network trained on ``faces``, from where ``checkpoint`` has got to, and every epoch of it.

    ``report`` hears of the steps and may raise to stop, ``tell`` of each epoch. Raises INVALID_ARGUMENT where the loss is no
    longer a number or the batch does not fit into memory.
    """
    keras.utils.set_random_seed(settings.seed)
    model = _build(card, settings.precision)
    (rows,) = np.nonzero(~faces.held_out)
    people = min(settings.people, faces.people)
    steps = math.ceil(len(rows) / (people * settings.photos))
    goal = objective(settings, faces.people)
    trainable = [*model.trainable_variables, *goal.trainable]
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(trainable)
    variables = [*model.variables, *goal.variables, *optimizer.variables]
    records, arrays = checkpoint.load()
    for variable, array in zip(variables, arrays, strict=bool(arrays)):
        variable.assign(array)
    epochs = [Epoch(**record) for record in records]
    step, embed = _stepper(model, card, goal, optimizer, trainable, settings), Embedder(model, card)
    for number in range(len(epochs) + 1, settings.epochs + 1):
        start = time.monotonic()
        losses = []
        for index, batch in enumerate(_batches(faces.labels, rows, people, settings, number, steps)):
            report(Progress("training", (number - 1) * steps + index, settings.epochs * steps))
            seed = tf.constant([settings.seed % 2**31, number * steps + index], tf.int32)
            try:
                losses.append(float(step(faces.pixels[batch], faces.landmarks[batch], faces.labels[batch], seed)))
            except tf.errors.ResourceExhaustedError as error:
                raise _too_large(settings) from error
            if not math.isfinite(losses[-1]):
                raise _diverged(settings, number)
        auc = quality.auc(_verification(embed, faces))
        epoch = Epoch(number, float(np.mean(losses)), auc, time.monotonic() - start)
        epochs.append(epoch)
        checkpoint.save([asdict(each) for each in epochs], [variable.numpy() for variable in variables])
        tell(epoch)
    report(Progress("training", settings.epochs * steps, settings.epochs * steps))
    return model, epochs


def verification(model: keras.Model, card: Card, faces: Faces) -> quality.Pairs:
    """The held-out pairs by the weights as they are."""
    return _verification(Embedder(model, card), faces)


def _verification(embed: Embedder, faces: Faces) -> quality.Pairs:
    rows = measured_rows(faces)
    return quality.pairs(embed(faces.pixels, faces.landmarks, rows), faces.labels[rows])


def measured_rows(faces: Faces) -> Array:
    """The held-out photos, or MEASURED of them, evenly spread."""
    (rows,) = np.nonzero(faces.held_out)
    spread = np.linspace(0, len(rows) - 1, min(len(rows), MEASURED)).astype(int)
    return np.asarray(rows[spread])


def _build(card: Card, precision: Precision) -> keras.Model:
    """Variables stay float32 in either precision, and so does the local response, which TensorFlow has in no other."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision is Precision.FLOAT32 else "mixed_bfloat16")
    try:
        model = recipes.build(card)
    finally:
        keras.config.set_dtype_policy(before)
    for layer in model.layers:
        if isinstance(layer, LocalResponse):
            layer.dtype_policy = "float32"
    return model


def _batches(labels: Array, rows: Array, people: int, settings: Settings, epoch: int, steps: int) -> Iterator[Array]:
    """Rows of ``people`` people with as many photos each, a person's in a row. An epoch's are drawn from the seed and its
    number alone, so that a resumed training draws the same. Everybody's turn comes before anybody's next; who has too few
    photos shows some twice, varied differently."""
    random = np.random.default_rng([settings.seed, epoch])
    own = [rows[labels[rows] == person] for person in range(int(labels.max()) + 1)]
    queue: list[int] = []
    for _ in range(steps):
        chosen, queue = queue[:people], queue[people:]
        if len(chosen) < people:
            rest = random.permutation(len(own)).tolist()
            extra = [person for person in rest if person not in chosen][: people - len(chosen)]
            chosen, queue = chosen + extra, [person for person in rest if person not in extra]
        photos = [random.choice(own[person], settings.photos, len(own[person]) < settings.photos) for person in chosen]
        yield np.concatenate(photos)


def _stepper(
    model: keras.Model, card: Card, goal: Loss, optimizer: Any, trainable: Sequence[Any], settings: Settings
) -> Callable[..., tf.Tensor]:
    """One step on crops [B, S, S, 3] uint8, their landmarks [B, 5, 2] and labels [B]; returns its loss."""
    embed = inference(model, card)

    def step(pixels: tf.Tensor, landmarks: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seeds = tf.random.experimental.stateless_split(seed, 2)
        views = varied(pixels, landmarks, card, seeds[0])
        views = tf.ensure_shape(views, (pixels.shape[0], *card.input_size, 3))
        if settings.adversary:
            views = half_masked(lambda x: unit(embed(x)), views, settings.photos, settings.adversary, seeds[1])
        with tf.GradientTape() as tape:
            raw = tf.cast(model(normalised(views, card), training=True), tf.float32)
            loss = goal(raw, labels)
        gradients = tape.gradient(loss, [variable.value for variable in trainable])
        optimizer.apply_gradients(zip(gradients, trainable, strict=True))
        goal.update(raw, labels)
        return loss

    return cast(Callable[..., tf.Tensor], tf.function(step))


def _diverged(settings: Settings, epoch: int) -> FaceOffError:
    lower = f"Run it again with a lower --learning-rate (it was {settings.learning_rate:g}): it goes on after epoch {epoch - 1}"
    if settings.precision is not Precision.FLOAT32:
        lower += ". If that does not help, start anew with --precision float32"
    return FaceOffError(Reason.INVALID_ARGUMENT, f"The loss is no longer a number in epoch {epoch}.", f"{lower}.")


def _too_large(settings: Settings) -> FaceOffError:
    return FaceOffError(
        Reason.INVALID_ARGUMENT,
        f"A batch of {settings.people} people with {settings.photos} photos each does not fit into the memory.",
        "Lower --batch-people or --batch-photos, or give --precision bfloat16.",
    )
