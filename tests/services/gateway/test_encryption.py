"""Encrypted all the way: a client over https, an ingress, a gateway in a process of its own, mutual TLS to its rooms."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from faceoff.amplify import LocalAmplifier
from faceoff.client import Client
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Rooms
from faceoff.rpc.tls import Tls
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from tests.authority import Authority, authority
from tests.services.house import served_rooms

ROOT = Path(__file__).parents[3]
PROTECT = """
import hashlib, sys
from contextlib import closing
from pathlib import Path
from faceoff.client import Client, Request
from faceoff.types import Plan
with closing(Client(sys.argv[1])) as client:
    job = client.wait(client.submit(Path(sys.argv[2]).read_bytes(), Request(Plan(iterations=2))).id)
    print(job.id, hashlib.sha256(client.result(job.id).candidate.data).hexdigest())
"""


@contextmanager
def ingress(tls: Tls, target: str, protocol: str) -> Iterator[str]:
    """``host:port`` where encryption to users ends, as a cluster's ingress does it, in front of ``target``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert, tls.key)
    context.set_alpn_protocols([protocol])
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        behind, to_behind = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, to_behind), pump(behind, writer))

    async def end() -> None:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(between, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def house() -> Authority:
    return authority()


@pytest.fixture(scope="module")
def gateway(house: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Its ports by service."""
    folder = tmp_path_factory.mktemp("certificates")
    mine = house.issue(folder / "gateway")
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with served_rooms(rooms, house.issue(folder / "rooms")) as addresses:
        flags = [word for name, address in addresses.items() for word in (f"--{name}", address)]
        files = ["--tls-cert", str(mine.cert), "--tls-key", str(mine.key), "--tls-ca", str(mine.ca)]
        process = subprocess.Popen(
            [sys.executable, "-m", "services.gateway", "--listen=127.0.0.1:0", "--http=127.0.0.1:0", *flags, *files],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        try:
            assert process.stderr is not None
            said = [json.loads(process.stderr.readline()) for _ in range(2)]
            yield {event["service"]: event["address"] for event in said}
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def test_a_photo_over_https_to_rooms_with_certificates(
    house: Authority, gateway: dict[str, str], photo: bytes, tmp_path: Path
) -> None:
    public = authority("public")
    tls = public.issue(tmp_path / "public")
    file = tmp_path / "photo.png"
    file.write_bytes(photo)
    with (
        ingress(tls, gateway["faceoff.v1.ProtectionService"], "h2") as grpc_address,
        ingress(tls, gateway["http"], "http/1.1") as http_address,
    ):
        # The authorities that gRPC trusts are read once in a process.
        done = subprocess.run(
            [sys.executable, "-c", PROTECT, f"https://{grpc_address}", str(file)],
            capture_output=True,
            text=True,
            timeout=90,
            env=os.environ | {"PYTHONPATH": str(ROOT), "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tls.ca)},
        )
        assert done.returncode == 0, done.stderr
        job, digest = done.stdout.split()
        trusting = ssl.create_default_context(cadata=public.pem.decode())
        trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the test's authority is as plain as one can be
        with httpx2.Client(base_url=f"https://{http_address}", verify=trusting, timeout=30) as http:
            assert hashlib.sha256(http.get(f"/v1/operations/{job}/result").content).hexdigest() == digest
            assert http.delete(f"/v1/operations/{job}").json()["keys"] >= 1


def test_an_ingress_that_nobody_vouches_for_is_told_nothing(
    house: Authority, gateway: dict[str, str], tmp_path: Path
) -> None:
    tls = authority("stranger").issue(tmp_path / "stranger")
    with (
        ingress(tls, gateway["faceoff.v1.ProtectionService"], "h2") as address,
        closing(Client(f"https://{address}")) as client,
        pytest.raises(FaceOffError) as caught,
    ):
        client.get("x")
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
