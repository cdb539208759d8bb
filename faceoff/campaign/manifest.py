"""What a campaign's rows were made with, and the refusal to go on with anything else."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from faceoff import __version__
from faceoff.campaign.config import Campaign
from faceoff.campaign.house import House
from faceoff.campaign.people import Person
from faceoff.errors import FaceOffError, Reason
from faceoff.verify.scores import today

PACKAGES = ("tensorflow", "numpy", "opencv-python", "mtcnn", "pillow")


def make(campaign: Campaign, people: Sequence[Person], faceless: int, house: House, surrogates: Sequence[str]) -> Any:
    """The manifest of a campaign that begins. ``faceless`` photos were left out, for no face was found in them."""
    return {
        "format": 1,
        "name": campaign.name,
        "claim": campaign.claim,
        "config": campaign.decisive(),
        "seed": campaign.seed,
        "versions": versions(),
        "commit": commit(),
        "hardware": hardware(),
        "surrogates": {name: house.weights(name) for name in sorted(surrogates)},
        "victims": {name: house.weights(name) for name in sorted(campaign.victims.local)},
        "photos": {person.name: {shot.file: shot.sha256 for shot in person.shots} for person in people},
        "photos_without_face": faceless,
        "runs": [],
    }


def check_same(before: Any, now: Any, verify_only: bool) -> None:
    """Raise INVALID_ARGUMENT where a folder's manifest ``before`` is of other rows than those that ``now`` would make. Victims
    may have changed where only the verification is repeated: that is what it is for."""
    differing = [
        f"`{key}` is {_short(now['config'].get(key))}, there it was {_short(value)}"
        for key, value in before["config"].items()
        if now["config"].get(key) != value
    ]
    if before["photos"] != now["photos"]:
        differing.append("the photos have changed")
    kinds = ("surrogates",) if verify_only else ("surrogates", "victims")
    for kind in kinds:
        if before[kind] != now[kind]:
            differing.append(f"the {kind}' weights have changed")
    if differing:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"The folder holds another campaign: {'; '.join(differing)}.",
            "Give another --out, or put back what was changed.",
        )


def begin(kept: Any, now: Any, verify_only: bool) -> int:
    """The run that goes on or begins in the folder of the manifest ``kept``: 0 makes the masks, every later one only verifies.
    Each says what of ``now`` it began with; with other weights of a victim's, another run begins."""
    runs = kept["runs"]
    made = {key: now[key] for key in ("versions", "commit", "victims")}
    if not runs or (
        verify_only and (len(runs) == 1 or runs[-1]["complete"] or runs[-1].get("victims") != now["victims"])
    ):
        runs.append({"number": len(runs), "started": today(), "complete": False, **made})
    return len(runs) - 1 if verify_only else 0


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def versions() -> dict[str, str]:
    found = {"faceoff": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def commit() -> str:
    """The code's commit, with a + where the working tree differs from it; unknown outside a checkout."""
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return "unknown"


def hardware() -> str:
    """In words, without what names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    words = f"{len(os.sched_getaffinity(0))} {platform.machine()} cores, {memory:.0f} GiB of memory"
    if tensorflow := sys.modules.get("tensorflow"):
        devices = tensorflow.config.list_physical_devices("GPU")
        names = [
            tensorflow.config.experimental.get_device_details(device).get("device_name", "GPU") for device in devices
        ]
        return f"{words}, {', '.join(names) if names else 'no GPU'}"
    return words
