"""A table as a KV bucket with a history of one."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js.api import Header
from nats.js.errors import APIError, NotFoundError

from faceoff.jobs.jetstream.loop import Loop
from faceoff.jobs.store import Entry

_STALE = (10071, 10164)  # wrong last sequence
_NO_MORE = ("204", "404")  # the end of a batch, nothing newer
_BATCH = 256  # changes in one answer
_LAST = "Faceoff-Last"
_MARKER = 3600  # seconds for which whoever follows may have been away and still hear of a deletion


class Change(NamedTuple):
    """``value`` is None for an erasure, of which ``last`` was said."""

    key: str
    revision: int
    value: bytes | None
    last: str


class Bucket:
    """``direct``: whichever server has the stream is asked, not its leader. ``marked``: a deletion leaves a marker for those
    who follow. Otherwise the value is overwritten where it is stored."""

    def __init__(self, loop: Loop, name: str, direct: bool, marked: bool) -> None:
        self._loop, self._stream, self._direct, self._marked = loop, f"KV_{name}", direct, marked
        self._prefix = f"$KV.{name}."

    def create(self, key: str, value: bytes) -> int | None:
        return self.replace(key, value, 0)

    def read(self, key: str) -> Entry | None:
        return self._loop.run(lambda: self._read(key))

    def replace(self, key: str, value: bytes, revision: int) -> int | None:
        return self._loop.run(lambda: self._replace(key, value, revision))

    def erase(self, key: str, last: str = "") -> bool:
        return self._loop.run(lambda: self._erase(key, last))

    def names(self) -> Iterable[str]:
        info = self._loop.run(lambda: self._loop.stream.stream_info(self._stream, subjects_filter=f"{self._prefix}>"))
        return [subject.removeprefix(self._prefix) for subject in info.state.subjects or ()]

    async def since(self, revision: int) -> list[Change]:
        """The next changes after ``revision``, in their order; none when there are no newer ones."""
        request = {"seq": revision + 1, "next_by_subj": f"{self._prefix}>", "batch": _BATCH}
        inbox = self._loop.client.new_inbox()
        answers = await self._loop.client.subscribe(inbox)
        changes: list[Change] = []
        try:
            subject = f"$JS.API.DIRECT.GET.{self._stream}"
            await self._loop.client.publish(subject, json.dumps(request).encode(), reply=inbox)
            while True:
                message = await answers.next_msg(self._loop.timeout)
                headers = message.headers or {}
                status = headers.get(Header.STATUS.value)
                if status in _NO_MORE:
                    return changes
                if status:
                    raise NoRespondersError
                key = headers["Nats-Subject"].removeprefix(self._prefix)
                value = None if "KV-Operation" in headers else message.data
                changes.append(Change(key, int(headers["Nats-Sequence"]), value, headers.get(_LAST, "")))
        finally:
            await answers.unsubscribe()

    async def newest(self) -> int:
        return (await self._loop.stream.stream_info(self._stream)).state.last_seq

    async def listen(self, heard: Callable[[Msg], Awaitable[None]]) -> None:
        """Call ``heard`` at every write, as far as the connection lets one hear."""
        await self._loop.client.subscribe(f"{self._prefix}>", cb=heard)

    async def _read(self, key: str) -> Entry | None:
        try:
            message = await self._loop.stream.get_msg(self._stream, subject=self._prefix + key, direct=self._direct)
        except NotFoundError:
            return None
        if message.data is None or message.seq is None or message.time is None:  # a deletion's marker
            return None
        return Entry(message.data, message.seq, message.time.timestamp())

    async def _replace(self, key: str, value: bytes, revision: int) -> int | None:
        headers = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision)}
        try:
            return (await self._loop.stream.publish(self._prefix + key, value, headers=headers)).seq
        except APIError as error:
            if error.err_code in _STALE:
                return None
            raise

    async def _erase(self, key: str, last: str) -> bool:
        entry = await self._read(key)
        while entry:
            if self._marked:
                headers = {"KV-Operation": "PURGE", Header.ROLLUP.value: "sub", _LAST: last}
                await self._loop.stream.publish(self._prefix + key, headers=headers, msg_ttl=_MARKER)
                return True
            try:
                return await self._loop.stream.delete_msg(self._stream, entry.revision)
            except APIError:
                # The server has several errors for a revision that somebody else has just erased or replaced.
                refused, entry = entry, await self._read(key)
                if entry and entry.revision == refused.revision:
                    raise
        return False
