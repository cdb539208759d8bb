"""A network set with its attacks as a SavedModel: the signatures that TensorFlow Serving, our model server and the
in-process runner all call. Every input's first axis is the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from faceoff import losses
from faceoff.attacks import parts
from faceoff.attacks.attacker import face
from faceoff.attacks.methods import GRAPHS
from faceoff.attacks.task import Call
from faceoff.networks.align import JITTER_SIZE
from faceoff.networks.resolution import at_resolution
from faceoff.networks.sets import NetworkSet
from faceoff.presets import STRENGTHS
from faceoff.types import CROP_SIZE, Box, Crop, Face, Transform
from faceoff.universal import LANDMARKS

IMAGE = (CROP_SIZE, CROP_SIZE, 3)

PICTURES = {"delta", "momentum", "best_delta", "w", "m", "v"}
"""The tensors of an attack's state that are as large as an image; but for ``box`` the others are a number a face."""

Signature = Callable[..., dict[str, tf.Tensor]]


def signatures(network: NetworkSet) -> dict[str, Any]:
    """The set's signatures as concrete functions, by name: embed (also the default), value_and_gradient, and those of the
    attacks."""
    depth, members = sum(network.sizes), len(network.sizes)
    shared = {
        "images": spec(*IMAGE),
        "landmarks": spec(5, 2),
        "galleries": spec(None, None, depth),
        "weights": spec(None, None),
        "kind": spec(dtype=tf.int32),
        "target": spec(dtype=tf.int32),
        "kappa": spec(),
        "cosine": spec(),
        "thresholds": spec(members),
    }
    stepping = shared | {
        "jitter": spec(None, members, JITTER_SIZE),
        "resolution": spec(None, dtype=tf.int32),
        "window": spec(CROP_SIZE, CROP_SIZE, 1),
    }
    vector = spec()
    kinds = {name: spec(*IMAGE) for name in PICTURES} | {"box": spec(4, dtype=tf.int32)}

    def embed(images: tf.Tensor, landmarks: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embeddings": network.embed(images, landmarks)}

    def value_and_gradient(
        images: tf.Tensor, landmarks: tf.Tensor, jitter: tf.Tensor, **goal: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        def seen(x: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return network.embed(x, landmarks, jitter)

        loss, success, gradient = parts.value_and_gradient(
            seen, images, tf.constant(0), losses.Goal(**goal), network.sizes
        )
        return {"loss": loss, "success": success, "gradient": gradient}

    def stepper(method: Any) -> Signature:
        def run(
            images: tf.Tensor, landmarks: tf.Tensor, jitter: tf.Tensor, resolution: tf.Tensor, **rest: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            def seen(x: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
                return network.embed(at_resolution(x, resolution[:, index]), landmarks, jitter[:, index])

            state, goal, parameters = (take(kind, rest) for kind in (method.State, losses.Goal, method.Parameters))
            count = tf.shape(jitter)[1]
            state, loss, success = method.steps(seen, images, state, goal, parameters, count, network.sizes)
            answer: dict[str, tf.Tensor] = state._asdict() | {"loss": loss, "success": success}
            return answer

        return run

    concrete = {
        "embed": trace(embed, {"images": shared["images"], "landmarks": shared["landmarks"]}),
        "value_and_gradient": trace(value_and_gradient, shared | {"jitter": spec(members, JITTER_SIZE)}),
    }
    for method in GRAPHS:
        fields = (*method.State._fields, *method.Parameters._fields)
        own = {name: kinds.get(name, vector) for name in fields}
        concrete[method.SIGNATURE] = trace(stepper(method), own | stepping, network.options.xla)
    named: dict[str, Any] = concrete | {"serving_default": concrete["embed"]}
    return named


def export(network: NetworkSet, folder: Path) -> None:
    """Write the set as a SavedModel into ``folder``, which must not exist yet."""
    tf.saved_model.save(network, str(folder), signatures=signatures(network))


def first_calls(network: NetworkSet) -> list[Call]:
    """What an attack by a preset asks of the set at first, an embedding and a chunk of steps, of a face that nobody has. Any
    graph's first call is slow: a server makes these before it serves."""
    grey = np.full(IMAGE, 0.5, np.float32)
    crop = Crop(grey, LANDMARKS, Transform(0, 0, CROP_SIZE), Face(Box(0, 0, CROP_SIZE, CROP_SIZE), LANDMARKS, 1.0))
    attack = face(crop, STRENGTHS["balanced"], {}, network.cards)
    return [next(attack), attack.send({"embeddings": np.ones(sum(network.sizes), np.float32)})]


def spec(*shape: int | None, dtype: tf.DType = tf.float32) -> tf.TensorSpec:
    return tf.TensorSpec([None, *shape], dtype)


def take(kind: Any, tensors: Mapping[str, tf.Tensor]) -> Any:
    """The NamedTuple ``kind`` out of the tensors that bear its fields' names."""
    return kind(**{name: tensors[name] for name in kind._fields})


def trace(function: Signature, specs: Mapping[str, tf.TensorSpec], xla: bool = False) -> Any:
    named = {name: tf.TensorSpec(value.shape, value.dtype, name=name) for name, value in specs.items()}
    return tf.function(function, jit_compile=xla or None).get_concrete_function(**named)
