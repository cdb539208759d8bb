"""How a network set is computed. Chosen when it is built."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Precision(StrEnum):
    """What the networks' bodies compute in. Alignment, normalisation, unit embeddings, losses and masks stay float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class BuildOptions:
    """``xla`` compiles the signatures that an attack steps with; TensorFlow Serving must then be started with its XLA
    flags."""

    precision: Precision = Precision.FLOAT32
    xla: bool = False


DEFAULT = BuildOptions()
