"""Photos decoded in child processes: as in this process, and whatever happens there stays there."""

import logging
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from faceoff.decoding import pool
from faceoff.decoding.pool import Decoder
from faceoff.errors import FaceOffError, Reason
from faceoff.image import decode
from faceoff.testing import picture
from faceoff.types import Photo
from tests.unit.decoding.files import SIZE_BOMBS, chunk, mpo, pixels, png, save, smooth, srgb_profile, telling_files

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc and memory limits are Linux's")
SMALL = save(Image.fromarray(smooth()), "PNG")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder(processes=1) as decoder:
        yield decoder


def children() -> list[psutil.Process]:
    """A child that some other test has not waited for yet has no command line."""
    alive = (child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
    return [child for child in alive if "faceoff.decoding.worker" in child.cmdline()]


def child_of(decoder: Decoder) -> psutil.Process:
    """The process of a decoder that has one."""
    decoder.decode(SMALL)
    (child,) = children()
    return child


def refused(decode: Callable[[bytes], Photo], data: bytes) -> tuple[Reason, str, str]:
    with pytest.raises(FaceOffError) as caught:
        decode(data)
    assert caught.value.hint
    return caught.value.reason, caught.value.message, caught.value.hint


def large(height: int = 3000, width: int = 4000) -> bytes:
    return save(Image.fromarray((picture(height, width) * 255).astype(np.uint8)), "JPEG")


# As in this process


def assert_same(there: Photo, here: Photo) -> None:
    np.testing.assert_array_equal(there.pixels, here.pixels)
    np.testing.assert_array_equal(there.alpha, here.alpha)
    assert there.pixels.dtype == np.float32
    assert_same_sheet(there, here)


def assert_same_sheet(there: Photo, here: Photo) -> None:
    assert (there.width, there.height) == (here.width, here.height)
    for name in ("format", "source", "icc", "grayscale", "warnings"):
        assert getattr(there, name) == getattr(here, name)


def photos() -> Iterator[bytes]:
    yield from telling_files()
    yield mpo()
    for channels in (1, 2, 3, 4):
        yield save(Image.fromarray(pixels(500, 2100, channels)), "PNG")  # several strips
    yield save(Image.fromarray(smooth()).convert("CMYK"), "JPEG")
    yield save(Image.fromarray(smooth()), "WEBP", icc_profile=srgb_profile())
    yield save(Image.fromarray(smooth()).quantize(16), "GIF", transparency=3)
    yield png(5, 1, b"\0" + np.arange(5, dtype=">u2").tobytes(), depth=16, colour=0)


def test_photos_are_the_same_as_in_this_process(decoder: Decoder) -> None:
    for data in photos():
        assert_same(decoder.decode(data), decode(data))


def test_measuring_tells_the_same_without_pixels(decoder: Decoder) -> None:
    for data in photos():
        measured = decoder.measure(data)
        assert_same_sheet(measured, decode(data))
        assert np.isnan(measured.pixels).all()
        assert_same(decoder.decode(data), decode(data))  # nothing was left on the way


def test_measuring_takes_no_memory_here(decoder: Decoder) -> None:
    data = png(7071, 7071, bytes(7071 * 21214))
    decoder.measure(SMALL)
    tracemalloc.start()
    try:
        assert decoder.measure(data).width == 7071
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_refusals_are_the_same_as_in_this_process(decoder: Decoder) -> None:
    frames = [Image.fromarray(pixels(seed=seed)) for seed in range(2)]
    moving = save(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    cut = save(Image.fromarray(pixels(40, 40)), "JPEG")[:500]
    for data in (b"", b"%PDF-1.7", moving, cut, save(Image.new("F", (4, 4)), "TIFF"), *SIZE_BOMBS):
        assert refused(decoder.decode, data) == refused(decoder.measure, data) == refused(decode, data)


def test_a_refusal_costs_no_process(decoder: Decoder) -> None:
    before = child_of(decoder).pid
    for data in (SMALL[:60], SIZE_BOMBS[0], SMALL):
        try:
            decoder.decode(data)
        except FaceOffError:
            continue
    assert child_of(decoder).pid == before


def test_results_of_our_own_may_be_larger(decoder: Decoder) -> None:
    data = png(1, 1, b"\0abc") + bytes(26_000_000)
    assert refused(decoder.decode, data)[0] is Reason.IMAGE_TOO_LARGE
    assert decoder.decode(data, max_bytes=len(data)).width == 1


def test_many_threads_share_few_processes() -> None:
    data = [save(Image.fromarray(pixels(300, 200, seed=seed)), "PNG") for seed in range(24)]
    with Decoder(processes=2) as decoder:
        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(decoder.decode, data))
        assert 1 <= len(children()) <= 2
    for photo, file in zip(made, data, strict=True):
        assert_same(photo, decode(file))


# What a child is not given


@LINUX
def test_a_child_has_nothing_of_ours(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEOFF_SECRET", "key")
    child = child_of(decoder)
    assert set(child.environ()) == {"PYTHONPATH", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"}
    assert child.cwd() == "/"
    files = [file.readlink() for file in Path(f"/proc/{child.pid}/fd").iterdir()]
    assert sorted(str(file).partition(":")[0] for file in files) == ["/dev/null", "/dev/null", "socket"]
    libraries = Path(f"/proc/{child.pid}/maps").read_text()
    assert "PIL" in libraries
    assert not any(name in libraries for name in ("tensorflow", "cv2", "grpc"))


@LINUX
def test_a_child_has_limits(decoder: Decoder) -> None:
    child = child_of(decoder)
    lines = Path(f"/proc/{child.pid}/limits").read_text().splitlines()
    limits = {line[:25].strip(): line[25:].split()[:2] for line in lines}
    assert limits["Max address space"] == [str(pool.MEMORY)] * 2
    assert limits["Max core file size"] == limits["Max file size"] == ["0", "0"]
    assert limits["Max open files"] == ["16", "16"]
    assert 20 <= int(limits["Max cpu time"][0]) <= 40
    assert "NoNewPrivs:\t1" in Path(f"/proc/{child.pid}/status").read_text()


# What a child may not do to us


@LINUX
def test_a_photo_that_needs_more_memory_than_there_is() -> None:
    with Decoder(processes=1, memory=256 * 2**20) as decoder:
        child = child_of(decoder)
        # 49 megapixels of 4 bytes each, in a file of 140 kB.
        assert refused(decoder.decode, png(7000, 7000, bytes(7000 * 21001)))[0] is Reason.IMAGE_TOO_LARGE
        assert peak(child) <= 256 * 2**20
        assert decoder.decode(SMALL).width == 32


def peak(child: psutil.Process) -> int:
    """Bytes of address space."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    return int(status.partition("VmPeak:")[2].split()[0]) * 1024


@LINUX
def test_the_largest_photos_fit(decoder: Decoder) -> None:
    child = child_of(decoder)
    assert decoder.decode(png(7071, 7071, bytes(7071 * 21214))).width == 7071
    assert peak(child) < pool.MEMORY / 2


def time_bomb() -> bytes:
    """A PNG of one pixel behind two million empty chunks, each of which its reader looks at."""
    return png(1, 1, b"\0abc", extra=chunk(b"abCd", b"") * 2_000_000)


def test_a_photo_that_takes_too_long() -> None:
    with Decoder(processes=1, seconds=1) as decoder:
        before = child_of(decoder).pid
        start = time.monotonic()
        reason, message, _ = refused(decoder.decode, time_bomb())
        assert (reason, message) == (Reason.IMAGE_TOO_LARGE, "Decoding the photo takes too long.")
        assert time.monotonic() - start < 10
        assert child_of(decoder).pid != before
        assert len(children()) == 1


def test_a_child_that_is_left_alone_with_a_time_bomb_ends_itself() -> None:
    """As it is where the parent was stopped or killed: here the parent waits, and the processor time runs out."""
    with Decoder(processes=1, seconds=1) as decoder:
        child = child_of(decoder)
        mine = decoder._free.get()
        assert mine is not None
        mine._seconds = 60
        decoder._free.put(mine)
        assert refused(decoder.decode, time_bomb())[1] == "Decoding the photo takes too long."
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGSEGV, Reason.IMAGE_CORRUPT),
        (signal.SIGABRT, Reason.IMAGE_CORRUPT),
        (signal.SIGKILL, Reason.IMAGE_TOO_LARGE),  # by the kernel, when memory runs out
    ],
)
def test_a_crash(number: int, reason: Reason) -> None:
    with Decoder(processes=1) as decoder:
        child = child_of(decoder)
        begun = at_work(decoder)
        child.suspend()
        with ThreadPoolExecutor(1) as thread:
            going = thread.submit(refused, decoder.decode, large(300, 400))
            while not begun():
                time.sleep(0.01)
            child.send_signal(number)
            with suppress(psutil.NoSuchProcess):  # SIGKILL does not wait for it
                child.resume()
            assert going.result(10)[0] is reason
        assert decoder.decode(SMALL).width == 32
        assert len(children()) == 1


def at_work(decoder: Decoder) -> Callable[[], bool]:
    """Whether the process that waits now has been given a photo."""
    (child,) = decoder._free.queue
    assert child is not None
    return lambda: not child.sound


def test_a_child_that_died_of_itself_is_nobodys_fault() -> None:
    with Decoder(processes=1) as decoder:
        child = child_of(decoder)
        child.kill()
        child.wait(10)
        assert decoder.decode(SMALL).width == 32


def test_an_interrupt_costs_the_process_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with Decoder(processes=1) as decoder:
        before = child_of(decoder).pid
        monkeypatch.setattr(pool, "assemble", interrupt)
        with pytest.raises(KeyboardInterrupt):
            decoder.decode(SMALL)
        monkeypatch.undo()
        assert_same(decoder.decode(SMALL), decode(SMALL))
        assert child_of(decoder).pid != before


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0\0\2{}",
        b"\0\0\0\2[]",
        b"\xff\xff\xff\xff",
        b"\0\0\0\5never",
        b"\0\0\x4e\x20" + b"[" * 20_000,
        b'\0\0\0\x16{"reason": "INTERNAL"}',
        b"%c%c%c%c" % (0, 0, 0, 95)
        + b'{"width": 16384, "height": 3000, "mode": "RGB", "format": "PNG", "warnings": [], "profile": 0} ',
        b"%c%c%c%c" % (0, 0, 0, 92)
        + b'{"width": 9999, "height": 9999, "mode": "L", "format": "PNG", "warnings": [], "profile": 0} ',
    ],
)
def test_a_child_that_lies(answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was taken over: what it says is checked, and it gets no second photo."""
    liar = tmp_path / "python"
    liar.write_text(
        f"#!{sys.executable} -IS\nimport socket\n"
        f"parent = socket.socket(fileno=0)\nparent.sendall(b'+')\nparent.recv(8)\nparent.sendall({answer!r})\n"
    )
    liar.chmod(0o755)
    with Decoder(processes=1, seconds=20) as decoder:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(liar))
            assert refused(decoder.decode, SMALL)[0] is Reason.IMAGE_CORRUPT
        assert decoder.decode(SMALL).width == 32


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false"])
def test_no_process_can_be_started(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Decoder(processes=1) as decoder:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", program)
            assert refused(decoder.decode, SMALL)[0] is Reason.INTERNAL
        assert decoder.decode(SMALL).width == 32


def test_a_system_without_memory_limits_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mac = tmp_path / "python"
    mac.write_text(
        f"#!{sys.executable}\nimport sys\nsys.platform = 'darwin'\n"
        "from faceoff.decoding import worker\nsys.argv[1:] = sys.argv[5:]\nworker.main()\n"
    )
    mac.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(mac))
    with Decoder(processes=1) as decoder:
        assert_same(decoder.decode(SMALL), decode(SMALL))
    assert "without a memory limit" in caplog.text


# Lives


def test_processes_are_replaced() -> None:
    with Decoder(processes=1, photos=2) as decoder:
        seen = []
        for _ in range(4):
            assert decoder.decode(SMALL).width == 32
            seen.append([child.pid for child in children()])
    assert [len(pids) for pids in seen] == [1, 0, 1, 0]
    assert seen[0] != seen[2]


def test_nothing_starts_before_it_is_needed_and_nothing_stays() -> None:
    decoder = Decoder()
    assert refused(decoder.decode, b"no photo")[0] is Reason.UNSUPPORTED_FORMAT
    assert children() == []
    decoder.decode(SMALL)
    assert len(children()) == 1
    decoder.close()
    assert children() == []
    assert decoder.decode(SMALL).width == 32
    decoder.close()


def test_closing_waits_for_the_photo_at_hand() -> None:
    decoder = Decoder(processes=1)
    child_of(decoder)
    begun = at_work(decoder)
    made: list[Photo] = []
    going = threading.Thread(target=lambda: made.append(decoder.decode(large())))
    going.start()
    while not begun():
        time.sleep(0.001)
    decoder.close()
    going.join(20)
    assert made[0].width == 4000
    assert children() == []


def test_children_end_with_a_parent_that_is_killed() -> None:
    code = f"""
from faceoff.decoding.pool import Decoder
import psutil, time
decoder = Decoder()
decoder.decode({SMALL!r})
print(psutil.Process().children()[0].pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(10)


def test_nothing_is_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    with Decoder(processes=1) as decoder:
        for data in telling_files():
            decoder.decode(data)
            refused(decoder.decode, data[: len(data) // 3])
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")
