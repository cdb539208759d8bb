"""HTTP to hosts outside: a name is resolved once, its addresses are checked, and only those are connected to.

The standard library's client is used because it lets the connection be made here. There are no redirects, no proxies
and no cookies, and a request ends by its deadline however slowly the other side answers.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

_UNICAST = ipaddress.IPv6Network("2000::/3")
"""What of IPv6 is the world outside. Mapped, compatible and translated IPv4 addresses are not in it, but these are:"""
_TUNNELS = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))


class Unreachable(Exception):
    """No answer came. Its words hold nothing of the request or the answer."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = field(repr=False)


def public(address: Address) -> bool:
    """Whether an address is in the world outside: not private, loopback, link-local, multicast, reserved or hiding another."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_global and address in _UNICAST and not any(address in tunnel for tunnel in _TUNNELS)
    return address.is_global and not address.is_multicast


def loopback(address: Address) -> bool:
    return address.is_loopback


def anywhere(address: Address) -> bool:
    return True


def system_resolve(host: str, port: int) -> list[str]:
    """Raises OSError."""
    return list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


@cache
def system_authorities() -> ssl.SSLContext:
    """Shared: reading the certificates takes longer than all the rest."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Outbound:
    """Where requests may go, and how a host is known to be the one it says it is."""

    allowed: Callable[[Address], bool]
    seconds: float
    """For all of a request but resolving the name, which takes what the system's resolver allows."""
    resolve: Resolve = system_resolve
    authorities: Callable[[], ssl.SSLContext] = system_authorities

    def send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], most: int) -> Answer:
        """The answer, whatever its status, with a body of up to ``most`` bytes (0: it is not read). Raises Unreachable."""
        try:
            parts = urlsplit(url)
            host, secure = parts.hostname or "", parts.scheme == "https"
            port = parts.port or (443 if secure else 80)
            connection = _Connection(
                host, port, self._addresses(host, port), self.seconds, self.authorities() if secure else None
            )
            with connection.deadline():
                target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
                connection.request(method, target, body, dict(headers))
                response = connection.getresponse()
                content = response.read(most + 1) if most else b""
                if len(content) > most or connection.late:
                    raise Unreachable("The answer has no end.")
                return Answer(response.status, content)
        except (OSError, http.client.HTTPException, ValueError):
            raise Unreachable("No answer came.") from None

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        found = self.resolve(host, port)
        if not found or not all(self.allowed(ipaddress.ip_address(address)) for address in found):
            raise Unreachable("The host's address is not one to connect to.")
        return found


class _Connection(http.client.HTTPConnection):
    """To the first of ``addresses`` that can be connected to, which is not resolved again."""

    def __init__(
        self, host: str, port: int, addresses: Sequence[str], seconds: float, tls: ssl.SSLContext | None
    ) -> None:
        self.default_port = 443 if tls else 80  # for the Host header
        super().__init__(host, port, timeout=seconds)
        self._addresses = addresses
        self._tls = tls
        self.late = False

    def connect(self) -> None:
        for address in self._addresses:
            try:
                self.sock = socket.create_connection((address, self.port), self.timeout)
                break
            except OSError:
                if self.late or address == self._addresses[-1]:
                    raise
        if self._tls:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()

    @contextmanager
    def deadline(self) -> Iterator[None]:
        """All waits inside together end by the timeout: each for itself would let a byte now and then go on for ever."""
        timer = threading.Timer(self.timeout or 0.0, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self.close()

    def _cut(self) -> None:
        self.late = True
        if self.sock:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
