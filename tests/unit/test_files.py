import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.files import write_atomically


def test_writes_bytes_and_chunks(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "b", iter([b"o", b"", b"ne"]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_overwrites_unless_told_not_to(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"old", overwrite=False)
    with pytest.raises(FaceOffError, match="--force") as caught:
        write_atomically(path, b"new", overwrite=False)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert path.read_bytes() == b"old"
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def slow() -> Iterator[bytes]:
        path.write_bytes(b"theirs")
        yield b"ours"

    with pytest.raises(FaceOffError, match="exists already"):
        write_atomically(path, slow(), overwrite=False)
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_new_file_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", no_links)
    write_atomically(tmp_path / "a", b"one", overwrite=False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"one"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no more")])
def test_a_failing_source_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def broken() -> Iterator[bytes]:
        yield b"new"
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, broken())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, which fails every write with ENOSPC")
def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The temporary file is a link to the device that is always full: the error is the kernel's own.
    monkeypatch.setattr("secrets.token_hex", lambda size: "full")
    opened = Path.open

    def open_full(path: Path, mode: str = "r") -> object:
        if path.name == ".faceoff-full.tmp":
            path.symlink_to("/dev/full")
            mode = "wb"
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(FaceOffError) as caught:
        write_atomically(tmp_path / "a", b"one" * 100_000)
    assert caught.value.reason is Reason.DISK_FULL
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FaceOffError, match="Cannot write") as caught:
        write_atomically(tmp_path / "nowhere" / "a", b"one")
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"one")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
