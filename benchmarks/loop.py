"""Our own side of every comparison: a chunk of steps exactly as the attacker asks for it, through a model server over gRPC."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceoff.attacks.attacker import LocalAttacker
from faceoff.networks import catalogue, store
from faceoff.networks.check import LANDMARKS, known_crop
from faceoff.networks.home import Home
from faceoff.networks.local import LocalNetworks
from faceoff.rooms import Networks
from faceoff.rpc.serving import ServingNetworks
from faceoff.types import CROP_SIZE, Array, Box, Crop, Face, Method, Plan, Progress, Transform

STEPS = 10
"""What the plans here ask for: one chunk of the attacker."""


def plan(*surrogates: str) -> Plan:
    """The paper's PGD: one forward and backward pass a step. No surrogates: the default set."""
    return Plan(method=Method.PGD_L2, iterations=STEPS, surrogates=surrogates or Plan().surrogates)


@dataclass(frozen=True)
class Chunk:
    """A call that makes steps of an attack; its first axis is the batch."""

    model: str
    signature: str
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]

    @property
    def steps(self) -> int:
        return int(self.inputs["jitter"].shape[1])

    def batch(self, size: int) -> Chunk:
        """The same for ``size`` faces, all alike: what a step costs does not depend on what is in a picture."""
        inputs = {name: np.ascontiguousarray(np.repeat(value[:1], size, 0)) for name, value in self.inputs.items()}
        return Chunk(self.model, self.signature, inputs, self.outputs)

    def run(self, networks: Networks, times: int = 1) -> None:
        """The attacker's own exchange: the state goes there and back with every call."""
        inputs = dict(self.inputs)
        for _ in range(times):
            answer = networks.call(self.model, self.signature, inputs, self.outputs, timeout=600.0)
            inputs |= {name: value for name, value in answer.items() if name in inputs}


class Recorder:
    """faceoff.rooms.Networks that keeps the calls which make steps, and their answers."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self.calls: list[tuple[Chunk, Mapping[str, Array]]] = []

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        answer = self._networks.call(model, signature, inputs, outputs, timeout)
        if signature.endswith("_steps"):
            self.calls.append((Chunk(model, signature, dict(inputs), tuple(outputs)), answer))
        return answer

    def version(self, model: str) -> str:
        return self._networks.version(model)


def chunk(plan: Plan, home: Home, networks: Networks | None = None) -> Chunk:
    """The first call for steps that the attacker makes for one face under ``plan``."""
    recorder = Recorder(networks or LocalNetworks(home))
    LocalAttacker(recorder, lambda name: catalogue.card(name, home)).attack([drawn_face()], plan, silent)
    return recorder.calls[0][0]


def drawn_face() -> Crop:
    face = Face(Box(40, 20, 112, 150), LANDMARKS, 1.0)
    return Crop(known_crop(), LANDMARKS, Transform(0, 0, CROP_SIZE), face)


def silent(progress: Progress) -> None:
    """Nobody watches a benchmark."""


@contextmanager
def model_server(plans: Sequence[Plan], home: Home) -> Iterator[ServingNetworks]:
    """Our model server in a process of its own, with the plans' sets."""
    names = [store.build([catalogue.card(name, home) for name in plan.surrogates], home) for plan in plans]
    configs = [
        f'config {{ name: "{name}" base_path: "{home.model(name, 0).parent}" model_platform: "tensorflow" }}'
        for name in names
    ]
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        config = Path(folder) / "models.config"
        config.write_text(f"model_config_list {{ {' '.join(configs)} }}")
        command = [
            sys.executable,
            "-m",
            "services.modelserver",
            "--port",
            str(port),
            "--model_config_file",
            str(config),
        ]
        server = subprocess.Popen(command)
        try:
            with ServingNetworks(f"127.0.0.1:{port}", connect_timeout=120.0) as networks:
                yield networks
        finally:
            server.terminate()
            server.wait()
