"""The four commercial victims as their callers see them: requests in, replies out, no sockets (faceoff.testing.lookalike).

Each wire takes a ``Request`` and gives a ``Reply``; scores come from a real embedder, so they depend on the pixels. All
normalise alike: the same pair of pictures has the same score on each, in each one's own unit.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from faceoff.errors import FaceOffError
from faceoff.types import Box, Float
from faceoff.verify.scores import TAU, distance, score

Embed = Callable[[bytes], Sequence[tuple[Box, Float]]]
"""The faces of an encoded picture: boxes in pixels and unit embeddings [D]. Raises FaceOffError for what is no picture."""


@dataclass(frozen=True)
class Keys:
    """What callers must show."""

    azure: str = "azure-key"
    aws_id: str = "AKIALOOKALIKE"
    aws_secret: str = field(default="aws-secret", repr=False)
    facepp_key: str = "facepp-key"
    facepp_secret: str = field(default="facepp-secret", repr=False)
    compreface: str = "compreface-key"


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)

    def form(self) -> dict[str, bytes]:
        """The fields of a multipart/form-data body."""
        boundary = self.headers.get("content-type", "").partition("boundary=")[2].strip('"').encode()
        fields = {}
        for part in self.body.split(b"--" + boundary)[1:-1]:
            head, _, value = part.partition(b"\r\n\r\n")
            fields[head.partition(b'name="')[2].partition(b'"')[0].decode()] = value.removesuffix(b"\r\n")
        return fields


@dataclass(frozen=True)
class Reply:
    """``billed``: the service did its work and charges for it."""

    status: int
    body: Any
    billed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Faces:
    """Finds and compares faces; ``threshold`` is the l2 distance at which two faces score TAU."""

    def __init__(self, embed: Embed, threshold: float) -> None:
        self._embed = embed
        self._threshold = threshold

    def find(self, picture: bytes) -> list[tuple[Box, Float]]:
        """The largest first."""
        return sorted(self._embed(picture), key=lambda face: -face[0].width * face[0].height)

    def score(self, a: Float, b: Float) -> float:
        return score(distance(a, b), self._threshold)


def raw(normalised: float, threshold: float, top: float) -> float:
    """The raw score that a normalised one stands for on a scale of ``top`` with its own threshold."""
    if normalised < TAU:
        return normalised / TAU * threshold
    return threshold + (normalised - TAU) / (1 - TAU) * (top - threshold)


class Azure:
    """Azure Face v1.2: detect and verify, with face ids that live as long as the caller asked."""

    name = "azure"

    def __init__(self, faces: Faces, keys: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        self._faces = faces
        self._key = keys.azure
        self._clock = clock
        self._ids: dict[str, tuple[Float, float]] = {}

    def owns(self, request: Request) -> bool:
        return request.path.startswith("/face/v1.2/")

    def answer(self, request: Request) -> Reply:
        if not hmac.compare_digest(request.headers.get("ocp-apim-subscription-key", ""), self._key):
            return self.error(401, "Unauthorized")
        operation = urlsplit(request.path).path.rpartition("/")[2]
        return self._detect(request) if operation == "detect" else self._verify(request)

    def error(self, status: int, code: str, inner: str = "") -> Reply:
        error = {"code": code, "message": "look-alike"} | ({"innererror": {"code": inner}} if inner else {})
        return Reply(status, {"error": error})

    def _detect(self, request: Request) -> Reply:
        options = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        seconds = int(options.get("faceIdTimeToLive", "86400"))
        if options.get("returnFaceId") != "true" or not 60 <= seconds <= 86400:
            return self.error(400, "BadArgument")
        if not 1024 <= len(request.body) <= 6 * 1024 * 1024:
            return self.error(400, "InvalidImageSize")
        try:
            found = self._faces.find(request.body)
        except FaceOffError:
            return self.error(400, "InvalidImage")
        answer = []
        for box, embedding in found:
            face_id = secrets.token_hex(16)
            self._ids[face_id] = (embedding, self._clock() + seconds)
            rectangle = {"left": box.x, "top": box.y, "width": box.width, "height": box.height}
            answer.append({"faceId": face_id, "faceRectangle": rectangle, "recognitionModel": "recognition_04"})
        answer.reverse()  # callers must not rely on the order
        return Reply(200, answer, billed=True)

    def _verify(self, request: Request) -> Reply:
        try:
            asked = json.loads(request.body)
            known = [self._ids[asked[name]] for name in ("faceId1", "faceId2")]
        except ValueError:
            return self.error(400, "BadArgument")
        except KeyError:
            return self.error(404, "FaceNotFound")
        if any(ends <= self._clock() for _, ends in known):
            return self.error(404, "FaceNotFound")
        confidence = self._faces.score(known[0][0], known[1][0])
        return Reply(200, {"isIdentical": confidence >= TAU, "confidence": confidence}, billed=True)


class Aws:
    """Rekognition's CompareFaces: JSON 1.1 with signature version 4."""

    name = "rekognition"

    def __init__(self, faces: Faces, keys: Keys) -> None:
        self._faces = faces
        self._keys = keys

    def owns(self, request: Request) -> bool:
        return request.headers.get("x-amz-target") == "RekognitionService.CompareFaces"

    def error(self, status: int, code: str, billed: bool = False) -> Reply:
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        return Reply(status, {"__type": code, "Message": "look-alike"}, billed, headers)

    def answer(self, request: Request) -> Reply:
        if (refused := self._refused(request)) is not None:
            return self.error(400, refused)
        asked = json.loads(request.body)
        pictures = [base64.b64decode(asked[name]["Bytes"]) for name in ("SourceImage", "TargetImage")]
        if max(map(len, pictures)) > 5_242_880:
            return self.error(400, "ImageTooLargeException")
        try:
            known, found = (self._faces.find(picture) for picture in pictures)
        except FaceOffError:
            return self.error(400, "InvalidImageFormatException")
        if not known or not found:
            return self.error(400, "InvalidParameterException", billed=True)
        faces = [(100 * self._faces.score(known[0][1], embedding), _relative(box)) for box, embedding in found]
        least = asked.get("SimilarityThreshold", 80)
        answer = {
            "SourceImageFace": _relative(known[0][0]),
            "FaceMatches": [{"Similarity": match, "Face": face} for match, face in faces if match >= least],
            "UnmatchedFaces": [face for match, face in faces if match < least],
        }
        return Reply(200, answer, billed=True, headers={"Content-Type": "application/x-amz-json-1.1"})

    def _refused(self, request: Request) -> str | None:
        """The error code of a request that is not signed with our key; the signature is computed anew."""
        given = dict(
            part.strip().partition("=")[::2]
            for part in request.headers.get("authorization", "").removeprefix("AWS4-HMAC-SHA256 ").split(",")
        )
        key_id, _, scope = given.get("Credential", "").partition("/")
        if key_id != self._keys.aws_id:
            return "UnrecognizedClientException"
        names = given["SignedHeaders"].split(";")
        lines = [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names]
        canonical = "\n".join(["POST", "/", "", *lines, "", ";".join(names), hashlib.sha256(request.body).hexdigest()])
        text = "\n".join(
            ["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        key = f"AWS4{self._keys.aws_secret}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return None if hmac.compare_digest(key.hex(), given["Signature"]) else "InvalidSignatureException"


class FacePP:
    """Face++ Compare v3."""

    name = "facepp"
    thresholds: Mapping[str, float] = {"1e-3": 62.327, "1e-4": 69.101, "1e-5": 73.975}

    def __init__(self, faces: Faces, keys: Keys) -> None:
        self._faces = faces
        self._keys = keys

    def owns(self, request: Request) -> bool:
        return request.path == "/facepp/v3/compare"

    def error(self, status: int, message: str) -> Reply:
        return Reply(status, {"request_id": "look-alike", "time_used": 1, "error_message": message})

    def answer(self, request: Request) -> Reply:
        form = request.form()
        key, secret = (form.get(name, b"").decode() for name in ("api_key", "api_secret"))
        if not hmac.compare_digest(key + secret, self._keys.facepp_key + self._keys.facepp_secret):
            return self.error(401, "AUTHENTICATION_ERROR")
        found = []
        for name in ("image_file1", "image_file2"):
            if len(form[name]) > 2 * 1024 * 1024:
                return self.error(400, f"IMAGE_FILE_TOO_LARGE: {name}")
            try:
                found.append(self._faces.find(form[name]))
            except FaceOffError:
                return self.error(400, f"IMAGE_ERROR_UNSUPPORTED_FORMAT: {name}")
        answer: dict[str, Any] = {"request_id": "look-alike", "time_used": 1}
        for name, faces in zip(("faces1", "faces2"), found, strict=True):
            answer[name] = [{"face_token": secrets.token_hex(16), "face_rectangle": _edges(box)} for box, _ in faces]
        if all(found):
            match = self._faces.score(found[0][0][1], found[1][0][1])
            answer |= {"confidence": raw(match, self.thresholds["1e-3"], 100), "thresholds": dict(self.thresholds)}
        return Reply(200, answer, billed=True)


class Compre:
    """CompreFace's verification service."""

    name = "compreface"
    threshold = 0.9

    def __init__(self, faces: Faces, keys: Keys) -> None:
        self._faces = faces
        self._key = keys.compreface

    def owns(self, request: Request) -> bool:
        return request.path == "/api/v1/verification/verify"

    def error(self, status: int, code: int) -> Reply:
        return Reply(status, {"message": "look-alike", "code": code})

    def answer(self, request: Request) -> Reply:
        if not hmac.compare_digest(request.headers.get("x-api-key", ""), self._key):
            return self.error(404, 10)
        form = request.form()
        try:
            known, found = (self._faces.find(form[name]) for name in ("source_image", "target_image"))
        except FaceOffError:
            return self.error(400, 21)
        if not known or not found:
            return self.error(400, 28)
        if len(known) > 1:
            return self.error(400, 31)
        matches = [
            {"box": _corners(box), "similarity": raw(self._faces.score(known[0][1], embedding), self.threshold, 1.0)}
            for box, embedding in found
        ]
        matches.sort(key=lambda match: -float(match["similarity"]))  # type: ignore[arg-type]
        result = [{"source_image_face": {"box": _corners(known[0][0])}, "face_matches": matches}]
        return Reply(200, {"result": result}, billed=True)


Wire = Azure | Aws | FacePP | Compre


def _relative(box: Box) -> dict[str, Any]:
    """Rekognition speaks in shares of the picture; only sizes are compared, so any unit does."""
    place = {"Left": box.x / 1e4, "Top": box.y / 1e4, "Width": box.width / 1e4, "Height": box.height / 1e4}
    return {"BoundingBox": place, "Confidence": 99.0}


def _edges(box: Box) -> dict[str, float]:
    return {"left": box.x, "top": box.y, "width": box.width, "height": box.height}


def _corners(box: Box) -> dict[str, float]:
    return {"x_min": box.x, "y_min": box.y, "x_max": box.x + box.width, "y_max": box.y + box.height, "probability": 1.0}
