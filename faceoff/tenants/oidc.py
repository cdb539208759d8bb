"""Tokens of an identity provider (OpenID Connect): JSON Web Tokens, signed by one of the provider's keys."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants.outbound import Outbound, Unreachable, anywhere, loopback
from faceoff.tenants.principal import TENANT, Principal, Scope, unauthenticated
from faceoff.tenants.watched import Watched

Jwks = Mapping[str, Mapping[str, Any]]
"""Public keys by their ``kid``."""

FRESH = 300.0
"""Seconds for which fetched keys are not asked for again."""
PAUSE = 30.0
"""Seconds between two requests, so that tokens with made-up key ids cannot make us ask all the time."""
STALE = 3600.0
"""Seconds for which keys are used that could not be fetched again."""

_SECONDS = 5.0
_MOST_BYTES = 1_000_000
_KINDS = ("EC", "OKP", "RSA")

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""With a public key only: a token can then not be signed with what everybody may know."""


def _jwks_url(url: str) -> str:
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not (parts.scheme == "https" or local) or not parts.hostname or parts.username or parts.password:
        raise ValueError("must be https://HOST/... without a user (http only to this machine itself)")
    return url


class OidcSettings(BaseModel):
    """``jwks_url`` or ``jwks_file`` say where the provider's keys are. ``tenant_claim`` names the tenant, ``scope_claim`` has
    words (one string, or a list), which ``scopes`` translates; words that are not there mean nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    jwks_url: Annotated[str, AfterValidator(_jwks_url)] | None = None
    jwks_file: Path | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256", "EdDSA")
    leeway: Annotated[float, Field(ge=0, le=300)] = 30.0
    """Seconds by which clocks may differ."""
    tenant_claim: Annotated[str, Field(min_length=1)] = "tenant"
    scope_claim: Annotated[str, Field(min_length=1)] = "scope"
    scopes: dict[str, Scope] = {f"faceoff:{scope}": scope for scope in Scope}

    @model_validator(mode="after")
    def _one_place(self) -> OidcSettings:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("needs one of jwks_url and jwks_file")
        return self


class KeySet(Protocol):
    def find(self, kid: str) -> Mapping[str, Any] | None:
        """The public key of this name. Raises SERVICE_UNAVAILABLE when no keys are known."""
        ...


class MountedKeys:
    """A file, read again when it changes. While it cannot be used nobody is let in."""

    def __init__(self, path: Path) -> None:
        self._file = Watched(path, parse_jwks)

    def find(self, kid: str) -> Mapping[str, Any] | None:
        try:
            return self._file.get().get(kid)
        except (OSError, ValueError):
            raise _unavailable() from None


class FetchedKeys:
    """A provider's keys, fetched again when they are old or one is unknown."""

    def __init__(self, url: str, outbound: Outbound | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._outbound = outbound or Outbound(loopback if url.startswith("http:") else anywhere, _SECONDS)
        self._clock = clock
        self._fetching = threading.Lock()
        self._keys: Jwks = {}
        self._fetched = self._asked = float("-inf")

    def find(self, kid: str) -> Mapping[str, Any] | None:
        now = self._clock()
        unknown = kid not in self._keys
        # One caller fetches; those whose key is known go on with it.
        if (unknown or now - self._fetched > FRESH) and self._fetching.acquire(blocking=unknown):
            try:
                self._fetch(kid)
            finally:
                self._fetching.release()
        if self._clock() - self._fetched > STALE:
            raise _unavailable()
        return self._keys.get(kid)

    def _fetch(self, kid: str) -> None:
        now = self._clock()
        if now - self._asked < PAUSE or (kid in self._keys and now - self._fetched <= FRESH):
            return
        self._asked = now
        try:
            answer = self._outbound.send("GET", self._url, None, {"Accept": "application/json"}, _MOST_BYTES)
            if answer.status == 200:
                self._keys = parse_jwks(answer.body)
                self._fetched = self._clock()
        except (Unreachable, ValueError):
            pass  # what is known serves until it is stale


class Tokens:
    """Checks a provider's tokens."""

    def __init__(self, settings: OidcSettings, keys: KeySet) -> None:
        self._settings = settings
        self._keys = keys

    def check(self, token: str) -> Principal:
        """Raises UNAUTHENTICATED, and SERVICE_UNAVAILABLE when the provider's keys are not known."""
        claims = self._claims(token)
        tenant = claims.get(self._settings.tenant_claim)
        if not isinstance(tenant, str) or not re.fullmatch(TENANT, tenant):
            raise unauthenticated("The token names no tenant.")
        said = claims.get(self._settings.scope_claim)
        words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        known = self._settings.scopes
        scopes = frozenset(known[word] for word in words if isinstance(word, str) and word in known)
        return Principal(tenant, scopes, "oidc")

    def _claims(self, token: str) -> dict[str, Any]:
        settings = self._settings
        try:
            header = jwt.get_unverified_header(token)
            kid, algorithm = header.get("kid"), header.get("alg")
            if algorithm not in settings.algorithms or not isinstance(kid, str):
                raise _refused()
            key = self._keys.find(kid)
            if key is None or key.get("alg", algorithm) != algorithm:
                raise _refused()
            return jwt.decode(
                token,
                jwt.PyJWK(dict(key), algorithm),
                algorithms=[algorithm],
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.leeway,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise unauthenticated("The token has expired.") from None
        except (jwt.PyJWTError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            raise _refused() from None


def tokens(settings: OidcSettings, folder: Path) -> Tokens:
    """``folder`` is where a relative ``jwks_file`` starts."""
    if settings.jwks_url:
        return Tokens(settings, FetchedKeys(settings.jwks_url))
    return Tokens(settings, MountedKeys(folder / (settings.jwks_file or "")))


def parse_jwks(data: bytes) -> Jwks:
    """The keys of a JSON Web Key Set that can check signatures and are public. Raises ValueError."""
    try:
        entries = json.loads(data)["keys"]
        return {
            entry["kid"]: entry
            for entry in entries
            if entry.get("kty") in _KINDS
            and entry.get("use", "sig") == "sig"
            and "d" not in entry
            and isinstance(entry.get("kid"), str)
        }
    except (AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError("not a JSON Web Key Set") from error


def _refused() -> FaceOffError:
    return unauthenticated("The credential is not valid.")


def _unavailable() -> FaceOffError:
    return FaceOffError(
        Reason.SERVICE_UNAVAILABLE,
        "Tokens cannot be checked at the moment: the identity provider's keys are not known.",
        "Try again in a while.",
    )
