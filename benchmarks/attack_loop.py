"""What the attack costs beyond its limit.

The limit (``_vs_limit``) is as many bare forward and backward passes of the same set in this process, from the crop to the
embedding and back; the stricter one (``_vs_bodies``) leaves out the networks' alignment and preprocessing too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tensorflow as tf

from benchmarks.loop import STEPS, Chunk, chunk, model_server, plan
from benchmarks.measure import Row, compared, in_turns
from faceoff.networks import catalogue
from faceoff.networks.home import Home, default_home
from faceoff.networks.importers import load
from faceoff.networks.sets import NetworkSet
from faceoff.types import Plan

RUNS = {1: 7, 5: 3, 16: 3}
"""Rounds for each batch size: the larger batches are slower, and steadier."""


def rows() -> Iterator[Row]:
    home = default_home()
    default = plan()
    network = network_set(default, home)
    with model_server([default], home) as server:
        single = chunk(default, home, server)
        for size, runs in RUNS.items():
            faces = single.batch(size)
            suffix = f"_batch{size}" if size > 1 else ""
            limits = {"limit": ("crop to embedding and back", bare_set(network, faces))}
            if size == 1:
                limits["bodies"] = ("without alignment and preprocessing", bare_bodies(network))
            works = [lambda faces=faces: faces.run(server), *(run for _, run in limits.values())]  # type: ignore[misc]
            ours, *bare = [[time / STEPS for time in times] for times in in_turns(*works, runs=runs)]
            for (name, (what, _)), theirs in zip(limits.items(), bare, strict=True):
                against = f"a bare forward+backward pass of {single.model}, {what}; value is seconds a step"
                yield compared(f"loop_grpc_vs_{name}{suffix}", ours, theirs, "s", against)


def network_set(plan: Plan, home: Home) -> NetworkSet:
    cards = [catalogue.card(name, home) for name in plan.surrogates]
    return NetworkSet([(card, load(home.weights(card), card)) for card in cards])


def bare_set(network: NetworkSet, faces: Chunk) -> Callable[[], object]:
    """STEPS times forward and backward through the whole set, as a network that takes crops: no loss, no update, no wire."""
    images, landmarks = tf.constant(faces.inputs["images"]), tf.constant(faces.inputs["landmarks"])

    @tf.function  # type: ignore[untyped-decorator]
    def both(images: tf.Tensor, landmarks: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(network.embed(images, landmarks))
        return tape.gradient(total, images)

    # The copy to the host waits for a GPU.
    return lambda: [both(images, landmarks) for _ in range(STEPS)][-1].numpy()


def bare_bodies(network: NetworkSet) -> Callable[[], object]:
    """STEPS times every member's forward and backward pass at its own input size, nothing around it."""
    views = [tf.random.stateless_uniform([1, *card.input_size, 3], [1, 2], -1, 1) for card in network.cards]

    @tf.function  # type: ignore[untyped-decorator]
    def both() -> list[tf.Tensor]:
        gradients = []
        for body, view in zip(network.bodies, views, strict=True):
            with tf.GradientTape() as tape:
                tape.watch(view)
                total = tf.reduce_sum(body(view))
            gradients.append(tape.gradient(total, view))
        return gradients

    return lambda: [gradient.numpy() for gradient in [both() for _ in range(STEPS)][-1]]
