"""What the commands are made of. TensorFlow and gRPC are imported at first use, so that --help answers at once; tests
put fakes in these places."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from faceoff import pipeline
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.home import Home, default_home
from faceoff.pipeline import Protection, Request, Rooms
from faceoff.rooms import Detector, Networks, Report
from faceoff.types import Crop, Gallery, Photo, Plan, Progress, Rank, Terms, Verdict

if TYPE_CHECKING:
    from faceoff.client import Client
    from faceoff.universal import Universal


_T = TypeVar("_T")


class Protector(Protocol):
    """Protects photos: in this process or on a server."""

    def protect(self, data: bytes, request: Request, report: Report, timeout: float | None) -> Protection: ...


class Comparer(Protocol):
    """Whether victims recognise the faces of a photo by those of other photos (faceoff.verify.panel)."""

    def compare(
        self, protected: bytes, original: Photo | None, victims: Sequence[str], terms: Terms
    ) -> list[Verdict]: ...

    def linked(self, protected: bytes, others: Sequence[bytes], victims: Sequence[str]) -> list[Verdict]: ...

    def rank(
        self, protected: bytes, original: Photo | None, candidates: Gallery, victims: Sequence[str], terms: Terms
    ) -> list[Rank]: ...


class Learner(Protocol):
    """Learns a mask for a person (faceoff.attacks.universal)."""

    def learn(self, crops: Sequence[Crop], plan: Plan, report: Report, gallery: Gallery) -> Universal: ...


@dataclass(frozen=True)
class Local:
    """The line of one photo in this process."""

    rooms: Rooms

    def protect(self, data: bytes, request: Request, report: Report, timeout: float | None) -> Protection:
        return pipeline.protect(data, request, self.rooms, _until(report, timeout) if timeout else report)


@contextmanager
def native_silence() -> Iterator[None]:
    """Keep what TensorFlow's native code says on standard error while it loads; show it only if loading fails."""
    if debugging():
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as words:
        os.dup2(words.fileno(), 2)
        try:
            yield
        except FaceOffError:
            raise
        except Exception:
            words.seek(0)
            os.write(terminal, words.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def debugging() -> bool:
    return os.environ.get("FACEOFF_DEBUG", "") not in ("", "0")


def _quieten_tensorflow() -> None:
    """TensorFlow calls the API deprecated by which its own serving runs SavedModels."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _local(home: Home, victims: Path | None) -> Rooms:
    with native_silence():
        from faceoff import local

        _quieten_tensorflow()
        return local.rooms(home, victims)


def _detector() -> Detector:
    with native_silence():
        from faceoff.detect import MtcnnDetector

        return MtcnnDetector()


def _comparer(home: Home, victims: Path | None) -> Comparer:
    with native_silence():
        from faceoff import local

        _quieten_tensorflow()
        return local.panel(home, victims)


def _networks(home: Home) -> Networks:
    with native_silence():
        from faceoff.networks.local import LocalNetworks

        _quieten_tensorflow()
        return LocalNetworks(home)


def _learner(home: Home) -> Learner:
    with native_silence():
        from faceoff.attacks.universal import Learner
        from faceoff.networks import catalogue
        from faceoff.networks.local import LocalNetworks

        _quieten_tensorflow()
        return Learner(LocalNetworks(home), lambda name: catalogue.card(name, home))


def _check_health(address: str, timeout: float) -> None:
    from faceoff.rpc.connect import calling, connect

    peer = connect(address)
    check = peer.channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
    try:
        with calling(peer):
            # Of grpc.health.v1: an empty request asks for the whole server, and SERVING is field 1 with the value 1.
            answer = check(b"", timeout=timeout)
    finally:
        peer.close()
    if answer != b"\x08\x01":
        raise FaceOffError(
            Reason.SERVICE_UNAVAILABLE, f"The service at {address} is not ready.", "Try again when it has loaded."
        )


def _client(address: str, key: str) -> Client:
    from faceoff.client import Client

    return Client(address, key)


@dataclass(frozen=True)
class Remote:
    """The line of one photo on a server."""

    client: Client

    def protect(self, data: bytes, request: Request, report: Report, timeout: float | None) -> Protection:
        return away(lambda: self.client.protect(data, request, report, timeout))


def _remote(address: str, key: str) -> Protector:
    return Remote(_client(address, key))


def away(work: Callable[[], _T]) -> _T:
    """What ``work`` with a server returns. It is done in another thread: Ctrl-C or SIGTERM that strikes within gRPC's own code,
    or a close beside it, can leave that waiting for ever. The thread, and what it asked for, ends with the process."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="away", daemon=True).start()
    while not future.done():
        wait([future], 0.2)  # a signal that comes just before a wait does not end it
    return future.result()


def key_of(file: Path | None) -> str:
    """The API key in ``file``; without one, that of FACEOFF_API_KEY, if any."""
    if file is None:
        return os.environ.get("FACEOFF_API_KEY", "")
    try:
        return file.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, f"The key's file {file} cannot be read: {why}.", "It holds one API key."
        ) from None


def _until(report: Report, timeout: float) -> Report:
    end = time.monotonic() + timeout

    def checked(progress: Progress) -> None:
        if time.monotonic() > end:
            raise FaceOffError(
                Reason.DEADLINE_TOO_SHORT,
                f"It was not done within {timeout:g} seconds.",
                "Give a longer --timeout or fewer --iterations.",
            )
        report(progress)

    return checked


@dataclass(frozen=True)
class Parts:
    """``local`` builds the rooms of this process, ``remote`` and ``client`` a client of the gateway at an address, with
    an API key or none (""); ``local`` and ``comparer`` take the file of the commercial victims, if any; ``check_health`` raises
    SERVICE_UNAVAILABLE unless the service at an address says within some seconds that it is serving."""

    home: Home = field(default_factory=default_home)
    local: Callable[[Home, Path | None], Rooms] = _local
    remote: Callable[[str, str], Protector] = _remote
    client: Callable[[str, str], Client] = _client
    detector: Callable[[], Detector] = _detector
    comparer: Callable[[Home, Path | None], Comparer] = _comparer
    networks: Callable[[Home], Networks] = _networks
    learner: Callable[[Home], Learner] = _learner
    check_health: Callable[[str, float], None] = _check_health
