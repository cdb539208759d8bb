"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from faceoff.errors import FaceOffError, Reason


def write_atomically(path: Path, data: bytes | Iterable[bytes], overwrite: bool = True, private: bool = False) -> None:
    """Write ``data`` (bytes, or chunks of them) under a temporary name beside ``path``, then rename. Only its owner may read or
    write a ``private`` file.

    Whatever goes wrong, an exception of the chunks' iterator included, ``path`` is as it was and nothing is left beside
    it. Raises INVALID_ARGUMENT when ``path`` exists and ``overwrite`` is false or the folder cannot be written to, and
    DISK_FULL.
    """
    if not overwrite and os.path.lexists(path):
        raise _exists(path)
    temporary = path.with_name(f".faceoff-{secrets.token_hex(8)}.tmp")
    try:
        with disk_errors(path):
            with _open_private(temporary) if private else temporary.open("xb") as file:
                for chunk in (data,) if isinstance(data, bytes) else data:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                temporary.replace(path)
            else:
                _rename_to_new(temporary, path)
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError met while writing ``path`` into DISK_FULL or INVALID_ARGUMENT."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FaceOffError(
                Reason.DISK_FULL, f"The disk is full: {path} was not written.", "Free some space and run it again."
            ) from error
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"Cannot write {path}: {error.strerror or error}.",
            "Choose a folder that exists and that you may write to.",
        ) from error


def _open_private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _rename_to_new(temporary: Path, path: Path) -> None:
    """A hard link, unlike a rename, fails if ``path`` appeared in the meantime."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:
        # A file system without hard links: the window between the check and the rename stays.
        if os.path.lexists(path):
            raise _exists(path) from None
        temporary.replace(path)


def _exists(path: Path) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, f"{path} exists already.", "Give --force to replace it.")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the system lets folders be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
