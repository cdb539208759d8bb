"""One SavedModel in one Session, the way TensorFlow Serving runs it. The in-process networks and the model server share it,
so that a mask is the same to the last bit wherever it is computed (docs/decisions/0007)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from faceoff.types import Array

v1 = tf.compat.v1


@dataclass(frozen=True)
class Input:
    """What a signature takes under one name; ``tensor`` is where the session is fed."""

    tensor: Any
    dtype: np.dtype[Any]
    shape: Any


@dataclass(frozen=True)
class Signature:
    """``outputs`` are the tensors to fetch."""

    inputs: Mapping[str, Input]
    outputs: Mapping[str, Any]


class ModelSession:
    """The signatures of one version folder. Raises whatever TensorFlow raises when the folder cannot be loaded.

    ``definitions`` are the SavedModel's own SignatureDefs, by name.
    """

    def __init__(self, folder: Path) -> None:
        graph = tf.Graph()
        config = v1.ConfigProto(allow_soft_placement=True)
        config.gpu_options.allow_growth = True
        # The graph is folded when it is exported. TensorFlow's optimiser finds nothing more that makes a step faster, and
        # takes half a minute over the first call of each signature.
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        # One thread of the pool waits while the signature's function runs; with as many as cores one core would idle
        # (docs/decisions/0012). Pools are a session's own, because whoever comes first sets the size of a shared one.
        config.inter_op_parallelism_threads = (os.cpu_count() or 1) + 1
        config.use_per_session_threads = True
        self._session = v1.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                meta = v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(folder))
                self.definitions = dict(meta.signature_def)
                self.signatures = {
                    name: _signature(graph, definition)
                    for name, definition in self.definitions.items()
                    if name != "__saved_model_init_op"
                }
            graph.finalize()
        except BaseException:
            self.close()
            raise

    def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str] = (), timeout_ms: int | None = None
    ) -> dict[str, Array]:
        """The named outputs (none named: all) for inputs that fit the signature. The whole signature runs.

        Raises KeyError for a name that is not there, and TensorFlow's errors, DEADLINE_EXCEEDED after ``timeout_ms`` among
        them.
        """
        found = self.signatures[signature]
        feeds = {found.inputs[name].tensor: value for name, value in inputs.items()}
        fetches = {name: found.outputs[name] for name in outputs or found.outputs}
        options = None if timeout_ms is None else v1.RunOptions(timeout_in_ms=timeout_ms)
        return dict(self._session.run(fetches, feeds, options=options))

    def close(self) -> None:
        """Free the variables. Nobody may be running it."""
        self._session.close()


def _signature(graph: Any, definition: Any) -> Signature:
    inputs = {
        name: Input(
            graph.get_tensor_by_name(info.name),
            np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype),
            tf.TensorShape(info.tensor_shape),
        )
        for name, info in definition.inputs.items()
    }
    outputs = {name: graph.get_tensor_by_name(info.name) for name, info in definition.outputs.items()}
    return Signature(inputs, outputs)
