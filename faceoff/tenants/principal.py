"""Who calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from faceoff.errors import FaceOffError, Reason

TENANT = r"[a-z0-9][a-z0-9_-]{0,62}"
"""What a tenant's name looks like (a regular expression, to be matched in full)."""

Headers = Iterable[tuple[str, str | bytes]]
"""As gRPC's ``invocation_metadata()`` and Starlette's ``headers.items()`` give them: every header, repeats included."""

_LONGEST_TOKEN = 8192


class Scope(StrEnum):
    """PROTECT is for photos and jobs of one's own tenant, RESEARCH for targets of one's own choice. None includes another."""

    PROTECT = "protect"
    RESEARCH = "research"


@dataclass(frozen=True)
class Principal:
    """A caller whose credential was checked. ``key`` is the public id of an API key, else ``oidc`` or ``open``."""

    tenant: str
    scopes: frozenset[Scope]
    key: str

    def require(self, scope: Scope) -> None:
        """Raises PERMISSION_DENIED without ``scope``."""
        if scope not in self.scopes:
            raise FaceOffError(
                Reason.PERMISSION_DENIED,
                f"This needs the scope {scope}, which your credential does not have.",
                "Ask the operator for a credential that has it.",
            )


class Authenticator(Protocol):
    """Safe to call from several threads."""

    def authenticate(self, headers: Headers) -> Principal:
        """The caller, by ``Authorization: Bearer TOKEN``.

        Raises UNAUTHENTICATED, and SERVICE_UNAVAILABLE when credentials cannot be checked for now. Neither says anything of the
        token.
        """
        ...


def bearer(headers: Headers) -> str:
    """The one bearer token among ``headers``. Raises UNAUTHENTICATED."""
    found = [value for name, value in headers if name.lower() == "authorization"]
    if not found:
        raise unauthenticated("The call has no credential.")
    value = found[0]
    kind, _, token = (value if isinstance(value, str) else value.decode("latin-1")).partition(" ")
    if len(found) > 1 or kind.lower() != "bearer" or not _is_token(token):
        raise unauthenticated("The call has no single bearer token.")
    return token


def unauthenticated(message: str) -> FaceOffError:
    return FaceOffError(
        Reason.UNAUTHENTICATED, message, "Send the header Authorization: Bearer, with a key or token that is valid."
    )


def _is_token(token: str) -> bool:
    return 0 < len(token) <= _LONGEST_TOKEN and token.isascii() and token.isprintable() and " " not in token
