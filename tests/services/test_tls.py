"""Mutual TLS over real sockets: who gets in, and what happens when certificates are replaced."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import server as server_module
from faceoff.rpc import tls as tls_module
from faceoff.rpc.connect import Peer, connect
from faceoff.rpc.server import Settings
from faceoff.rpc.tls import Tls
from faceoff.testing import served
from faceoff.v1 import detector_pb2, detector_pb2_grpc
from tests.authority import Authority, authority, put

SERVICE = "faceoff.v1.DetectorService"


class Watcher(detector_pb2_grpc.DetectorServiceServicer):
    """Remembers the serial numbers of the certificates that its callers showed."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.headers: list[str | bytes] = []

    def Detect(self, request: detector_pb2.DetectRequest, context: grpc.ServicerContext) -> detector_pb2.DetectResponse:  # noqa: N802
        (pem,) = context.auth_context()["x509_pem_cert"]
        self.seen.append(x509.load_pem_x509_certificate(pem).serial_number)  # type: ignore[arg-type]  # bytes they are
        self.headers += [value for name, value in context.invocation_metadata() if name == "a"]
        return detector_pb2.DetectResponse()

    def add(self, server: grpc.Server) -> None:
        detector_pb2_grpc.add_DetectorServiceServicer_to_server(self, server)


@pytest.fixture(scope="module")
def house() -> Authority:
    return authority()


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@contextmanager
def serving(watcher: Watcher, tls: Tls) -> Iterator[str]:
    with served(SERVICE, watcher.add, Settings(grace=1.0, tls=tls)) as server:
        yield f"127.0.0.1:{server.port}"


def detect(peer: Peer, timeout: float = 10.0) -> None:
    detector_pb2_grpc.DetectorServiceStub(peer.channel).Detect(detector_pb2.DetectRequest(), timeout=timeout)


def serial(tls: Tls) -> int:
    return x509.load_pem_x509_certificate(tls.cert.read_bytes()).serial_number


def test_a_certificate_of_the_house_gets_in(house: Authority, watcher: Watcher, tmp_path: Path) -> None:
    client = house.issue(tmp_path / "client")
    with serving(watcher, house.issue(tmp_path / "server")) as address, closing(connect(address, tls=client)) as peer:
        detect(peer)
    assert watcher.seen == [serial(client)]


def test_headers_go_with_every_call(house: Authority, watcher: Watcher, tmp_path: Path) -> None:
    client = house.issue(tmp_path / "client")
    with (
        serving(watcher, house.issue(tmp_path / "server")) as address,
        closing(connect(address, {"a": "b"}, client)) as peer,
    ):
        detect(peer)
    assert watcher.headers == ["b"]


def test_nobody_else_gets_in(house: Authority, watcher: Watcher, tmp_path: Path) -> None:
    mine = house.issue(tmp_path / "server")
    stranger = replace(authority("stranger").issue(tmp_path / "stranger"), ca=mine.ca)
    with serving(watcher, mine) as address:
        nameless = grpc.secure_channel(address, grpc.ssl_channel_credentials(mine.ca.read_bytes()))
        for peer in (connect(address, tls=stranger), Peer(address, nameless), connect(address)):
            with closing(peer):
                with pytest.raises(grpc.RpcError) as caught:
                    detect(peer)
                assert isinstance(caught.value, grpc.Call)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
                with pytest.raises(grpc.RpcError):  # health and reflection are behind the same wall
                    health_pb2_grpc.HealthStub(peer.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert watcher.seen == []


def test_a_server_of_another_authority_or_name_is_not_called(
    house: Authority, watcher: Watcher, tmp_path: Path
) -> None:
    client = house.issue(tmp_path / "client")
    other = authority("other").issue(tmp_path / "other")
    with (
        serving(watcher, replace(other, ca=client.ca)) as address,
        closing(connect(address, tls=client)) as peer,
        pytest.raises(grpc.RpcError),
    ):
        detect(peer)
    with serving(watcher, house.issue(tmp_path / "server")) as address:
        elsewhere = address.replace("127.0.0.1", "127.0.0.2")  # no name in the certificate
        with closing(connect(elsewhere, tls=client)) as peer, pytest.raises(grpc.RpcError):
            detect(peer)
    assert watcher.seen == []


def test_replaced_certificates_are_taken_up_on_both_sides(house: Authority, watcher: Watcher, tmp_path: Path) -> None:
    mine, client = house.issue(tmp_path / "server"), house.issue(tmp_path / "client")
    old = serial(client)
    with serving(watcher, mine) as address, closing(connect(address, tls=client)) as peer:
        stub = detector_pb2_grpc.DetectorServiceStub(peer.channel)
        stub.Detect(detector_pb2.DetectRequest(), timeout=10)
        house.issue(tmp_path / "client")
        stub.Detect(detector_pb2.DetectRequest(), timeout=10)
        assert watcher.seen == [old, serial(client)] != [old, old]

        other = authority("next")
        other.issue(tmp_path / "server")
        with pytest.raises(grpc.RpcError), closing(connect(address, tls=client)) as late:
            detect(late)
        other.issue(tmp_path / "client")
        stub.Detect.future(detector_pb2.DetectRequest(), timeout=10).result()
        assert watcher.seen[2:] == [serial(client)]


def test_files_that_do_not_fit_leave_what_was_there(
    house: Authority, watcher: Watcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, client = house.issue(tmp_path / "server"), house.issue(tmp_path / "client")
    with serving(watcher, mine) as address:
        put(mine.key, client.key.read_bytes())
        put(client.cert, b"no certificate")
        with pytest.raises(FaceOffError):
            connect(address, tls=client)
        for _ in range(2):
            with closing(connect(address, tls=house.issue(tmp_path / "other"))) as peer:
                detect(peer)
    assert len(watcher.seen) == 2
    assert capsys.readouterr().err.count("tls_files_refused") == 1


@pytest.mark.parametrize("spoil", ["missing", "garbage", "foreign key", "encrypted key"])
def test_a_server_with_files_that_do_not_fit_does_not_start(house: Authority, tmp_path: Path, spoil: str) -> None:
    tls = house.issue(tmp_path / "server")
    match spoil:
        case "missing":
            tls.ca.unlink()
        case "garbage":
            tls.cert.write_bytes(bytes(range(256)))
        case "foreign key":
            put(tls.key, house.issue(tmp_path / "other").key.read_bytes())
        case "encrypted key":
            put(tls.key, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(FaceOffError) as caught:
        server_module.Server(SERVICE, Watcher().add, Settings(tls=tls))
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_the_files_come_from_options_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(*arguments: str) -> Tls | None:
        parser = argparse.ArgumentParser()
        tls_module.add_arguments(parser)
        return tls_module.settings(parser.parse_args(arguments))

    assert parsed() is None
    with pytest.raises(FaceOffError, match="or none of them"):
        parsed("--tls-cert", "a", "--tls-key", "b")
    monkeypatch.setenv("FACEOFF_TLS_CERT", "c")
    assert parsed("--tls-key", "b", "--tls-ca", "a") == Tls(Path("c"), Path("b"), Path("a"))
