"""The queue as a work-queue stream. Every priority and tenant has a consumer of its own, so whose message is next is decided
here, by turns, and not by who came first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable

from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js.api import AckPolicy, ConsumerConfig, Header

from faceoff.jobs.jetstream.loop import Loop
from faceoff.jobs.jetstream.streams import JOBS, QUEUE_SUBJECTS
from faceoff.jobs.turns import Line, Turns
from faceoff.types import Priority

_POLL = 0.5  # seconds between two looks for messages that come back
_IDLE = 3600.0  # seconds after which a consumer that nobody asks is forgotten


class Queue:
    """``lease`` is the seconds after which a message that is not kept is delivered again."""

    def __init__(self, loop: Loop, lease: float) -> None:
        self._loop, self._lease = loop, lease
        self._turns = Turns()
        self._pushed = asyncio.Event()
        self._listening = False

    def push(self, priority: Priority, tenant: str, key: str) -> None:
        # The server drops a repeat of the message by its id.
        headers = {Header.MSG_ID.value: key}
        self._loop.run(lambda: self._loop.stream.publish(_subject((priority, tenant)), key.encode(), headers=headers))

    def pull(self, wait: float) -> Ticket | None:
        message = self._loop.run(lambda: self._pull(time.monotonic() + wait))
        return Ticket(self._loop, message) if message else None

    async def _pull(self, deadline: float) -> Msg | None:
        if not self._listening:
            self._listening = True
            await self._loop.client.subscribe(f"{QUEUE_SUBJECTS}.*.*", cb=self._heard)
        while True:
            self._pushed.clear()
            for line in self._turns.order(await self._lines()):
                message = await self._next(line)
                if message:
                    self._turns.serve(line)
                    return message
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pushed.wait(), min(left, _POLL))

    async def _heard(self, _: Msg) -> None:
        self._pushed.set()

    async def _lines(self) -> Iterable[Line]:
        """Those with messages, delivered ones among them."""
        info = await self._loop.stream.stream_info(JOBS, subjects_filter=f"{QUEUE_SUBJECTS}.>")
        tokens = (subject.split(".") for subject in info.state.subjects or ())
        return [(Priority(int(priority)), tenant) for _, priority, tenant in tokens]

    async def _next(self, line: Line) -> Msg | None:
        """The next message that nobody has."""
        name = f"{line[0].value}-{line[1]}"
        request = json.dumps({"batch": 1, "no_wait": True}).encode()
        try:
            message = await self._ask(name, request)
        except NoRespondersError:  # nobody has asked for this line in the last hour
            await self._loop.stream.add_consumer(
                JOBS,
                ConsumerConfig(
                    durable_name=name,
                    filter_subject=_subject(line),
                    ack_policy=AckPolicy.EXPLICIT,
                    ack_wait=self._lease,
                    max_deliver=-1,
                    inactive_threshold=_IDLE,
                ),
            )
            message = await self._ask(name, request)
        return None if message.headers and Header.STATUS.value in message.headers else message

    async def _ask(self, name: str, request: bytes) -> Msg:
        # A delivered message bears its own subject, by which the client's shared inbox would not know whose answer it is.
        return await self._loop.client.request(
            f"$JS.API.CONSUMER.MSG.NEXT.{JOBS}.{name}", request, timeout=self._loop.timeout, old_style=True
        )


class Ticket:
    def __init__(self, loop: Loop, message: Msg) -> None:
        self._loop, self._message = loop, message
        self.key, self.number = message.data.decode(), message.metadata.sequence.stream

    def keep(self) -> None:
        self._loop.run(self._message.in_progress)

    def done(self) -> None:
        self._loop.run(self._message.ack)

    def back(self, seconds: float) -> None:
        self._loop.run(lambda: self._message.nak(seconds or None))


def _subject(line: Line) -> str:
    return f"{QUEUE_SUBJECTS}.{line[0].value}.{line[1]}"
