"""A self-hosted CompreFace's verification service."""

from __future__ import annotations

from typing import Any

from faceoff.types import Outcome
from faceoff.verify.victims.calls import Bill, Call, Fault, Finding, Limits, NoFace, malformed, piecewise, without_face
from faceoff.verify.victims.keyfile import KeyFile
from faceoff.verify.victims.web import Reply, Web

_NAME = "CompreFace"
_NO_FACE, _SEVERAL_FACES, _NO_SERVICE = 28, 31, 10


class CompreFace:
    """faceoff.verify.victims.calls.Adapter. ``threshold`` is the similarity in (0, 1) from which the operator counts two
    faces as one person: it depends on CompreFace's build, and answers do not tell it."""

    limits = Limits(most_bytes=5_000_000)

    def __init__(self, endpoint: str, key: KeyFile, threshold: float) -> None:
        self._web = Web(_NAME, endpoint)
        self._key = key
        self._threshold = threshold
        self.version = f"verification v1, threshold {threshold:g}"

    def compare(self, reference: bytes, probe: bytes, call: Call) -> Finding:
        def similarity(known: bytes, asked: bytes) -> float:
            return call(lambda seconds: self._verify(known, asked, seconds))

        try:
            raw = similarity(reference, probe)
        except NoFace as fault:
            return without_face(reference, probe, similarity, fault.words)
        return Finding(piecewise(raw, self._threshold, 1.0), raw, self._threshold)

    def _verify(self, reference: bytes, probe: bytes, seconds: float) -> float:
        reply = self._web.post(
            "/api/v1/verification/verify",
            seconds,
            headers={"x-api-key": self._key.read()},
            files={"source_image": ("reference.png", reference), "target_image": ("probe.png", probe)},
        )
        if reply.status != 200:
            raise self._fault(reply)
        try:
            matches = reply.json()["result"][0]["face_matches"]
            similarity = float(max(matches, key=_area)["similarity"])
        except (KeyError, IndexError, TypeError, ValueError):
            raise malformed(_NAME) from None
        if not -1 <= similarity <= 1:
            raise malformed(_NAME)
        return max(0.0, similarity)

    def _fault(self, reply: Reply) -> Fault:
        answer = reply.json()
        code = answer.get("code") if isinstance(answer, dict) else None
        if code == _NO_FACE:
            return NoFace(f"{_NAME} found no face in one of the pictures; the reference against itself told in which.")
        if code == _SEVERAL_FACES:
            return Fault(
                Outcome.ERROR, f"{_NAME} takes one face only in the reference, and there are several.", Bill.UNKNOWN
            )
        if code == _NO_SERVICE:
            return Fault(Outcome.REFUSED, f"{_NAME} has no verification service with this key.")
        return self._web.fault(reply)


def _area(match: dict[str, Any]) -> float:
    box = match["box"]
    return float((box["x_max"] - box["x_min"]) * (box["y_max"] - box["y_min"]))
