"""Who sends photos, and what became of each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing

import httpx2

from faceoff.client import Client, Request, State
from faceoff.errors import FaceOffError, Reason
from faceoff.presets import STRENGTHS

RETRIABLE = (Reason.SERVICE_UNAVAILABLE, Reason.OVERLOADED)
PATIENCE = 60.0  # seconds for one photo, with all its repeats
REQUEST = Request(STRENGTHS["balanced"])


class Visitor(threading.Thread):
    """Sends one photo after another until ``leave`` is called. A call that may be repeated is, as documented: with its
    idempotency key. ``seen`` counts photos, ``repeats`` repeated calls by their reason, ``wrong`` is what should not be."""

    def __init__(self, name: str, once: Callable[[str], bytes], expected: bytes) -> None:
        super().__init__(name=name, daemon=True)
        self._once, self._expected = once, expected
        self._over = threading.Event()
        self.seen = 0
        self.repeats: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self._over.is_set() and not self.wrong:
            self._photo(f"{self.name}-{self.seen}")
            self.seen += 1
            self._over.wait(0.1)

    def leave(self) -> None:
        self._over.set()
        self.join(PATIENCE + 30)
        assert not self.is_alive(), f"{self.name} waits for a photo for ever"

    def _photo(self, key: str) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if self._once(key) != self._expected:
                    self.wrong.append("a result differs")
                return
            except FaceOffError as error:
                if error.reason not in RETRIABLE or time.monotonic() > end:
                    self.wrong.append(str(error))
                    return
                self.repeats[error.reason.value] += 1
                time.sleep(error.retry_after or 0.2)


def by_call(address: str, photo: bytes) -> Callable[[str], bytes]:
    """Waits for each photo in one gRPC call."""
    client = Client(address)
    return lambda key: client.protect(photo, REQUEST, lambda _: None, 60).candidate.data


def by_job(address: str, photo: bytes) -> Callable[[str], bytes]:
    """Gives a photo as a job over gRPC, and comes back for it."""

    def once(key: str) -> bytes:
        with closing(Client(address)) as client:
            job = client.submit(photo, REQUEST, key)
            job = client.wait(job.id)
            if job.state is not State.SUCCEEDED:
                raise FaceOffError(Reason.INTERNAL, f"{job}")
            return client.result(job.id).candidate.data

    return once


def by_http(doors: Sequence[str], photo: bytes) -> Callable[[str], bytes]:
    """Gives a photo over HTTP at whichever door is open."""

    def call(method: str, path: str, **more: object) -> httpx2.Response:
        for door in doors:
            try:
                answer = httpx2.request(method, f"{door}{path}", timeout=60, **more)  # type: ignore[arg-type]
            except httpx2.TransportError:
                continue
            if answer.status_code not in (429, 503):
                return answer
        raise FaceOffError(Reason.SERVICE_UNAVAILABLE, "No door answers.")

    def once(key: str) -> bytes:
        headers = {"Content-Type": "image/png", "Idempotency-Key": key}
        query = {"strength": "balanced", "wait": "30s"}
        answer = call("POST", "/v1/protections", params=query, content=photo, headers=headers)
        if answer.status_code == 202:
            raise FaceOffError(Reason.SERVICE_UNAVAILABLE, "Not yet: the same key asks again.")
        if answer.status_code != 200:
            raise FaceOffError(Reason.INTERNAL, answer.text)
        result = call("GET", f"/v1/operations/{answer.json()['id']}/result")
        if result.status_code != 200:
            raise FaceOffError(Reason.INTERNAL, result.text)
        return result.content

    return once
