"""What the attack costs beyond its limit: steps through the model server over gRPC, against as many bare forward and
backward passes of the same set in this process, from the crop to the embedding and back (``_vs_limit``), and against those
of the networks alone, without their alignment and preprocessing (``_vs_bodies``)."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from benchmarks.measure import Row, side_by_side
from faceoff.attacks.attacker import CHUNK
from faceoff.geometry import TEMPLATES, window
from faceoff.losses import CODES
from faceoff.networks import catalogue, store
from faceoff.networks.card import Alignment
from faceoff.networks.home import default_home
from faceoff.networks.importers import load
from faceoff.networks.sets import NetworkSet
from faceoff.rpc.serving import ServingNetworks
from faceoff.types import CROP_SIZE, Array, Loss, Plan

BATCHES = (1, 4)
LIMITS = {"limit": "crop to embedding and back", "bodies": "without alignment and preprocessing"}
STEPS = 2 * CHUNK


def rows() -> Iterator[Row]:
    home = default_home()
    cards = [catalogue.card(name, home) for name in Plan().surrogates]
    model = store.build(cards, home)
    network = NetworkSet([(card, load(home.weights(card), card)) for card in cards])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "services.modelserver", "--port", address.rpartition(":")[2]]
    server = subprocess.Popen([*command, "--model_name", model, "--model_base_path", str(home.model(model, 0).parent)])
    try:
        networks = ServingNetworks(address)
        for batch in BATCHES:
            inputs = pgd_inputs(batch, sum(network.sizes), len(network.sizes))
            for peer, limit in (("limit", bare_set(network, inputs)), ("bodies", bare_bodies(network, batch))):
                yield side_by_side(
                    f"loop_grpc_vs_{peer}" + f"_batch{batch}" * (batch > 1),
                    lambda inputs=inputs: through_server(networks, model, inputs),  # type: ignore[misc]
                    limit,
                    f"{STEPS} bare forward+backward passes of {model}, {LIMITS[peer]}",
                    per=STEPS,
                )
    finally:
        server.terminate()
        server.wait()


def pgd_inputs(batch: int, depth: int, members: int) -> dict[str, Array]:
    random = np.random.default_rng(0)
    (_, width), template = TEMPLATES[Alignment.FACENET]
    landmarks = (template * (CROP_SIZE / width / 1.25) + 0.1 * CROP_SIZE).astype(np.float32)
    image = (batch, CROP_SIZE, CROP_SIZE, 3)
    gallery = random.normal(size=(batch, 1, 1, depth)).astype(np.float32)
    return {
        "images": random.uniform(0.1, 0.9, image).astype(np.float32),
        "landmarks": np.tile(landmarks, (batch, 1, 1)),
        "galleries": gallery / np.float32(np.sqrt(depth / members)),
        "weights": np.ones((batch, 1, 1), np.float32),
        "kind": np.full(batch, CODES[Loss.DODGE], np.int32),
        "target": np.zeros(batch, np.int32),
        "thresholds": np.ones((batch, members), np.float32),
        "jitter": random.uniform(-0.03, 0.03, (batch, CHUNK, members, 4)).astype(np.float32),
        "window": np.tile(window(landmarks), (batch, 1, 1, 1)),
        "delta": np.zeros(image, np.float32),
        "momentum": np.zeros(image, np.float32),
        "best_delta": np.zeros(image, np.float32),
        **{name: np.full(batch, value, np.float32) for name, value in SCALARS.items()},
    }


SCALARS = {"kappa": 0.0, "best_loss": np.inf, "epsilon": 0.015, "step_size": 0.1, "linf": 0.0, "decay": 1.0}


def through_server(networks: ServingNetworks, model: str, inputs: dict[str, Array]) -> None:
    """The attacker's own calls: a chunk of steps, the state back and forth."""
    state = {name: inputs[name] for name in ("delta", "momentum", "best_delta", "best_loss")}
    for _ in range(STEPS // CHUNK):
        answer = networks.call(model, "pgd_steps", inputs | state, (*state, "loss"))
        state = {name: answer[name] for name in state}


def bare_set(network: NetworkSet, inputs: dict[str, Array]) -> Callable[[], None]:
    """Forward and backward through the whole set, as a network that takes crops: no loss, no update, no wire."""
    landmarks, jitter = tf.constant(inputs["landmarks"]), tf.constant(inputs["jitter"][:, 0])

    @tf.function
    def both(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(network.embed(images, landmarks, jitter))
        return tape.gradient(total, images)

    images = tf.constant(inputs["images"])

    def run() -> None:
        for _ in range(STEPS):
            both(images)

    return run


def bare_bodies(network: NetworkSet, batch: int) -> Callable[[], None]:
    """Every member's forward and backward pass at its own input size, nothing around it."""
    views = [tf.random.stateless_uniform([batch, *card.input_size, 3], [1, 2], -1, 1) for card in network.cards]

    @tf.function
    def both() -> list[tf.Tensor]:
        gradients = []
        for body, view in zip(network.bodies, views, strict=True):
            with tf.GradientTape() as tape:
                tape.watch(view)
                total = tf.reduce_sum(body(view))
            gradients.append(tape.gradient(total, view))
        return gradients

    def run() -> None:
        for _ in range(STEPS):
            both()

    return run
