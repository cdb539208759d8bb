"""AWS Rekognition CompareFaces, through boto3."""

from __future__ import annotations

import logging
import threading
from typing import Any

from faceoff.types import Outcome
from faceoff.verify.victims.calls import Call, Fault, Finding, Limits, NoFace, malformed, without_face
from faceoff.verify.victims.keyfile import KeyFile
from faceoff.verify.victims.web import fault, loopback, lost, retry_after, unreachable

_NAME = "Rekognition"
_THRESHOLD = 50.0
"""The paper's tau (section 5.1): CompareFaces has none of its own, only the filter that is switched off here."""

_THROTTLED = {"ThrottlingException", "ProvisionedThroughputExceededException", "LimitExceededException"}
_REFUSED = {
    "AccessDeniedException", "ExpiredTokenException", "IncompleteSignature", "InvalidSignatureException",
    "MissingAuthenticationToken", "SubscriptionRequiredException", "UnrecognizedClientException",
}  # fmt: skip
_OTHER = {"ImageTooLargeException", "InternalServerError", "InvalidImageFormatException", "ServiceUnavailableException"}
_NO_FACE = f"{_NAME} answered InvalidParameterException, as where there is no face; the reference against itself told in which."

# At debug level these log whole requests: the photos, the key's id, a session token.
for _logger in ("boto3", "botocore", "urllib3"):
    logging.getLogger(_logger).setLevel(logging.INFO)


class Rekognition:
    """faceoff.verify.victims.calls.Adapter. ``endpoint`` is for tests and private gateways; without it the region's own."""

    version = "CompareFaces, threshold 50"
    limits = Limits(most_bytes=5_242_880, least_side=80)

    def __init__(
        self,
        region: str,
        key_id: KeyFile,
        secret: KeyFile,
        token: KeyFile | None = None,
        endpoint: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._region = region
        self._keys = (key_id, secret, token)
        self._endpoint = endpoint
        self._timeout = timeout
        self._made_with: tuple[str | None, ...] | None = None
        self._made: Any = None
        self._lock = threading.Lock()

    def compare(self, reference: bytes, probe: bytes, call: Call) -> Finding:
        def compared(known: bytes, asked: bytes) -> Finding:
            return call(lambda _seconds: self._compare(known, asked))

        try:
            return compared(reference, probe)
        except NoFace as nothing:
            return without_face(reference, probe, compared, nothing.words)

    def _compare(self, reference: bytes, probe: bytes) -> Finding:
        from botocore import exceptions

        client = self._client()
        try:
            answer = client.compare_faces(
                SourceImage={"Bytes": reference},
                TargetImage={"Bytes": probe},
                SimilarityThreshold=0,
                QualityFilter="NONE",
            )
        except exceptions.ClientError as error:
            raise _fault(error.response) from None
        except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError, exceptions.ProxyConnectionError):
            raise unreachable(_NAME) from None
        except exceptions.BotoCoreError:
            raise lost(_NAME) from None
        return _finding(answer)

    def _client(self) -> Any:
        """A client with the keys as they are now. Clients are safe to share between threads, their making is not."""
        keys = tuple(None if key is None else key.read() for key in self._keys)
        with self._lock:
            if keys != self._made_with:
                self._made, self._made_with = self._make(*keys), keys
            return self._made

    def _make(self, key_id: str | None, secret: str | None, token: str | None) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},  # repeats are ours: they are budgeted
            connect_timeout=min(10.0, self._timeout),
            read_timeout=self._timeout,
            ignore_configured_endpoint_urls=True,  # no variable of the environment may send photos elsewhere
            proxies={} if self._endpoint and loopback(self._endpoint) else None,
        )
        return boto3.session.Session().client(
            "rekognition",
            region_name=self._region,
            endpoint_url=self._endpoint,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=config,
        )


def _finding(answer: dict[str, Any]) -> Finding:
    """On the largest face of the probe: without a threshold every face is a match, however unlike; were one not, its
    similarity would be 0."""
    try:
        faces = [(_area(match["Face"]), float(match["Similarity"])) for match in answer.get("FaceMatches", ())]
        faces += [(_area(face), 0.0) for face in answer.get("UnmatchedFaces", ())]
    except (KeyError, TypeError, ValueError):
        raise malformed(_NAME) from None
    if (
        "SourceImageFace" not in answer
    ):  # a reference without a face is an error; boto3 makes an empty answer of any garbage
        raise malformed(_NAME)
    if not faces:
        return Finding(failure=Outcome.NO_FACE_PROTECTED)
    similarity = max(faces)[1]
    if not 0 <= similarity <= 100:
        raise malformed(_NAME)
    return Finding(similarity / 100, similarity, _THRESHOLD)


def _area(face: dict[str, Any]) -> float:
    return float(face["BoundingBox"]["Width"] * face["BoundingBox"]["Height"])


def _fault(response: dict[str, Any]) -> Fault:
    code = str(response.get("Error", {}).get("Code", ""))
    about = response.get("ResponseMetadata", {})
    status, wait = int(about.get("HTTPStatusCode", 500)), retry_after(about.get("HTTPHeaders", {}).get("retry-after"))
    if code == "InvalidParameterException":
        return NoFace(_NO_FACE)
    if code in _THROTTLED:
        return fault(_NAME, 429, code, wait)
    if code in _REFUSED:
        return fault(_NAME, 403, code, wait)
    return fault(_NAME, status, code if code in _OTHER else f"HTTP {status}", wait)
