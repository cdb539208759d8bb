"""How the house's clients reach its services."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import grpc

from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import errors, traces
from faceoff.rpc.headers import with_headers
from faceoff.rpc.server import MESSAGE_LIMIT
from faceoff.rpc.tls import Tls
from faceoff.rpc.tls import channel as tls_channel

_PUBLIC = "https://"
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": ""}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}


@dataclass(frozen=True)
class Peer:
    """A service that can be called. Safe to share between threads; ``close`` it in the end."""

    address: str
    channel: grpc.Channel

    def close(self) -> None:
        self.channel.close()


def connect(address: str, headers: Mapping[str, str] = MappingProxyType({}), tls: Tls | None = None) -> Peer:
    """The service at ``host:port``; a name with several addresses (a headless service) is called round robin.

    ``headers`` go with every call as metadata. Nothing is sent until the first call. Nothing is encrypted, unless the address
    is ``https://host:port``, whose certificate the public authorities vouch for, or with ``tls``, which raises
    INVALID_ARGUMENT when its files cannot be used.
    """
    options = (
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ("grpc.max_send_message_length", MESSAGE_LIMIT),
        # A call is tried again only while all that it has sent is kept, and gRPC keeps less than one face's crop.
        ("grpc.per_rpc_retry_buffer_size", MESSAGE_LIMIT),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # While pods are replaced DNS may still say the old one: gRPC would not ask again for half a minute.
        ("grpc.dns_min_time_between_resolutions_ms", 5_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Services are reached directly; a proxy is for the world outside.
        ("grpc.enable_http_proxy", 0),
    )
    if tls:
        channel = tls_channel(address, tls, options)
    elif address.startswith(_PUBLIC):
        channel = grpc.secure_channel(address.removeprefix(_PUBLIC), grpc.ssl_channel_credentials(), options)
    else:
        channel = grpc.insecure_channel(address, options)
    if headers or traces.on():
        channel = with_headers(channel, lambda: {**headers, **traces.headers()})
    return Peer(address, channel)


@dataclass(frozen=True)
class Deadline:
    """A moment by which everything must be done, passed on from call to call. ``end`` is of ``time.monotonic()``."""

    end: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds left; raises DEADLINE_TOO_SHORT when there are none."""
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise FaceOffError(
                Reason.DEADLINE_TOO_SHORT, "The time for this photo is over.", "Allow more time, or ask for less work."
            )
        return seconds


@contextmanager
def calling(peer: Peer) -> Iterator[None]:
    """Inside, a failed call to ``peer`` raises the FaceOffError that it stands for."""
    try:
        yield
    except grpc.RpcError as error:
        raise errors.from_rpc_error(error, peer.address) from None


@contextmanager
def reading(peer: Peer) -> Iterator[None]:
    """Inside, an answer of ``peer`` that cannot be read is the service's fault, not the caller's."""
    try:
        yield
    except FaceOffError as error:
        raise FaceOffError(
            Reason.INTERNAL,
            f"The service at {peer.address} sent an answer that cannot be read. {error.message}",
            "Check that all services are of one version.",
        ) from None
