"""One figure or table of the paper: its claim, the campaigns that reproduce it in two sizes, and what to compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from faceoff.campaign.config import Campaign, parse
from faceoff.errors import FaceOffError, Reason

FOLDER = Path(__file__).parent
NAMES = tuple(
    sorted((path.stem for path in FOLDER.glob("*.yaml")), key=lambda name: (name[0], int(name.split("-")[1])))
)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ours(Strict):
    """Where our numbers are: ``value`` of the lines of ``table`` for which ``where`` holds, at each of ``alphas``; or the
    seconds of one series (``runtime``); or one victim's first and later share (``longitudinal``), again ``where`` it holds."""

    table: Literal["masks", "encodings", "cropped"] = "masks"
    value: str = ""
    where: dict[str, Any] = {}
    alphas: tuple[float, ...] = ()
    runtime: str = ""
    longitudinal: str = ""


class Comparison(Strict):
    what: str
    paper: str
    ours: Ours


class Reproduction(Strict):
    """``campaign``, with each size's changes over it, is what differs from the campaign of ``like`` where that is given; or
    ``again``, whose pictures are verified once more."""

    claim: str
    compare: tuple[Comparison, ...]
    differs: str
    campaign: dict[str, Any] = {}
    sizes: dict[Literal["small", "full"], dict[str, Any]] = {}
    like: str = ""
    again: str = ""


def read(name: str) -> Reproduction:
    """Raises INVALID_ARGUMENT for a name that is none of NAMES."""
    if name not in NAMES:
        raise FaceOffError(Reason.INVALID_ARGUMENT, f"There is no {name}.", f"Known: {', '.join(NAMES)}.")
    return Reproduction.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


def campaign(name: str, size: str, people: Path) -> Campaign:
    """The campaign behind ``name`` (for one that is verified again: the first) over the folder ``people``. Raises as
    ``read`` and faceoff.campaign.config.parse do."""
    found = read(name)
    if found.again:
        return campaign(found.again, size, people)
    content = _content(found, size)
    content |= {"name": f"{name}-{size}", "claim": found.claim}
    content["people"] = content.get("people", {}) | {"folder": str(people.absolute())}
    return parse(content, FOLDER / f"{name}.yaml")


def _content(found: Reproduction, size: str) -> dict[str, Any]:
    base = _content(read(found.like), size) if found.like else {}
    return _merged(_merged(base, found.campaign), found.sizes.get(size, {}))  # type: ignore[call-overload]


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``changes`` over ``base``; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        before = merged.get(key)
        merged[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
