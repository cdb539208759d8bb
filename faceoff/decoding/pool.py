"""The room where strangers' bytes are decoded: a few long-lived child processes (faceoff.decoding.worker)."""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from faceoff.decoding import formats, wire, worker
from faceoff.decoding.upright import Sheet, assemble, out_of_memory, outline
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Photo

MEMORY = 1536 * 1024 * 1024
"""Address space of a child in bytes. The most that 50 megapixels were seen to need is 1.2 GB (WEBP with alpha, turned)."""

_START_SECONDS = 60.0
_END_SECONDS = 5.0
_LARGEST_RECEIVE = 2**20

log = logging.getLogger(__name__)


class Decoder:
    """``decode`` is faceoff.image.decode, in child processes that have little memory, little time and nothing of ours.

    ``processes`` photos are decoded at once; further callers wait. A process is started when it is first needed and
    replaced after ``photos`` or after any failure. ``seconds`` is what one photo may take, ``memory`` a process's
    address space in bytes (on Linux; elsewhere there is no such limit, which is logged). Safe to share between threads.
    """

    def __init__(self, processes: int = 2, photos: int = 200, seconds: int = 20, memory: int = MEMORY) -> None:
        self._photos, self._seconds, self._memory = photos, seconds, memory
        # The last one used is the first to be used again: where one process suffices, one is started.
        self._free: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        self._processes = processes
        for _ in range(processes):
            self._free.put(None)

    def decode(self, data: bytes, max_bytes: int = formats.MAX_BYTES) -> Photo:
        """As faceoff.image.decode. A photo that ends its process or takes too long raises IMAGE_CORRUPT or
        IMAGE_TOO_LARGE as well; INTERNAL means that no process can be started."""
        return self._read(data, max_bytes, pixels=True)

    def measure(self, data: bytes, max_bytes: int = formats.MAX_BYTES) -> Photo:
        """As ``decode``, all its checks included, for whoever needs no pixels: they stay in the process that decoded them, and
        the photo has NaN in their place, which takes no memory here, and no alpha."""
        return self._read(data, max_bytes, pixels=False)

    def _read(self, data: bytes, max_bytes: int, pixels: bool) -> Photo:
        format_name = formats.sniff(data, max_bytes)
        child = self._free.get()
        try:
            if child and child.ended:
                child.kill()
                child = None
            child = child or _Child(self._memory, self._seconds)
            return child.read(data, format_name, pixels)
        finally:
            if child and (not child.sound or child.photos >= self._photos):
                child.kill()
                child = None
            self._free.put(child)

    def close(self) -> None:
        """End the processes, after the photos that are being decoded. A later ``decode`` starts new ones."""
        children = [self._free.get() for _ in range(self._processes)]
        for child in children:
            if child:
                child.kill()
            self._free.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Child:
    """One process and the socket to it. ``sound``: it has answered in full and waits for the next photo."""

    def __init__(self, memory: int, seconds: int) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + _START_SECONDS
        self.photos = 0
        self.sound = False
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-B", "-m", worker.__name__, str(memory), str(seconds)]
            # Not forked by multiprocessing, which would import the service's main module, and TensorFlow with it.
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=_environment(),
                    process_group=0,  # Ctrl-C is for the parent, which finishes its photos
                )
            except OSError:
                self._socket.close()
                raise _cannot_start() from None
        try:
            ready = self._receive(1)
        except BaseException as error:
            self.kill()
            if isinstance(error, (OSError, EOFError)):
                raise _cannot_start() from None
            raise
        if ready == worker.READY_WITHOUT_MEMORY_LIMIT:
            log.warning("Photos are decoded without a memory limit: this system has none.")
        self.sound = True

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def read(self, data: bytes, format_name: str, pixels: bool) -> Photo:
        self.sound = False
        self.photos += 1
        self._deadline = time.monotonic() + self._seconds
        try:
            self._send(wire.ORDER.pack(pixels, len(data)))
            self._send(data)
            head = wire.to_head(self._receive(self._head_length()))
            if error := wire.to_error(head):
                self.sound = True
                raise error
            sheet = wire.to_sheet(head, self._receive(wire.profile_length(head)), format_name)
            photo = assemble(sheet, self._strips(sheet), data) if pixels else outline(sheet, data)
        except TimeoutError:
            raise _too_slow() from None
        except (OSError, EOFError):
            raise self._why(format_name) from None
        except wire.Nonsense:
            raise formats.corrupt(format_name) from None
        self.sound = True
        return photo

    def kill(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _head_length(self) -> int:
        length: int = wire.HEAD_LENGTH.unpack(self._receive(wire.HEAD_LENGTH.size))[0]
        if length > wire.MAX_HEAD:
            raise wire.Nonsense
        return length

    def _strips(self, sheet: Sheet) -> Iterator[memoryview]:
        """Each is overwritten by the next."""
        buffer = memoryview(bytearray(sheet.strip_bytes(sheet.strips[0][1])))
        for _, rows in sheet.strips:
            strip = buffer[: sheet.strip_bytes(rows)]
            self._receive_into(strip)
            yield strip

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._wait()
            rest = rest[self._socket.send(rest) :]

    def _receive(self, length: int) -> bytes:
        data = bytearray(length)
        self._receive_into(memoryview(data))
        return bytes(data)

    def _receive_into(self, target: memoryview) -> None:
        while target:
            self._wait()
            received = self._socket.recv_into(target, min(len(target), _LARGEST_RECEIVE))
            if not received:
                raise EOFError
            target = target[received:]

    def _wait(self) -> None:
        """Let the next call on the socket wait for what is left of the time. Raises TimeoutError."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def _why(self, format_name: str) -> FaceOffError:
        """What the end of the process says about its photo."""
        with suppress(subprocess.TimeoutExpired):
            status = self._process.wait(_END_SECONDS)
            if status in (-signal.SIGXCPU, -signal.SIGKILL):  # the kernel's limit on time; its way with memory
                return _too_slow() if status == -signal.SIGXCPU else out_of_memory()
            if status == worker.OUT_OF_MEMORY:
                return out_of_memory()
        return formats.corrupt(format_name)


def _environment() -> dict[str, str]:
    """Nothing of ours but where Python's modules are."""
    path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
    return {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


def _too_slow() -> FaceOffError:
    return FaceOffError(
        Reason.IMAGE_TOO_LARGE, "Decoding the photo takes too long.", "Make it smaller, or save it as an ordinary JPEG."
    )


def _cannot_start() -> FaceOffError:
    return FaceOffError(
        Reason.INTERNAL,
        "No process could be started to decode the photo.",
        "Try again; if it stays, tell the operator.",
    )
