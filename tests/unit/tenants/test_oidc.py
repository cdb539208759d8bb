"""Tokens of an identity provider: a real one's keys, over a file and over HTTP on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants import oidc
from faceoff.tenants.credentials import Credentials
from faceoff.tenants.oidc import FetchedKeys, OidcSettings, Tokens
from faceoff.tenants.principal import Principal, Scope

RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)
OTHER = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
SETTINGS = {"issuer": "https://id.example", "audience": "faceoff", "jwks_file": "jwks.json"}


def jwk(kid: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **extra: str) -> dict[str, Any]:
    algorithm: Any = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **extra}


JWKS = {
    "keys": [
        jwk("rsa", RSA, use="sig"),
        jwk("ec", EC, alg="ES256"),
        jwk("small", SMALL),
        jwk("enc", RSA, use="enc"),
        {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(b"x" * 32).decode()},
    ]
}


def claims(**changed: Any) -> dict[str, Any]:
    everything = {
        "iss": "https://id.example",
        "aud": "faceoff",
        "exp": time.time() + 60,
        "tenant": "acme",
        "scope": "openid faceoff:protect",
        **changed,
    }
    return {name: value for name, value in everything.items() if value is not None}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm, headers={"kid": kid} if kid else {})


@pytest.fixture
def checker(tmp_path: Path) -> Tokens:
    (tmp_path / "jwks.json").write_text(json.dumps(JWKS))
    return oidc.tokens(OidcSettings.model_validate(SETTINGS), tmp_path)


def refusal(checker: Tokens, text: str) -> FaceOffError:
    with pytest.raises(FaceOffError) as caught:
        checker.check(text)
    return caught.value


def test_a_token_names_tenant_and_scopes(checker: Tokens) -> None:
    assert checker.check(token()) == Principal("acme", frozenset({Scope.PROTECT}), "oidc")
    assert checker.check(token(EC, "ES256", "ec", scope=["faceoff:research", 7])).scopes == {Scope.RESEARCH}
    assert checker.check(token(aud=["other", "faceoff"], scope=None)).scopes == frozenset()
    headers = [("authorization", f"Bearer {token()}")]
    assert Credentials(None, checker).authenticate(headers).tenant == "acme"


def test_claims_and_words_are_the_operators(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps(JWKS))
    changed = {"tenant_claim": "https://x/org", "scope_claim": "roles", "scopes": {"science": "research"}}
    checker = oidc.tokens(OidcSettings.model_validate({**SETTINGS, **changed}), tmp_path)
    said: dict[str, Any] = {"https://x/org": "lab", "roles": ["science", "faceoff:none"]}
    text = token(**said)
    assert checker.check(text) == Principal("lab", frozenset({Scope.RESEARCH}), "oidc")


def _public_pem() -> bytes:
    return RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def confused(algorithm: str, kid: str, secret: bytes) -> str:
    """A token that is signed with what everybody knows; libraries refuse to make it."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": algorithm, "typ": "JWT", "kid": kid}, claims())
    ]
    signature = hmac.new(secret, b".".join(parts), hashlib.sha256).digest() if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


FORGED = {
    "none": lambda: confused("none", "rsa", b""),
    "None": lambda: confused("None", "rsa", b""),
    "HS256 with the public key": lambda: confused("HS256", "rsa", _public_pem()),
    "HS256 with a shared key": lambda: confused("HS256", "oct", b"x" * 32),
    "RS256 by name only": lambda: confused("RS256", "rsa", _public_pem()),
    "another's key": lambda: token(OTHER),
    "unknown kid": lambda: token(kid="other"),
    "no kid": lambda: token(kid=None),
    "key for encryption": lambda: token(kid="enc"),
    "another kind of key": lambda: token(EC, "ES256", "rsa"),
    "algorithm that is not pinned": lambda: token(algorithm="RS512"),
    "algorithm that is not the key's": lambda: token(EC, "ES256", "small"),
    "small key": lambda: token(SMALL, kid="small"),
    "audience": lambda: token(aud="other"),
    "no audience": lambda: token(aud=None),
    "issuer": lambda: token(iss="https://id.example.evil"),
    "no issuer": lambda: token(iss=None),
    "no end": lambda: token(exp=None),
    "not yet": lambda: token(nbf=time.time() + 3600),
    "made in the future": lambda: token(iat=time.time() + 3600),
    "endless": lambda: token(exp=float("inf")),
    "cut": lambda: token()[:-4],
    "changed": lambda: ".".join([token().split(".")[0], token(tenant="other").split(".")[1], token().split(".")[2]]),
    "deep": lambda: base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.AA",
}


@pytest.mark.filterwarnings("ignore:The RSA key is 1024")
@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_token_is_told_nothing(checker: Tokens, kind: str) -> None:
    error = refusal(checker, FORGED[kind]())
    assert (error.reason, error.message) == (Reason.UNAUTHENTICATED, "The credential is not valid.")


def test_a_token_expires_with_some_leeway(checker: Tokens) -> None:
    assert checker.check(token(exp=time.time() - 10))
    assert refusal(checker, token(exp=time.time() - 60)).message == "The token has expired."


@pytest.mark.parametrize("tenant", [None, "", 7, ["acme"], "Acme", "acme\n", "../acme", "a" * 64])
def test_a_token_needs_a_tenant(checker: Tokens, tenant: Any) -> None:
    assert refusal(checker, token(tenant=tenant)).message == "The token names no tenant."


def test_a_file_with_other_keys_is_taken_up(checker: Tokens, tmp_path: Path) -> None:
    new = jwk("new", OTHER)
    assert refusal(checker, token(OTHER, kid="new")).reason is Reason.UNAUTHENTICATED
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [new]}))
    assert checker.check(token(OTHER, kid="new"))
    assert refusal(checker, token()).reason is Reason.UNAUTHENTICATED
    for spoilt in (b"", b"{}", b'{"keys": 7}', b'{"keys": [7]}', b"[" * 100_000):
        (tmp_path / "jwks.json").write_bytes(spoilt)
        assert refusal(checker, token(OTHER, kid="new")).reason is Reason.SERVICE_UNAVAILABLE


@given(st.text(max_size=200) | st.lists(st.binary(max_size=60), min_size=3, max_size=5).map(
    lambda parts: ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
))  # fmt: skip
@settings(deadline=None)
def test_no_text_gets_in(text: str) -> None:
    class Keys:
        def find(self, kid: str) -> dict[str, Any]:
            return jwk("rsa", RSA)

    checker = Tokens(OidcSettings.model_validate(SETTINGS), Keys())
    assert refusal(checker, text).reason is Reason.UNAUTHENTICATED


class Provider(ThreadingHTTPServer):
    """Answers with ``body`` and ``status``, and counts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.status, self.asked = json.dumps(JWKS).encode(), 200, 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}/jwks"


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_are_fetched_again_when_old_or_unknown_but_not_for_the_asking(provider: Provider) -> None:
    now = [1000.0]
    keys = FetchedKeys(provider.url, clock=lambda: now[0])
    assert keys.find("rsa")
    assert [keys.find(f"made-up-{index}") for index in range(50)] == [None] * 50
    assert provider.asked == 1

    provider.body = json.dumps({"keys": [jwk("new", OTHER)]}).encode()
    now[0] += oidc.PAUSE
    assert keys.find("new")
    assert keys.find("rsa") is None
    assert provider.asked == 2
    now[0] += oidc.FRESH + 1
    assert keys.find("new")
    assert provider.asked == 3


@pytest.mark.parametrize("spoil", ["status", "body", "endless", "gone"])
def test_while_the_provider_is_away_known_keys_serve_for_a_while(provider: Provider, spoil: str) -> None:
    now = [1000.0]
    keys = FetchedKeys(provider.url, clock=lambda: now[0])
    assert keys.find("rsa")
    match spoil:
        case "status":
            provider.status = 302
        case "body":
            provider.body = b"<html>"
        case "endless":
            provider.body = b" " * 1_100_000 + provider.body
        case "gone":
            provider.socket.close()
    now[0] += oidc.FRESH + 1
    assert keys.find("rsa")
    now[0] += oidc.STALE
    with pytest.raises(FaceOffError) as caught:
        keys.find("rsa")
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE


@pytest.mark.parametrize(
    "wrong",
    [
        {"jwks_url": "https://id.example/jwks"},
        {"jwks_file": None},
        {"jwks_file": None, "jwks_url": "http://id.example/jwks"},
        {"jwks_file": None, "jwks_url": "https://user:password@id.example/jwks"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"leeway": 3600},
        {"scopes": {"x": "root"}},
        {"audience": ""},
        {"verify": False},
    ],
)
def test_settings_that_would_open_the_door_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OidcSettings.model_validate({**SETTINGS, **wrong})
