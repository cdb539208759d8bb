"""Azure Face v1.2: two detections and one verification, each a billed transaction."""

from __future__ import annotations

from typing import Any

from faceoff.types import Outcome
from faceoff.verify.scores import TAU
from faceoff.verify.victims.calls import Call, Fault, Finding, Limits, malformed
from faceoff.verify.victims.keyfile import KeyFile
from faceoff.verify.victims.web import Reply, Web

_NAME = "Azure Face"
_DETECT = {
    "returnFaceId": "true",
    "recognitionModel": "recognition_04",
    "detectionModel": "detection_03",
    "faceIdTimeToLive": "60",
    "returnRecognitionModel": "true",
}
_CODES = {
    "BadArgument", "FaceNotFound", "InvalidImage", "InvalidImageSize", "InvalidRequest", "RateLimitExceeded",
    "TooManyRequests", "Unauthorized", "UnsupportedFeature",
}  # fmt: skip


class AzureFace:
    """faceoff.verify.victims.calls.Adapter. Azure keeps the two face ids for 60 seconds; they are used once."""

    version = "v1.2 recognition_04 detection_03"
    limits = Limits(least_bytes=1024, most_bytes=6 * 1024 * 1024, least_side=36)

    def __init__(self, endpoint: str, key: KeyFile) -> None:
        self._web = Web(_NAME, endpoint)
        self._key = key

    def compare(self, reference: bytes, probe: bytes, call: Call) -> Finding:
        known = self._face(reference, call)
        if known is None:
            return Finding(failure=Outcome.NO_FACE_REFERENCE)
        asked = self._face(probe, call)
        if asked is None:
            return Finding(failure=Outcome.NO_FACE_PROTECTED)
        confidence = call(lambda seconds: self._verify(known, asked, seconds))
        return Finding(confidence, confidence, TAU)

    def _face(self, picture: bytes, call: Call) -> str | None:
        """The id of the largest face."""
        faces: list[dict[str, Any]] = call(lambda seconds: self._detect(picture, seconds))
        return max(faces, key=_area)["faceId"] if faces else None

    def _detect(self, picture: bytes, seconds: float) -> list[dict[str, Any]]:
        headers = self._headers() | {"Content-Type": "application/octet-stream"}
        reply = self._web.post("/face/v1.2/detect", seconds, params=_DETECT, headers=headers, content=picture)
        faces = self._success(reply)
        try:
            for face in faces:
                if not isinstance(face["faceId"], str):
                    raise TypeError
                _area(face)
        except (KeyError, TypeError):
            raise malformed(_NAME) from None
        return list(faces)

    def _verify(self, known: str, asked: str, seconds: float) -> float:
        reply = self._web.post(
            "/face/v1.2/verify", seconds, headers=self._headers(), json={"faceId1": known, "faceId2": asked}
        )
        try:
            confidence = float(self._success(reply)["confidence"])
        except (KeyError, TypeError, ValueError):
            raise malformed(_NAME) from None
        if not 0 <= confidence <= 1:
            raise malformed(_NAME)
        return confidence

    def _headers(self) -> dict[str, str]:
        return {"Ocp-Apim-Subscription-Key": self._key.read()}

    def _success(self, reply: Reply) -> Any:
        if reply.status == 200:
            return reply.json()
        raise self._fault(reply)

    def _fault(self, reply: Reply) -> Fault:
        error = reply.json()
        codes = []
        while isinstance(error, dict):  # the inner errors are the more precise
            error = error.get("error") or error.get("innererror")
            codes += [error["code"]] if isinstance(error, dict) and error.get("code") in _CODES else []
        return self._web.fault(reply, codes[-1] if codes else "")


def _area(face: dict[str, Any]) -> float:
    return float(face["faceRectangle"]["width"] * face["faceRectangle"]["height"])
