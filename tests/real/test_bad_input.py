"""Bad input and a bad day, through the real command and a real gateway: a clear message that says what to do, the right
exit code or gRPC reason, nothing half-done, and the next photo works."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from PIL import Image
from skimage import data as pictures

from faceoff.amplify import LocalAmplifier
from faceoff.attacks.attacker import LocalAttacker
from faceoff.attacks.export import export
from faceoff.client import Client
from faceoff.detect import MtcnnDetector
from faceoff.errors import FaceOffError, Reason
from faceoff.networks import catalogue, store
from faceoff.networks.card import Card
from faceoff.networks.home import Home
from faceoff.pipeline import Request, Rooms
from faceoff.rpc import convert
from faceoff.rpc.serving import ServingNetworks
from faceoff.types import Outcome, Plan, Progress
from faceoff.v1 import protection_pb2
from faceoff.v1.protection_pb2_grpc import ProtectionServiceStub
from faceoff.verify.verifier import LocalVerifier
from services.modelserver.server import RunningServer, start
from tests.real.conftest import png
from tests.services.house import gateway
from tests.unit import tiny


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is so large."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


def face(size: int = 256) -> Image.Image:
    picture = Image.fromarray(pictures.astronaut()).crop((100, 0, 356, 256))  # type: ignore[no-untyped-call]
    return picture.resize((size, size))


def saved(picture: Image.Image, format_name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_name, **options)
    return file.getvalue()


GOOD = png(face())
WHOLE = saved(face(), "JPEG", quality=95)
BAD: dict[str, tuple[bytes, Reason]] = {
    "faceless.png": (png(Image.new("RGB", (160, 120), (120, 90, 60))), Reason.NO_FACE_DETECTED),
    "one_pixel.png": (png(Image.new("RGB", (1, 1))), Reason.NO_FACE_DETECTED),
    "sixteen_pixels.png": (png(face(16)), Reason.NO_FACE_DETECTED),
    "strip.png": (png(Image.new("RGB", (1, 16_000))), Reason.NO_FACE_DETECTED),
    "longer_strip.png": (png(Image.new("RGB", (1, 20_000))), Reason.IMAGE_TOO_LARGE),
    "bomb.png": (claims(30_000, 30_000), Reason.IMAGE_TOO_LARGE),
    "nothing.png": (claims(0, 9), Reason.IMAGE_CORRUPT),
    "corrupt.png": (GOOD[:5000] + bytes(500) + GOOD[5500:], Reason.IMAGE_CORRUPT),
    "truncated.jpg": (WHOLE[: len(WHOLE) // 2], Reason.IMAGE_CORRUPT),
    "empty.jpg": (b"", Reason.UNSUPPORTED_FORMAT),
    "text.jpg": (b"Dear diary,\n" * 100, Reason.UNSUPPORTED_FORMAT),
    "animated.gif": (
        saved(face(64), "GIF", save_all=True, append_images=[face(64).rotate(90)]),
        Reason.ANIMATED_IMAGE,
    ),
}


class TestCommand:
    """`faceoff protect` in a process of its own. One small surrogate: what is measured here is not the mask."""

    QUICK = ("--surrogates", "mobilefacenet", "--victims", "sface", "--iterations", "1")

    def test_bad_photos_and_then_a_good_one(self, home: Home, tmp_path: Path) -> None:
        for name, (data, _) in BAD.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / "good.png").write_bytes(GOOD)
        done = command("protect", *BAD, "none.png", "good.png", *self.QUICK, "--json", "-o", "out", folder=tmp_path)
        *bad, good = rows(done)
        reasons = {name: reason for name, (_, reason) in BAD.items()} | {"none.png": Reason.INVALID_ARGUMENT}
        assert {row["photo"]: row["error"]["reason"] for row in bad} == reasons
        assert all(row["error"]["message"] and row["error"]["hint"] for row in bad)
        assert (good["photo"], good["output"]) == ("good.png", "out/good.faceoff.png")
        assert done.returncode == 1
        assert files(tmp_path) == sorted([*BAD, "good.png", "out/good.faceoff.png"])

    @pytest.mark.parametrize(
        ("arguments", "code", "reason", "said"),
        [
            (("--surrogates", "facenet,mobilefacenett"), 2, Reason.UNKNOWN_NETWORK, "Did you mean mobilefacenet?"),
            (("--victims", "facenet"), 2, Reason.VICTIM_IS_SURROGATE, "choose other victims"),
            (("--server", "127.0.0.1:1"), 5, Reason.SERVICE_UNAVAILABLE, "Check that it runs"),
            (("--timeout", "0.001"), 1, Reason.DEADLINE_TOO_SHORT, "--timeout"),
        ],
    )
    def test_what_cannot_be_done(
        self, arguments: Sequence[str], code: int, reason: Reason, said: str, home: Home, tmp_path: Path
    ) -> None:
        (tmp_path / "good.png").write_bytes(GOOD)
        done = command("protect", "good.png", "--json", *arguments, folder=tmp_path)
        (row,) = rows(done)
        assert (done.returncode, row["error"]["reason"]) == (code, reason)
        assert said in row["error"]["hint"]
        assert files(tmp_path) == ["good.png"]

    def test_missing_weights(self, tmp_path: Path) -> None:
        (tmp_path / "good.png").write_bytes(GOOD)
        environment = {"FACEOFF_HOME": str(tmp_path / "empty")}
        done = command("protect", "good.png", "--json", folder=tmp_path, environment=environment)
        (row,) = rows(done)
        assert (done.returncode, row["error"]["reason"]) == (1, Reason.NETWORK_MISSING)
        assert "faceoff models fetch facenet" in row["error"]["hint"]
        assert files(tmp_path) == ["good.png"]

    def test_a_damaged_network(self, home: Home, tmp_path: Path) -> None:
        (tmp_path / "good.png").write_bytes(GOOD)
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "weights").symlink_to(home.root / "weights")
        for name in ("mobilefacenet", "sface"):
            store.build([catalogue.card(name, home)], home)
            shutil.copytree(home.root / "models" / name, tmp_path / "home" / "models" / name)
        for part in (tmp_path / "home" / "models" / "mobilefacenet").rglob("variables.data-*"):
            os.truncate(part, 1000)
        before = files(tmp_path)
        environment = {"FACEOFF_HOME": str(tmp_path / "home")}
        done = command("protect", "good.png", *self.QUICK, "--json", folder=tmp_path, environment=environment)
        (row,) = rows(done)
        assert (done.returncode, row["error"]["reason"]) == (1, Reason.WEIGHTS_MISMATCH)
        assert "Remove that folder" in row["error"]["hint"]
        assert files(tmp_path) == before

    def test_a_full_disk(self, home: Home, tmp_path: Path) -> None:
        """A file system of 64 kB, mounted in a namespace of its own; that the file is cut off by a limit instead is
        tested in tests/unit/cli/test_process.py."""
        within = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
        mount = "mount -t tmpfs -o size=64k none out"
        (tmp_path / "out").mkdir()
        if subprocess.run([*within, mount], cwd=tmp_path, capture_output=True, check=False).returncode:
            pytest.skip("no file system can be mounted here")
        (tmp_path / "good.png").write_bytes(GOOD)
        done = subprocess.run(
            [
                *(*within, f'{mount} && "$@"; code=$?; find out -type f; exit $code', "sh"),
                *(sys.executable, "-m", "faceoff.cli", "protect", "good.png", *self.QUICK, "--json", "-o", "out"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        (row,) = rows(done)  # and no word of find's
        assert (done.returncode, row["error"]["reason"]) == (1, Reason.DISK_FULL)
        assert "Free some space" in row["error"]["hint"]


def command(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "faceoff.cli", *arguments],
        cwd=folder,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The command's objects; that what went wrong was also said in words, and only in words."""
    assert "Traceback" not in done.stderr
    assert "Unexpected" not in done.stderr
    found: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    for row in found:
        for part in ("message", "hint"):
            assert row.get("error", {}).get(part, "") in done.stderr
    return found


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class ModelServer:
    """The surrogate ``a`` and its twin, the victim ``b``, on one port, which can be stopped and started again."""

    def __init__(self, store: Path) -> None:
        export(tiny.network_set("a"), store / "a" / "1")
        shutil.copytree(store / "a", store / "b")
        self._store = store
        self._running: RunningServer | None = start(store)
        self.address = self._running.address

    def stop(self) -> None:
        if self._running:
            self._running.stop(0)
        self._running = None

    def start(self) -> None:
        if not self._running:
            self._running = start(self._store, int(self.address.rpartition(":")[2]))


class Watched(ServingNetworks):
    """``before`` is called before each chunk of the attack, with the number of chunks asked for until then."""

    before: Callable[[int], None]
    chunks = 0

    def give_up_after(self, seconds: float) -> None:
        self._connect_timeout = seconds

    def call(
        self, model: str, signature: str, inputs: Any, outputs: Sequence[str] = (), timeout: float = 60.0
    ) -> dict[str, Any]:
        if signature == "pgd_steps":
            self.before(self.chunks)
            self.chunks += 1
        return super().call(model, signature, inputs, outputs, timeout)


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    server = ModelServer(tmp_path_factory.mktemp("store"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def house(model_server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Watched]]:
    """A gateway's address, and the networks as the attacker sees them."""
    home = Home(tmp_path_factory.mktemp("home"))
    cards = {name: tiny.card(name, depth=6) for name in ("a", "b")}

    def card(name: str) -> Card:
        return cards.get(name) or catalogue.card(name, home)

    detector = MtcnnDetector()
    with closing(Watched(model_server.address, connect_timeout=10.0)) as networks:
        verifier = LocalVerifier(networks, detector, list(cards.values()))
        rooms = Rooms(detector, LocalAttacker(networks, card), LocalAmplifier(), verifier)
        with gateway(rooms) as address:
            yield address, networks


@pytest.fixture
def networks(house: tuple[str, Watched], model_server: ModelServer) -> Iterator[Watched]:
    house[1].before, house[1].chunks = lambda chunks: None, 0
    house[1].give_up_after(10.0)
    yield house[1]
    model_server.start()


@pytest.fixture
def client(house: tuple[str, Watched], networks: Watched) -> Iterator[Client]:
    with closing(Client(house[0])) as client:
        yield client


REQUEST = Request(Plan(surrogates=("a",), iterations=30), victims=("b",))


def ignore(progress: Progress) -> None:
    """Nobody is watching."""


def refusal(address: str, data: bytes, request: Request = REQUEST, timeout: float = 60) -> tuple[grpc.StatusCode, str]:
    """The code and reason of a call as any gRPC client sees them; there is always a hint."""
    upload = [
        protection_pb2.ProtectRequest(header=convert.to_header(request)),
        *(protection_pb2.ProtectRequest(chunk=part) for part in convert.to_chunks(data)),
    ]
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as caught:
        list(ProtectionServiceStub(channel).Protect(iter(upload), timeout=timeout))
    error: Any = caught.value
    assert error.details()
    assert "Traceback" not in error.details()
    info, hint = error_details_pb2.ErrorInfo(), error_details_pb2.LocalizedMessage()
    for detail in rpc_status.from_call(error).details:
        for known in (info, hint):
            if detail.Is(known.DESCRIPTOR):
                detail.Unpack(known)
    assert info.domain == "faceoff"
    assert hint.message
    return error.code(), info.reason


class TestGateway:
    @pytest.mark.parametrize("name", BAD)
    def test_bad_photos(self, name: str, house: tuple[str, Watched], client: Client) -> None:
        data, reason = BAD[name]
        assert refusal(house[0], data) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        with pytest.raises(FaceOffError) as caught:
            client.protect(data, REQUEST, ignore, 60)
        assert caught.value.reason is reason
        assert caught.value.hint

    @pytest.mark.parametrize(
        ("request_", "code", "reason"),
        [
            (Request(Plan(surrogates=("nobody",))), grpc.StatusCode.NOT_FOUND, Reason.UNKNOWN_NETWORK),
            (Request(Plan(surrogates=("a", "b"))), grpc.StatusCode.FAILED_PRECONDITION, Reason.NETWORK_MISSING),
            (Request(REQUEST.plan, faces=(99,)), grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_ARGUMENT),
        ],
    )
    def test_bad_requests(
        self, request_: Request, code: grpc.StatusCode, reason: Reason, house: tuple[str, Watched], networks: Watched
    ) -> None:
        assert refusal(house[0], GOOD, request_) == (code, reason)

    def test_no_model_server_and_then_one(self, client: Client, networks: Watched, model_server: ModelServer) -> None:
        model_server.stop()
        networks.give_up_after(1.0)
        with pytest.raises(FaceOffError) as caught:
            client.protect(GOOD, REQUEST, ignore, 60)
        assert caught.value.reason is Reason.SURROGATE_UNAVAILABLE
        assert caught.value.hint
        model_server.start()
        networks.give_up_after(10.0)
        assert works(client)

    def test_a_model_server_that_restarts_between_two_calls(self, client: Client, model_server: ModelServer) -> None:
        assert works(client)
        model_server.stop()
        model_server.start()
        assert works(client)

    def test_a_model_server_that_restarts_in_mid_attack(
        self, client: Client, networks: Watched, model_server: ModelServer
    ) -> None:
        """The photo waits for it, and is the same as if nothing had happened."""
        undisturbed = client.protect(GOOD, REQUEST, ignore, 60)
        restarted = threading.Timer(0.3, model_server.start)

        def restart(chunks: int) -> None:
            if not restarted.is_alive() and chunks == 4:  # the second chunk of the second photo
                model_server.stop()
                restarted.start()

        networks.before = restart
        disturbed = client.protect(GOOD, REQUEST, ignore, 60)
        restarted.join()
        assert disturbed.candidate.data == undisturbed.candidate.data
        assert np.array_equal(disturbed.masks[0].trace, undisturbed.masks[0].trace)

    def test_a_model_server_that_goes_in_mid_attack(
        self, house: tuple[str, Watched], networks: Watched, model_server: ModelServer
    ) -> None:
        networks.give_up_after(1.0)
        networks.before = lambda chunks: model_server.stop() if chunks else None
        assert refusal(house[0], GOOD) == (grpc.StatusCode.UNAVAILABLE, Reason.SURROGATE_UNAVAILABLE)

    def test_a_deadline_too_short(self, client: Client, networks: Watched) -> None:
        assert works(client)
        networks.before, networks.chunks = lambda chunks: time.sleep(0.2), 0
        endless = Request(Plan(surrogates=("a",), iterations=10_000), victims=("b",))
        with pytest.raises(FaceOffError) as caught:
            client.protect(GOOD, endless, ignore, 1.5)
        chunks = networks.chunks
        assert caught.value.reason is Reason.DEADLINE_TOO_SHORT
        assert caught.value.hint
        time.sleep(0.7)
        assert 0 < networks.chunks <= chunks + 1, "the attacker goes on for nobody"
        networks.before = lambda chunks: None
        assert works(client)


def works(client: Client) -> bool:
    (verdict,) = client.protect(GOOD, REQUEST, ignore, 60).verdicts
    return verdict.outcome is not Outcome.ERROR
