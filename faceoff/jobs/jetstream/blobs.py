"""Sealed photos as chunks in a stream: read back by number, which, unlike a consumer, survives a restart of the server."""

from __future__ import annotations

from collections.abc import Iterable

from nats.js.api import Header, RawStreamMsg
from nats.js.errors import NotFoundError

from faceoff.jobs.jetstream.loop import Loop
from faceoff.jobs.jetstream.streams import PHOTO_SUBJECTS, PHOTOS

_CHUNK = 512 << 10  # bytes; a server refuses more than 1 MiB unless told otherwise
_COUNT, _OF_NOTE = "Faceoff-Chunks", "Faceoff-Note-Chunks"


class Blobs:
    """``direct`` as in Bucket."""

    def __init__(self, loop: Loop, direct: bool) -> None:
        self._loop, self._direct = loop, direct

    def put(self, name: str, data: bytes, note: bytes = b"") -> None:
        self._loop.run(lambda: self._put(name, _chunks(note), _chunks(data)))

    def get(self, name: str) -> bytes | None:
        return self._loop.run(lambda: self._get(name, note=False))

    def note(self, name: str) -> bytes | None:
        return self._loop.run(lambda: self._get(name, note=True))

    def remove(self, name: str) -> bool:
        async def remove() -> bool:
            answer = await self._loop.api(f"STREAM.PURGE.{PHOTOS}", {"filter": _subject(name)})
            return int(answer["purged"]) > 0

        return self._loop.run(remove)

    def created(self, name: str) -> float | None:
        async def created() -> float | None:
            first = await self._next(name, 1)
            return first.time.timestamp() if first and first.time else None

        return self._loop.run(created)

    def names(self) -> Iterable[str]:
        info = self._loop.run(lambda: self._loop.stream.stream_info(PHOTOS, subjects_filter=_subject(">")))
        return [subject.removeprefix(_subject("")) for subject in info.state.subjects or ()]

    def census(self) -> tuple[int, float | None]:
        return self._loop.run(self._census)

    async def _census(self) -> tuple[int, float | None]:
        state = (await self._loop.stream.stream_info(PHOTOS, subjects_filter=_subject(">"))).state
        first = await self._next(">", state.first_seq) if state.messages else None
        return len(state.subjects or ()), first.time.timestamp() if first and first.time else None

    async def _put(self, name: str, note: list[bytes], data: list[bytes]) -> None:
        counts = {_COUNT: str(len(note) + len(data)), _OF_NOTE: str(len(note))}
        last = 0
        for chunk in (*note, *data):
            headers = {**counts, Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(last)}
            last = (await self._loop.stream.publish(_subject(name), chunk, headers=headers)).seq

    async def _get(self, name: str, note: bool) -> bytes | None:
        pieces: list[bytes] = []
        at, count, of_note = 1, 1, 0
        while len(pieces) < count:
            message = await self._next(name, at)
            if message is None or message.seq is None or message.data is None:
                return None
            pieces.append(message.data)
            headers = message.headers or {}
            at, of_note = message.seq + 1, int(headers.get(_OF_NOTE, 0))
            count = of_note if note else int(headers.get(_COUNT, 0))
        return b"".join(pieces[:of_note] if note else pieces[of_note:])

    async def _next(self, name: str, number: int) -> RawStreamMsg | None:
        try:
            return await self._loop.stream.get_msg(
                PHOTOS, subject=_subject(name), seq=number, direct=self._direct, next=True
            )
        except NotFoundError:
            return None


def _chunks(data: bytes) -> list[bytes]:
    return [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]


def _subject(name: str) -> str:
    return f"{PHOTO_SUBJECTS}.{name}"
