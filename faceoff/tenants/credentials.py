"""Which credentials a gateway takes: API keys, an identity provider's tokens, both, or on one machine none."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants.keys import PREFIX, ApiKeys
from faceoff.tenants.oidc import Tokens
from faceoff.tenants.principal import Authenticator, Headers, Principal, Scope, bearer, unauthenticated

LOCAL = Principal("local", frozenset(Scope), "open")
ANYBODY = Principal("local", frozenset({Scope.PROTECT}), "open")


class Credentials:
    """API keys and tokens, told apart by the keys' prefix."""

    def __init__(self, keys: ApiKeys | None, tokens: Tokens | None) -> None:
        self._keys = keys
        self._tokens = tokens

    def authenticate(self, headers: Headers) -> Principal:
        token = bearer(headers)
        checker = self._keys if token.startswith(PREFIX) else self._tokens
        if checker is None:
            raise unauthenticated("The credential is not valid.")
        return checker.check(token)


class Open:
    """Everybody is the one local user, except other people's web pages: a browser lets those send requests to this machine,
    under a name of theirs too (DNS rebinding)."""

    def __init__(self, local: bool) -> None:
        """``local``: only this machine can connect, and its user may do everything."""
        self._local = local

    def authenticate(self, headers: Headers) -> Principal:
        said = {name.lower(): value for name, value in headers if isinstance(value, str)}
        host, origin = said.get("host"), said.get("origin")
        if self._local and host is not None and not is_loopback(host):
            raise unauthenticated("The host's name is not this machine's.")
        if origin is not None and origin.partition("://")[2] != host:
            raise unauthenticated("Another site's page may not call this.")
        return LOCAL if self._local else ANYBODY


def authenticator(
    keys: ApiKeys | None, tokens: Tokens | None, listen: Sequence[str], open_to_all: bool
) -> Authenticator:
    """``listen`` are the addresses (``host:port``) that callers can reach. Raises INVALID_ARGUMENT where everybody in the
    network would be let in and nobody said so (``open_to_all``)."""
    if keys or tokens:
        if open_to_all:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                "Being open to all does not go together with keys or tokens.",
                "Leave out --open, or what credentials are checked with.",
            )
        return Credentials(keys, tokens)
    local = all(map(is_loopback, listen))
    if not (local or open_to_all):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "Without credentials, everybody who can reach this machine could use and read everything.",
            "Listen on 127.0.0.1, give --keys or an identity provider, or say --open.",
        )
    return Open(local)


def is_loopback(address: str) -> bool:
    """Whether ``host`` or ``host:port`` is this machine's own."""
    try:
        host = urlsplit(f"//{address}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
