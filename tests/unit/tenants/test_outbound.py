"""Where requests go, and where they never go."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceoff.tenants.outbound import Outbound, Unreachable, loopback, public
from tests.authority import Authority, authority
from tests.unit.tenants.receiver import Receiver, dripping, receiver, trusting


@pytest.fixture(scope="module")
def house() -> Authority:
    return authority()


@pytest.fixture
def server(house: Authority, tmp_path: Path) -> Iterator[Receiver]:
    with receiver(house, tmp_path / "server") as server:
        yield server


@pytest.fixture
def outbound(house: Authority) -> Outbound:
    return Outbound(loopback, 5.0, authorities=lambda: trusting(house))


def post(outbound: Outbound, url: str) -> int:
    return outbound.send("POST", url, b"{}", {"a": "b"}, most=0).status


@pytest.mark.parametrize(
    "address",
    """0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.1.2.3 169.254.169.254 172.16.0.1 192.168.1.1 192.0.0.1 192.0.2.1 198.18.0.1
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1
    ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: fc00::1 fd12::1 fe80::1 fe80::1%1
    fec0::1 ff02::1""".split(),  # noqa: SIM905
)
def test_addresses_that_are_not_of_the_world_outside(address: str) -> None:
    assert not public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::1"])
def test_addresses_of_the_world_outside(address: str) -> None:
    assert public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4, network="127.0.0.0/8") | st.ip_addresses(v=4, network="10.0.0.0/8"))
def test_no_way_of_writing_an_inner_address_is_public(address: ipaddress.IPv4Address) -> None:
    inner = int(address)
    hidden = (inner, 0xFFFF << 32 | inner, 0x64FF9B << 96 | inner, 0x2002 << 112 | inner << 80)
    assert not public(address)
    assert not any(public(ipaddress.IPv6Address(number)) for number in hidden)


def test_an_answer_comes(server: Receiver, outbound: Outbound) -> None:
    assert post(outbound, server.url(path="/hook?a=b")) == 204
    (received,) = server.received
    assert (received.path, received.body, received.headers["a"]) == ("/hook?a=b", b"{}", "b")
    assert received.headers["host"] == f"localhost:{server.server_port}"


def test_a_redirect_is_an_answer(server: Receiver, outbound: Outbound) -> None:
    server.answers, server.location = [302, 307], server.url(path="/other")
    assert [post(outbound, server.url()) for _ in range(2)] == [302, 307]
    assert [received.path for received in server.received] == ["/hook", "/hook"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_inner_hosts_are_not_connected_to(
    server: Receiver, outbound: Outbound, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))
    with pytest.raises(Unreachable):
        post(replace(outbound, allowed=public), server.url(host))


def test_a_name_that_also_leads_inside_is_not_connected_to(outbound: Outbound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))
    for found in (["8.8.8.8", "127.0.0.1"], [], ["no address"]):
        with pytest.raises(Unreachable):
            post(replace(outbound, allowed=public, resolve=lambda *_, found=found: found), "https://evil.example/")


def test_a_name_that_is_rebound_after_the_check_leads_to_the_checked_address(
    outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, connected = [], []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("resolved again"))
    guarded = replace(outbound, allowed=public, resolve=resolve)
    with pytest.raises(Unreachable):
        post(guarded, "https://evil.example/")
    with pytest.raises(Unreachable):
        post(guarded, "https://evil.example/")
    assert connected == [("93.184.215.14", 443)]
    assert len(asked) == 2


def test_the_next_address_is_tried(server: Receiver, outbound: Outbound) -> None:
    assert post(replace(outbound, resolve=lambda *_: ["127.0.0.9", "127.0.0.1"]), server.url()) == 204


def test_a_certificate_of_another_name_or_authority_ends_it(server: Receiver, outbound: Outbound) -> None:
    elsewhere = replace(outbound, resolve=lambda *_: ["127.0.0.1"])
    with pytest.raises(Unreachable):
        post(elsewhere, server.url("acme.example"))
    with pytest.raises(Unreachable):
        post(Outbound(loopback, 5.0), server.url())
    assert server.received == []


@pytest.mark.parametrize("piece", [b"", b"x", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_by_drops_ends_in_time(outbound: Outbound, scheme: str, piece: bytes) -> None:
    with dripping(piece) as port:
        began = time.monotonic()
        with pytest.raises(Unreachable):
            post(replace(outbound, seconds=0.5), f"{scheme}://127.0.0.1:{port}/")
        assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "url",
    ["https:///x", "https://localhost:99999/", "https://[::1/", "https://localhost/a b", "https://" + "a" * 300, ""],
)
def test_what_is_no_url_is_not_reached(outbound: Outbound, url: str) -> None:
    with pytest.raises(Unreachable):
        post(outbound, url)
