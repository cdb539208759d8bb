"""The child process: reads files from its standard input, a socket, and answers there (faceoff.decoding.wire).

It is started by Decoder with an empty environment, in the root folder, with no file open but that socket. Before the
first stranger's byte it gives up what it does not need. It ends when the socket does.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import sys
from contextlib import suppress

from faceoff.decoding import wire
from faceoff.decoding.upright import read
from faceoff.errors import FaceOffError

READY, READY_WITHOUT_MEMORY_LIMIT = b"+", b"-"
OUT_OF_MEMORY = 3
"""Exit status."""

_OPEN_FILES = 16
_PR_SET_NO_NEW_PRIVS = 38
_LARGEST_RECEIVE = 2**20


def main() -> None:
    """``python -m faceoff.decoding.worker MEMORY_BYTES SECONDS``"""
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    with socket.socket(fileno=0) as parent:
        parent.sendall(READY if _give_up(memory) else READY_WITHOUT_MEMORY_LIMIT)
        with suppress(ConnectionError, EOFError):
            while True:
                pixels, data = _receive(parent)
                _allow(seconds)
                _answer(parent, data, pixels)


def _give_up(memory: int) -> bool:
    """Limits of the whole process; whether ``memory`` is one of them, which it is on Linux only."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be a photo on a disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform != "linux":
        return False
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return True


def _allow(seconds: int) -> None:
    """Processor time for the next photo: it holds also where the parent is gone and its clock with it."""
    used = sum(os.times()[:2])
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + seconds + 1, hard))


def _answer(parent: socket.socket, data: bytes, pixels: bool) -> None:
    try:
        sheet, strips = read(data, max_bytes=len(data))
    except FaceOffError as error:
        parent.sendall(wire.from_error(error))
        return
    parent.sendall(wire.from_sheet(sheet))
    for strip in strips if pixels else ():
        parent.sendall(strip)


def _receive(parent: socket.socket) -> tuple[bool, bytes]:
    """Whether pixels are wanted, and the next file. Raises EOFError when the parent has closed its end."""
    pixels, length = wire.ORDER.unpack(_exactly(parent, wire.ORDER.size))
    return pixels, _exactly(parent, length)


def _exactly(parent: socket.socket, length: int) -> bytes:
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        received = parent.recv_into(rest, min(len(rest), _LARGEST_RECEIVE))
        if not received:
            raise EOFError
        rest = rest[received:]
    return bytes(data)


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
