"""Face++ Compare v3: both pictures in one call. The thresholds belong to the response."""

from __future__ import annotations

from typing import Any

from faceoff.types import Outcome
from faceoff.verify.victims.calls import Call, Fault, Finding, Limits, malformed, piecewise
from faceoff.verify.victims.keyfile import KeyFile
from faceoff.verify.victims.web import Reply, Web

_NAME = "Face++"
_CODES = {
    "AUTHENTICATION_ERROR", "AUTHORIZATION_ERROR", "BAD_ARGUMENTS", "CONCURRENCY_LIMIT_EXCEEDED",
    "IMAGE_ERROR_UNSUPPORTED_FORMAT", "IMAGE_FILE_TOO_LARGE", "INTERNAL_ERROR", "INVALID_IMAGE_SIZE",
}  # fmt: skip


class FacePlusPlus:
    """faceoff.verify.victims.calls.Adapter. ``far`` is the false accept rate whose threshold counts: 1e-3, 1e-4 or 1e-5."""

    limits = Limits(most_bytes=2 * 1024 * 1024, least_side=48, most_side=4096)

    def __init__(self, endpoint: str, key: KeyFile, secret: KeyFile, far: str) -> None:
        self._web = Web(_NAME, endpoint)
        self._key = key
        self._secret = secret
        self._far = far
        self.version = f"compare v3, threshold at FAR {far}"

    def compare(self, reference: bytes, probe: bytes, call: Call) -> Finding:
        return call(lambda seconds: self._compare(reference, probe, seconds))

    def _compare(self, reference: bytes, probe: bytes, seconds: float) -> Finding:
        reply = self._web.post(
            "/facepp/v3/compare",
            seconds,
            data={"api_key": self._key.read(), "api_secret": self._secret.read()},
            files={"image_file1": ("reference", reference), "image_file2": ("probe", probe)},
        )
        if reply.status != 200:
            raise self._fault(reply)
        return self._finding(reply.json())

    def _finding(self, answer: Any) -> Finding:
        try:
            if not answer["faces1"]:
                return Finding(failure=Outcome.NO_FACE_REFERENCE)
            if not answer["faces2"]:
                return Finding(failure=Outcome.NO_FACE_PROTECTED)
            confidence, threshold = float(answer["confidence"]), float(answer["thresholds"][self._far])
        except (KeyError, TypeError, ValueError):
            raise malformed(_NAME) from None
        if not (0 <= confidence <= 100 and 0 < threshold <= 100):
            raise malformed(_NAME)
        return Finding(piecewise(confidence, threshold, 100), confidence, threshold)

    def _fault(self, reply: Reply) -> Fault:
        answer = reply.json()
        said = str(answer.get("error_message", "")) if isinstance(answer, dict) else ""
        code = said.partition(":")[0].strip()
        if code == "CONCURRENCY_LIMIT_EXCEEDED":
            return Fault(Outcome.THROTTLED, f"{_NAME} answered {code}.", retry=True, retry_after=reply.retry_after)
        return self._web.fault(reply, code if code in _CODES else "")
