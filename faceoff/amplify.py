"""From masks to the photo that the user uploads: clip(x + alpha * delta), as in section 2.2 of the paper.

The photo's own pixels are never resampled: only the masks are resized, so what lies outside every crop's square stays
identical. Where squares overlap, the amplified masks are added before clipping. Masks fade out before their square ends
(geometry.window, in the attack), so there is no seam to hide here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from faceoff.errors import FaceOffError, Reason
from faceoff.geometry import box_slices, paste_delta
from faceoff.image import decode, encode, on_white, to_bytes
from faceoff.types import Candidate, Crop, Encoding, Float, Mask, Photo, Plan
from faceoff.visibility import visibility

_SEARCH_STEPS = 12

Region = tuple[slice, slice]


class LocalAmplifier:
    """faceoff.rooms.Amplifier in this process."""

    def amplify(
        self, photo: Photo, crops: Sequence[Crop], masks: Sequence[Mask], plan: Plan, encoding: Encoding
    ) -> Candidate:
        """The photo with every mask amplified by ``plan.alpha``, or by less where ``plan.rms`` caps it."""
        return candidates(photo, crops, masks, (plan.alpha,), encoding, plan.rms)[0]


def candidates(
    photo: Photo,
    crops: Sequence[Crop],
    masks: Sequence[Mask],
    alphas: Sequence[float],
    encoding: Encoding,
    rms: float = 0.0,
) -> list[Candidate]:
    """One candidate for each of ``alphas``.

    With a budget ``rms`` > 0 (8-bit levels) a face's alpha is the largest up to the given one whose change of the
    face's box, clipped and rounded to 8 bits, has at most that RMS, and around the box the mask has no more either; it keeps
    out of other faces' boxes, whose own masks need all of theirs. Visibility is measured on the encoded bytes, read
    back, against the photo (on white where JPEG puts it there). Raises FaceOffError INVALID_ARGUMENT for masks that do
    not fit their crops or are not finite, and for negative alphas or budgets.
    """
    _check(crops, masks, alphas, rms)
    pasted = [_paste(photo, crop, mask) for crop, mask in zip(crops, masks, strict=True)]
    boxes = [box_slices(crop.face.box, photo.height, photo.width) for crop in crops]
    if rms > 0 and len(boxes) > 1:
        pasted = [_kept_out(mask, index, boxes) for index, mask in enumerate(pasted)]
    before = photo.pixels
    if photo.alpha is not None and encoding.format == "JPEG":
        before = on_white(photo.pixels, photo.alpha)
    made = []
    for alpha in alphas:
        chosen, put = [float(alpha)] * len(pasted), pasted
        if rms > 0:
            chosen = _within(photo.pixels, pasted, boxes, chosen, rms)
            put = [_calmed(mask, box, own, rms) for mask, box, own in zip(pasted, boxes, chosen, strict=True)]
        data = encode(_compose(photo.pixels, put, chosen), photo, encoding)
        after = decode(data, max_bytes=len(data)).pixels
        faces = tuple(visibility(before[box], after[box]) for box in boxes)
        made.append(Candidate(data, encoding, tuple(chosen), faces, visibility(before, after)))
    return made


@dataclass(frozen=True)
class _Pasted:
    """A mask in photo pixels: ``delta`` [h, w, 3] belongs on ``region``."""

    region: Region
    delta: Float


def _check(crops: Sequence[Crop], masks: Sequence[Mask], alphas: Sequence[float], rms: float) -> None:
    if len(crops) != len(masks):
        raise _invalid(f"{len(masks)} masks do not fit {len(crops)} crops.", "Give one mask a crop, in order.")
    for crop, mask in zip(crops, masks, strict=True):
        expected = (crop.transform.size, crop.transform.size, 3)
        if mask.delta.shape != expected or not np.isfinite(mask.delta).all():
            raise _invalid(f"A mask must have the shape {expected} and finite values.", "Compute the mask again.")
    if not np.isfinite([*alphas, rms]).all() or min([*alphas, rms]) < 0:
        raise _invalid("Alpha and the visibility budget must not be negative.", "Use alpha 1 and no budget to begin.")


def _invalid(message: str, hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, message, hint)


def _paste(photo: Photo, crop: Crop, mask: Mask) -> _Pasted:
    delta = mask.delta
    if photo.grayscale:
        delta = np.repeat(delta.mean(axis=2, keepdims=True), 3, axis=2)
    rows, columns, pasted = paste_delta(delta, crop.transform, photo.height, photo.width)
    return _Pasted((rows, columns), pasted)


def _kept_out(mask: _Pasted, own: int, boxes: Sequence[Region]) -> _Pasted:
    """The mask without what lies in other faces' ``boxes`` and not in its ``own``."""
    free = np.ones((*mask.delta.shape[:2], 1), np.float32)
    for index, box in enumerate(boxes):
        if index != own:
            free[_inside(mask, box)] = 0
    free[_inside(mask, boxes[own])] = 1
    return replace(mask, delta=mask.delta * free)


def _calmed(mask: _Pasted, box: Region, alpha: float, rms: float) -> _Pasted:
    """The mask with what it has around its face's ``box`` scaled down to ``rms`` there, if ``alpha`` would make it more."""
    around = np.any(mask.delta != 0, axis=-1, keepdims=True)
    around[_inside(mask, box)] = False
    energy = np.square(mask.delta).sum(where=around, dtype=np.float64)
    levels = 255 * alpha * float(np.sqrt(energy / max(3 * np.count_nonzero(around), 1)))
    if levels <= rms:
        return mask
    return replace(mask, delta=mask.delta * np.where(around, np.float32(rms / levels), np.float32(1)))


def _inside(mask: _Pasted, box: Region) -> Region:
    """``box`` in the mask's own rows and columns, as much of it as lies there."""
    return _seen_from(mask.region[0], box[0]), _seen_from(mask.region[1], box[1])


def _seen_from(frame: slice, part: slice) -> slice:
    """What of ``part`` lies in ``frame``, counted from where that begins; empty where there is none."""
    start, stop = (min(max(edge, frame.start), frame.stop) - frame.start for edge in (part.start, part.stop))
    return slice(start, stop)


def _compose(pixels: Float, pasted: Sequence[_Pasted], alphas: Sequence[float]) -> Float:
    changed = pixels.copy()
    for mask, alpha in zip(pasted, alphas, strict=True):
        changed[mask.region] += np.float32(alpha) * mask.delta
    for mask in pasted:
        np.clip(changed[mask.region], 0, 1, out=changed[mask.region])
    return changed


def _within(
    pixels: Float, pasted: Sequence[_Pasted], boxes: Sequence[Region], alphas: Sequence[float], rms: float
) -> list[float]:
    """``alphas`` lowered until no face's box changes by more than ``rms``.

    First every face alone, by bisection. Then, where squares overlap, a neighbour's mask may still push a box over: all
    masks that touch it shrink together, in proportion, until it holds.
    """
    views = [_View(pixels, box, pasted) for box in boxes]
    chosen = [view.largest(index, alphas[index], rms) for index, view in enumerate(views)]
    while (excess := max((view.rms(chosen) / rms, index) for index, view in enumerate(views)))[0] > 1:
        ratio, index = excess
        for touching in views[index].touching:
            chosen[touching] /= ratio * 1.001  # a little more: rounding to 8 bits keeps the division from arriving
    return chosen


class _View:
    """One face's box, and the masks that reach into it."""

    def __init__(self, pixels: Float, box: Region, pasted: Sequence[_Pasted]) -> None:
        self._before = pixels[box]
        self._levels = to_bytes(self._before).astype(np.float32)
        self._pasted = [_cut(mask, box) for mask in pasted]
        self.touching = [index for index, mask in enumerate(self._pasted) if mask.delta.size]

    def rms(self, alphas: Sequence[float]) -> float:
        """Of the change in 8-bit levels, after clipping and rounding."""
        masks = [self._pasted[index] for index in self.touching]
        after = to_bytes(_compose(self._before, masks, [alphas[index] for index in self.touching]))
        change = after - self._levels
        return float(np.sqrt(np.mean(np.square(change), dtype=np.float64)))

    def largest(self, index: int, alpha: float, rms: float) -> float:
        """The largest amplification up to ``alpha`` of one mask alone that stays within ``rms``."""
        alone = [0.0] * len(self._pasted)

        def holds(value: float) -> bool:
            alone[index] = value
            return self.rms(alone) <= rms

        if holds(alpha):
            return alpha
        low, high = 0.0, alpha
        for _ in range(_SEARCH_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low


def _cut(mask: _Pasted, box: Region) -> _Pasted:
    """The part of the mask inside the box, with its region in the box's own coordinates; empty where there is none."""
    rows, columns = box
    region = _seen_from(rows, mask.region[0]), _seen_from(columns, mask.region[1])
    return _Pasted(region, mask.delta[_inside(mask, box)])
