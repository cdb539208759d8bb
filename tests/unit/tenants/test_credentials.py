"""Headers, and doors without credentials."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceoff.errors import FaceOffError, Reason
from faceoff.tenants import keys
from faceoff.tenants.credentials import ANYBODY, LOCAL, Credentials, Open, authenticator, is_loopback
from faceoff.tenants.keys import ApiKeys
from faceoff.tenants.principal import Principal, Scope, bearer


def test_a_key_comes_as_a_bearer_token(tmp_path: Path) -> None:
    token = keys.create(tmp_path / "keys.json", "acme", [Scope.PROTECT])
    credentials = Credentials(ApiKeys(tmp_path / "keys.json"), None)
    grpc: list[tuple[str, str | bytes]] = [("a-bin", b"\xff"), ("authorization", f"bearer {token}")]
    http = {"Authorization": f"Bearer {token}"}
    for headers in (grpc, http.items()):
        assert credentials.authenticate(headers).tenant == "acme"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer  two")],
        [("authorization", "Basic dXNlcjpwYXNz")],
        [("authorization", "Bearer one"), ("Authorization", "Bearer two")],
        [("authorization", "Bearer " + "x" * 10_000)],
        [("authorization", "Bearer a\nb")],
        [("x-tenant", "acme")],
    ],
)
def test_anything_else_is_no_credential(headers: list[tuple[str, str | bytes]]) -> None:
    for closed in (Credentials(None, None), Credentials(ApiKeys(Path("/nowhere")), None)):
        with pytest.raises(FaceOffError) as caught:
            closed.authenticate(headers)
        assert caught.value.reason is Reason.UNAUTHENTICATED


@given(st.lists(st.tuples(st.sampled_from(["authorization", "AUTHORIZATION", "x"]), st.text() | st.binary())))
def test_headers_of_any_kind_are_refused_or_read(headers: list[tuple[str, str | bytes]]) -> None:
    try:
        token = bearer(headers)
    except FaceOffError as error:
        refused = error
    else:
        assert token.isascii()
        return
    assert refused.reason is Reason.UNAUTHENTICATED
    assert not any(value in str(refused) for _, value in headers if isinstance(value, str) and len(value) > 20)


def test_a_scope_that_is_missing_is_named() -> None:
    principal = Principal("acme", frozenset({Scope.PROTECT}), "id")
    principal.require(Scope.PROTECT)
    with pytest.raises(FaceOffError, match="the scope research") as caught:
        principal.require(Scope.RESEARCH)
    assert caught.value.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:80", "[::]:80", ":80", "10.0.0.1:80", "example.com:80", "[::ffff:1.2.3.4]:1"]
)
def test_a_door_open_to_strangers_does_not_start_by_accident(listen: str) -> None:
    with pytest.raises(FaceOffError, match="everybody who can reach"):
        authenticator(None, None, ["127.0.0.1:50050", listen], open_to_all=False)
    assert authenticator(None, None, [listen], open_to_all=True).authenticate([("host", "example.com")]) == ANYBODY
    closed = authenticator(ApiKeys(Path("/nowhere")), None, [listen], open_to_all=False)
    with pytest.raises(FaceOffError):
        closed.authenticate([])
    with pytest.raises(FaceOffError, match="does not go together"):
        authenticator(ApiKeys(Path("/nowhere")), None, [listen], open_to_all=True)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1", "localhost"])
def test_on_one_machine_nobody_needs_a_credential(listen: str) -> None:
    assert authenticator(None, None, [listen], open_to_all=False).authenticate([]) == LOCAL


@pytest.mark.parametrize(
    ("headers", "lets_in"),
    [
        ({}, True),  # gRPC
        ({"host": "127.0.0.1:8080"}, True),
        ({"host": "localhost:8080", "origin": "http://localhost:8080"}, True),
        ({"host": "localhost:8080", "origin": "http://localhost:9090"}, False),
        ({"host": "localhost:8080", "origin": "https://evil.example"}, False),
        ({"host": "localhost:8080", "origin": "null"}, False),
        ({"host": "evil.example", "origin": "http://evil.example"}, False),  # its name leads here
        ({"host": "127.0.0.1.evil.example"}, False),
        ({"host": "localhost@evil.example"}, False),
    ],
)
def test_other_peoples_pages_do_not_get_in(headers: dict[str, str], lets_in: bool) -> None:
    door = Open(local=True)
    if lets_in:
        assert door.authenticate(headers.items()) == LOCAL
    else:
        with pytest.raises(FaceOffError) as caught:
            door.authenticate(headers.items())
        assert caught.value.reason is Reason.UNAUTHENTICATED


@given(st.text())
def test_any_host_is_judged(host: str) -> None:
    assert is_loopback(host) in (True, False)
