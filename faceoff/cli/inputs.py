"""From what people type (files, folders, patterns, ``-``) to photos, and where each result goes."""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceoff import image
from faceoff.cli.exits import Unreadable
from faceoff.errors import FaceOffError
from faceoff.types import Photo

SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}

_PHOTO_SUFFIXES = {
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".gif",
    ".heic",
    ".heif",
    ".avif",
}
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")


@dataclass(frozen=True)
class Source:
    """One photo to work on. ``path`` is None for standard input; ``folder`` is where it stands below the folder that
    was named, so that --out-dir can mirror it."""

    path: Path | None
    folder: Path = Path()

    @property
    def name(self) -> str:
        return str(self.path) if self.path else "-"

    def read(self) -> bytes:
        """The file's bytes, cut where faceoff.image would refuse them anyway. Raises Unreadable."""
        try:
            if self.path is None:
                return sys.stdin.buffer.read(image.MAX_BYTES + 1)
            if not stat.S_ISREG(self.path.stat().st_mode):  # opening a pipe that nobody writes to would wait for ever
                raise Unreadable("It is not a regular file.", "Name a photo's own file, or pipe the photo into `-`.")
            with self.path.open("rb") as file:
                return file.read(image.MAX_BYTES + 1)
        except OSError as error:
            raise Unreadable(f"It cannot be read: {error.strerror}.", "Check the name and its permissions.") from error

    def output(self, format: str, out_dir: Path | None) -> Path | None:  # noqa: A002
        """Where the result goes; None is standard output."""
        if self.path is None:
            return out_dir / f"stdin.faceoff{SUFFIXES[format]}" if out_dir else None
        folder = out_dir / self.folder if out_dir else self.path.parent
        return folder / f"{self.path.stem}.faceoff{SUFFIXES[format]}"


def photo(path: Path) -> Photo:
    """One named photo. Raises FaceOffError, naming the file: a command may have several."""
    try:
        return image.decode(Source(path).read())
    except FaceOffError as error:
        error.message = f"{path}: {error.message}"
        raise


def expand(arguments: Sequence[str]) -> list[Source]:
    """The photos that the arguments name, each once, in the order given and sorted inside folders and patterns.

    Our own results are left out unless one is the only argument: a pattern that the shell expanded is a list of names
    too. A name that does not exist stays in the list and fails when it is read.
    Raises Unreadable when nothing is left.
    """
    found: dict[str | None, Source] = {}
    for argument in arguments:
        for source in _expand(argument):
            if (len(arguments) == 1 and source.name == argument) or not _is_result(source.path):
                found.setdefault(os.path.realpath(source.path) if source.path else None, source)
    if not found:
        raise Unreadable("There is no photo in what was named.", "Results (*.faceoff.*) are not protected again.")
    return list(found.values())


def looks_like_jpeg(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff")


def _expand(argument: str) -> Iterator[Source]:
    path = Path(argument)
    if argument == "-":
        yield Source(None)
    elif os.path.isdir(argument):  # noqa: PTH112  (Path's raises for a name that is too long)
        yield from _walk(path)
    elif not os.path.lexists(argument) and glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))
        if not matches:
            yield Source(path)
        for match in map(Path, matches):
            yield from _walk(match) if match.is_dir() else [Source(match)]
    else:
        yield Source(path)


def _walk(root: Path) -> Iterator[Source]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file() and _is_photo(path):
                yield Source(path, Path(folder).relative_to(root))


def _is_photo(path: Path) -> bool:
    if path.suffix.lower() in _PHOTO_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:] == b"WEBP") or start[4:8] == b"ftyp"


def _is_result(path: Path | None) -> bool:
    return path is not None and Path(path.stem).suffix == ".faceoff"
