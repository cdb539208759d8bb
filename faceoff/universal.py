"""A mask for a person instead of for one photo: how it is kept, and how it is put on a face without any network.

It lives in a frame of its own, [S, S, 3] pixels in which a face's landmarks lie at LANDMARKS. A similarity takes it to each
face. Learning one is faceoff.attacks.universal.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from faceoff import files
from faceoff.attacks.texture import weights
from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import FIELD_OF_VIEW, TEMPLATES, similarity, window
from faceoff.networks.card import Alignment
from faceoff.rooms import Report
from faceoff.types import CROP_SIZE, Array, Crop, Float, Gallery, Loss, Mask, MaskOutcome, Plan, Priority, Progress

FORMAT = 1
"""Of the file. A reader refuses every other number."""

MAX_BYTES = 1 << 20
"""Of a file, and of what it unpacks to: a mask is 216 KiB."""

FINEST = 16
"""Samples along a side of a crop's pixel, at most: where a face is smaller than that, little of a mask is left anyway."""


def _landmarks() -> Float:
    (_, width), points = TEMPLATES[Alignment.FACENET]
    scale = CROP_SIZE / (FIELD_OF_VIEW * width)
    return np.asarray((points - width / 2) * scale + (CROP_SIZE - 1) / 2, np.float32)


LANDMARKS = _landmarks()
"""Where a face lies in the frame, [5, 2] pixels: its square (geometry.face_square) is the whole frame."""


class Warp:
    """The linear way of a mask from the frame to one face's crop, and its exact adjoint.

    Every pixel of the crop is the mean of bilinear samples of the frame, as many along a side as the frame's pixels that it
    covers, so that a small face gets the mask as a photo made smaller would show it. Then it is weighted by the face's window
    and, as far as ``texture`` says (Plan), by where the crop hides it.
    """

    def __init__(self, crop: Crop, texture: float) -> None:
        size = crop.transform.size
        face = window(crop.landmarks, size)
        weight = (face * weights(crop.pixels, texture)).ravel()
        self._size = size
        self._area = float(face.sum())
        self._seen = np.flatnonzero(weight)
        matrix = similarity(crop.landmarks, LANDMARKS)
        fine = min(max(round(float(np.hypot(matrix[0, 0], matrix[1, 0]))), 1), FINEST)
        inside = (np.arange(fine) + 0.5) / fine - 0.5
        y, x = np.divmod(self._seen, size)
        places = np.stack([
            (x + np.tile(inside, fine)[:, None]).ravel(),
            (y + np.repeat(inside, fine)[:, None]).ravel(),
            np.ones(fine**2 * len(x)),
        ])  # fmt: skip
        u, v = (matrix @ places).reshape(2, fine**2, -1)
        left, top = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        indices, shares = [], []
        for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
            there = (column >= 0) & (column < CROP_SIZE) & (row >= 0) & (row < CROP_SIZE)
            share = (1 - np.abs(u - column)) * (1 - np.abs(v - row)) * there
            indices.append(np.where(there, row * CROP_SIZE + column, 0))
            shares.append(share * weight[self._seen] / fine**2)
        self._index = np.concatenate(indices)
        self._weight = np.concatenate(shares).astype(np.float32)

    def apply(self, delta: Float) -> Float:
        """The mask ``delta`` [S, S, 3] of the frame in the crop's window, [size, size, 3]."""
        worn = np.zeros((self._size**2, 3), np.float32)
        worn[self._seen] = np.einsum("kn,knc->nc", self._weight, delta.reshape(-1, 3)[self._index])
        return worn.reshape(self._size, self._size, 3)

    def adjoint(self, gradient: Float) -> Float:
        """With respect to the mask in the frame, [S, S, 3], what ``gradient`` [size, size, 3] is in the crop."""
        seen, index = gradient.reshape(-1, 3)[self._seen], self._index.ravel()
        planes = [np.bincount(index, (self._weight * seen[:, channel]).ravel(), CROP_SIZE**2) for channel in range(3)]
        return np.stack(planes, axis=-1).reshape(CROP_SIZE, CROP_SIZE, 3).astype(np.float32)

    def gain(self, worn: Float, epsilon: float) -> float:
        """What makes the RMS of ``worn`` over the window's area ``epsilon``, the strengths' measure of a mask."""
        return float(epsilon * np.sqrt(3 * self._area) / max(float(np.linalg.norm(worn)), 1e-12))


@dataclass(frozen=True)
class Universal:
    """One person's mask. ``delta`` [S, S, 3] is in the frame; its size means nothing, every face gets it at its plan's
    ``epsilon``. ``surrogates``, ``loss``, ``seed``, ``epsilon`` and ``rms`` are those of the plan that made it, ``photos`` how
    many it was learnt from, ``reached`` on how many of them its goal holds on the surrogates."""

    delta: Float = field(repr=False)
    surrogates: tuple[str, ...]
    loss: Loss
    seed: int
    epsilon: float
    rms: float
    photos: int
    reached: int


class UniversalAttacker:
    """faceoff.rooms.Attacker that puts ``universal`` on every face at the plan's epsilon.

    No step is made and no network asked, so a mask's ``iterations`` are 0 and its outcome is NOT_EVALUATED.
    """

    def __init__(self, universal: Universal) -> None:
        self._universal = universal

    def attack(
        self,
        crops: Sequence[Crop],
        plan: Plan,
        report: Report,
        gallery: Gallery = MappingProxyType({}),
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Mask]:
        masks = []
        for number, crop in enumerate(crops):
            report(Progress("attack", number, len(crops)))
            warp = Warp(crop, plan.texture)
            worn = warp.apply(self._universal.delta)
            delta = np.asarray(warp.gain(worn, plan.epsilon) * worn, np.float32)
            masks.append(Mask(delta, MaskOutcome.NOT_EVALUATED, iterations=0))
        report(Progress("attack", len(crops), len(crops)))
        return masks

    def check(self, surrogates: Sequence[str]) -> None:
        """No network is needed."""


def write(universal: Universal, path: Path, overwrite: bool = False) -> None:
    """Keep it in the file ``path``, which holds no photo, no embedding and no name. Raises as files.write_atomically does."""
    largest = max(float(np.abs(universal.delta).max()), 1e-12)
    said = asdict(universal) | {"format": FORMAT}
    del said["delta"]
    data = io.BytesIO()
    np.savez(data, delta=(universal.delta / largest).astype(np.float16), about=np.array(json.dumps(said)))
    files.write_atomically(path, data.getvalue(), overwrite)


def read(path: Path) -> Universal:
    """The mask in the file ``path``, which may be anybody's. Raises INVALID_ARGUMENT for what is not one."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror}", "Check the name and its permissions.") from error
    try:
        delta, about = _unpacked(data)
    except Exception as error:  # whatever zipfile, numpy and json make of bytes that are not theirs
        raise _invalid(path, "is not a universal mask", _MAKE) from error
    if not isinstance(about, Mapping) or about.get("format") != FORMAT:
        raise _invalid(path, "has another format than this version of Face-Off reads", _MAKE)
    expected = (CROP_SIZE, CROP_SIZE, 3)
    if delta.shape != expected or delta.dtype.kind != "f" or not np.isfinite(delta).all() or not delta.any():
        raise _invalid(path, "holds no mask", _MAKE)
    try:
        return Universal(np.asarray(delta, np.float32), **_checked(about))
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid(path, "does not say properly how its mask was made", _MAKE) from error


_MAKE = "Make one: `faceoff universal DIR -o FILE`."


def _unpacked(data: bytes) -> tuple[Array, Any]:
    if len(data) > MAX_BYTES:
        raise ValueError("too large")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise ValueError("too large")
    with np.load(io.BytesIO(data), allow_pickle=False) as members:
        return members["delta"], json.loads(members["about"].item())


def _checked(about: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Universal but its mask. Raises KeyError, TypeError or ValueError."""
    values = {item.name: about[item.name] for item in fields(Universal) if item.name != "delta"}
    values["surrogates"] = tuple(values["surrogates"])
    values["loss"] = Loss(values["loss"])
    if not values["surrogates"] or not all(isinstance(name, str) for name in values["surrogates"]):
        raise ValueError("surrogates")
    for name in ("seed", "photos", "reached"):
        if not isinstance(values[name], int) or values[name] < 0:
            raise ValueError(name)
    for name, least, largest in (("epsilon", 1e-4, 1.0), ("rms", 0.0, 255.0)):
        values[name] = float(values[name])
        if not least <= values[name] <= largest:  # not a number is refused too
            raise ValueError(name)
    return values


def _invalid(path: Path, what: str, hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, f"{path} {what}.", hint)
