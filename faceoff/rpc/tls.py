"""Mutual TLS between services: each shows a certificate and takes none but those of the house's own authority.

The PEM files are mounted and replaced while services run; new connections are made with the newest.
"""

from __future__ import annotations

import argparse
import os
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import logs

_OPTIONS = {
    "cert": "this service's certificate, and those between it and the authority",
    "key": "the certificate's private key",
    "ca": "the authority whose certificates are taken",
}

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Tls:
    """PEM files."""

    cert: Path
    key: Path
    ca: Path


@dataclass(frozen=True)
class _Pems:
    cert: bytes
    key: bytes = field(repr=False)
    ca: bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, words in _OPTIONS.items():
        variable = f"FACEOFF_TLS_{name.upper()}"
        parser.add_argument(
            f"--tls-{name}",
            type=Path,
            metavar="PEM",
            default=os.environ.get(variable) or None,
            help=f"[{variable}] {words}; all three, or none",
        )


def settings(options: argparse.Namespace) -> Tls | None:
    """None: connections are not encrypted. Raises INVALID_ARGUMENT when some of the files are given."""
    paths = (options.tls_cert, options.tls_key, options.tls_ca)
    if not any(paths):
        return None
    if not all(paths):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "Mutual TLS needs a certificate, its key and the authority.",
            "Give --tls-cert, --tls-key and --tls-ca, or none of them.",
        )
    return Tls(*paths)


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Raises INVALID_ARGUMENT when the files cannot be used now; later ones that cannot are left alone."""
    mounted = _Mounted(tls)
    known = mounted.newest()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal known
        newest = mounted.newest()
        if newest is known:
            return None  # gRPC goes on with what it has
        known = newest
        return _configuration(newest)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(known),
        fetch,  # type: ignore[arg-type]  # gRPC documents None as "no change"
        require_client_authentication=True,
    )


def channel(address: str, tls: Tls, options: tuple[tuple[str, Any], ...]) -> grpc.Channel:
    """Raises INVALID_ARGUMENT as ``server_credentials`` does."""
    return _Channel(_Mounted(tls), address, options)


def _configuration(pems: _Pems) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pems.key, pems.cert)], pems.ca)


class _Mounted:
    """The files' newest content that belongs together."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._refused: _Stamp | None = None
        try:
            self._stamp = self._now()
            self._pems = self._read()
        except (OSError, ValueError) as error:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"The TLS files {tls.cert}, {tls.key} and {tls.ca} cannot be used together.",
                "They need to be PEM, and the key unencrypted and the certificate's own.",
            ) from error

    def newest(self) -> _Pems:
        with self._lock:
            stamp: _Stamp = ()
            try:
                stamp = self._now()
                if stamp not in (self._stamp, self._refused):
                    pems = self._read()
                    if self._now() == stamp:  # else they are being replaced: the next connection looks again
                        self._pems, self._stamp = pems, stamp
            except (OSError, ValueError) as error:
                if stamp != self._refused:
                    logs.event("tls_files_refused", error=type(error).__name__)
                self._refused = stamp
            return self._pems

    def _now(self) -> _Stamp:
        found = [path.stat() for path in (self._tls.cert, self._tls.key, self._tls.ca)]
        return tuple((status.st_mtime_ns, status.st_ino, status.st_size) for status in found)

    def _read(self) -> _Pems:
        pems = _Pems(self._tls.cert.read_bytes(), self._tls.key.read_bytes(), self._tls.ca.read_bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # With no password at hand OpenSSL would ask on the terminal.
        context.load_cert_chain(self._tls.cert, self._tls.key, password="")
        context.load_verify_locations(cadata=pems.ca.decode("ascii"))
        return pems


class _Channel(grpc.Channel):
    """A channel that is made anew when its certificate is; calls that run end on the one they began on."""

    _ENDED = 900.0
    """Seconds after which no call runs any more on a channel that was replaced (above faceoff.rpc.server.LONGEST_CALL)."""

    def __init__(self, mounted: _Mounted, address: str, options: tuple[tuple[str, Any], ...]) -> None:
        self._mounted = mounted
        self._address = address
        self._options = options
        self._lock = threading.Lock()
        self._pems = mounted.newest()
        self._channel = self._make()
        self._replaced: list[tuple[float, grpc.Channel]] = []

    def current(self) -> grpc.Channel:
        newest = self._mounted.newest()
        with self._lock:
            if newest is not self._pems:
                now = time.monotonic()
                for since, channel in self._replaced:
                    if now - since > self._ENDED:
                        channel.close()
                self._replaced = [entry for entry in self._replaced if now - entry[0] <= self._ENDED]
                self._replaced.append((now, self._channel))
                self._pems = newest
                self._channel = self._make()
            return self._channel

    def _make(self) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(self._pems.ca, self._pems.key, self._pems.cert)
        return grpc.secure_channel(self._address, credentials, self._options)

    def unary_unary(self, *arguments: Any, **named: Any) -> Any:
        return _Method(self, lambda channel: channel.unary_unary(*arguments, **named))

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        return _Method(self, lambda channel: channel.unary_stream(*arguments, **named))

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        return _Method(self, lambda channel: channel.stream_unary(*arguments, **named))

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        return _Method(self, lambda channel: channel.stream_stream(*arguments, **named))

    def subscribe(self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool = False) -> None:
        """Hear of the present channel only."""
        self.current().subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        self.current().unsubscribe(callback)

    def close(self) -> None:
        with self._lock:
            for _, channel in self._replaced:
                channel.close()
            self._channel.close()

    def __enter__(self) -> _Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Method:
    """One method of whichever channel is the present one."""

    def __init__(self, channel: _Channel, make: Callable[[grpc.Channel], Any]) -> None:
        self._channel = channel
        self._make = make
        self._made: tuple[grpc.Channel, Any] | None = None

    def _present(self) -> Any:
        channel, made = self._channel.current(), self._made
        if made is None or made[0] is not channel:
            made = self._made = (channel, self._make(channel))
        return made[1]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._present()(*arguments, **named)

    def with_call(self, *arguments: Any, **named: Any) -> Any:
        return self._present().with_call(*arguments, **named)

    def future(self, *arguments: Any, **named: Any) -> Any:
        return self._present().future(*arguments, **named)
