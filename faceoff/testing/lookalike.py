"""One server on this machine that answers as Azure Face, Rekognition, Face++ and CompreFace do, faults included.

    with LookAlike(embed) as server:
        server.fault("azure", Fault.BUSY, times=2)  # faceoff.testing.faults
        ... ask a victim whose endpoint is server.url ...
        assert len(server.billed) == ...

``python -m faceoff.testing.lookalike`` runs it over a network of the catalogue, for people who want to try out the
victims' settings without an account, a bill or a photo leaving the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

from faceoff.testing.faults import INSTEAD, Fault
from faceoff.testing.wires import Aws, Azure, Compre, Embed, FacePP, Faces, Keys, Reply, Request, Wire

_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Billed:
    """One call that a service charged."""

    wire: str
    path: str


@dataclass(frozen=True)
class _Scripted:
    fault: Fault
    seconds: float


class LookAlike:
    """``embed`` finds the faces; ``threshold`` is the l2 distance at which two faces score one half. ``keys`` may be replaced
    while it runs, as an operator rotates them. ``clock`` ages Azure's face ids."""

    def __init__(
        self,
        embed: Embed,
        keys: Keys | None = None,
        *,
        threshold: float = 1.0,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._script: dict[str, deque[_Scripted]] = defaultdict(deque)
        self._faces = Faces(embed, threshold)
        self._clock = clock
        self.keys = keys or Keys()
        self.billed: list[Billed] = []
        self.requests: list[str] = []
        """The wires that were called, in order, whatever came of it."""
        self.let_go = threading.Event()
        """Ends every slowness at once."""
        look_alike = self

        class Handler(_Handler):
            owner = look_alike

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def keys(self) -> Keys:
        return self._keys

    @keys.setter
    def keys(self, keys: Keys) -> None:
        self._keys = keys
        self._wires: tuple[Wire, ...] = (
            Azure(self._faces, keys, self._clock),
            Aws(self._faces, keys),
            FacePP(self._faces, keys),
            Compre(self._faces, keys),
        )

    def fault(self, wire: str, fault: Fault, *, times: int = 1, seconds: float = 0.0) -> None:
        """The next ``times`` requests to ``wire`` (azure, rekognition, facepp, compreface) end in ``fault``. ``seconds`` is the
        Retry-After of BUSY, CONCURRENCY and BROKEN (0: none is sent) and how long SLOW takes."""
        with self._lock:
            self._script[wire].extend([_Scripted(fault, seconds)] * times)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        """Until the process is interrupted."""
        self._server.serve_forever()

    def reply(self, request: Request) -> Reply | None:
        """The reply to a request, with what is billed written down; None to cut the connection."""
        wire = next((wire for wire in self._wires if wire.owns(request)), None)
        if wire is None:
            return Reply(404, {"error": "no such service"})
        with self._lock:
            self.requests.append(wire.name)
            scripted = self._script[wire.name].popleft() if self._script[wire.name] else None
        reply = wire.answer(request)
        if scripted is None:
            self._bill(wire, request, reply)
            return reply
        if scripted.fault in INSTEAD:
            return INSTEAD[scripted.fault](wire, request, scripted.seconds)
        self._bill(wire, request, reply)
        if scripted.fault is Fault.SLOW:
            self.let_go.wait(scripted.seconds)
            return reply
        if scripted.fault is Fault.CUT:
            return None
        if scripted.fault is Fault.GATEWAY:
            return Reply(504, b"<html>upstream timed out</html>")
        return replace(reply, body={"request_id": "look-alike"} if scripted.fault is Fault.EMPTY else b"<html>")

    def _bill(self, wire: Wire, request: Request, reply: Reply) -> None:
        if reply.billed:
            with self._lock:
                self.billed.append(Billed(wire.name, request.path.partition("?")[0]))


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[LookAlike]
    protocol_version = "HTTP/1.1"
    timeout = 30.0

    def handle(self) -> None:
        with suppress(ConnectionError):  # who asked may be gone
            super().handle()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "-1"))
        if not 0 <= length <= _MOST_BYTES:
            self.close_connection = True
            return
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.owner.reply(Request(self.path, headers, body))
        if reply is None:
            self.close_connection = True
            return
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        text = isinstance(reply.body, bytes)
        body = reply.body if text else json.dumps(reply.body).encode()
        kind = "text/plain" if text else "application/json"
        self.send_response(reply.status)
        for name, value in ({"Content-Type": kind} | dict(reply.headers) | {"Content-Length": len(body)}).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing of a request is logged."""


def network(name: str) -> tuple[Embed, float]:
    """The faces of a picture as the catalogue's network ``name`` sees them, and its threshold. Imports TensorFlow."""
    from faceoff import image
    from faceoff.detect import MtcnnDetector
    from faceoff.networks import catalogue
    from faceoff.networks.home import default_home
    from faceoff.networks.local import LocalNetworks
    from faceoff.verify.scores import threshold
    from faceoff.verify.victims.local import embed

    home = default_home()
    networks, detector = LocalNetworks(home), MtcnnDetector()

    def faces(data: bytes) -> list[Any]:
        crops = detector.detect(image.decode(data))
        return list(zip((crop.face.box for crop in crops), embed(networks, name, crops), strict=True)) if crops else []

    return faces, threshold(catalogue.card(name, home))


_SETTINGS = """\
# Victims' settings for this look-alike; its keys are in files beside this one.
state: state
victims:
  azure:
    {{kind: azure, enabled: true, endpoint: "{url}", key_file: azure.key, {terms}}}
  rekognition:
    {{kind: rekognition, enabled: true, region: us-east-1, endpoint: "{url}", access_key_id_file: aws.id,
     secret_access_key_file: aws.key, {terms}}}
  facepp:
    {{kind: facepp, enabled: true, endpoint: "{url}", key_file: facepp.key, secret_file: facepp.secret, {terms}}}
  compreface:
    {{kind: compreface, enabled: true, endpoint: "{url}", key_file: compreface.key, threshold: {threshold}, {terms}}}
"""
_TERMS = (
    "price: {amount: 0.001, currency: USD, as_of: 2026-01-01}, limits: {daily: 1, monthly: 10}, rate: 20, timeout: 30"
)


def settings(folder: Path, url: str, keys: Keys, terms: str = _TERMS) -> Path:
    """Write the victims' settings (faceoff.verify.victims.settings) for a look-alike at ``url`` with its key files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, secret in {
        "azure.key": keys.azure,
        "aws.id": keys.aws_id,
        "aws.key": keys.aws_secret,
        "facepp.key": keys.facepp_key,
        "facepp.secret": keys.facepp_secret,
        "compreface.key": keys.compreface,
    }.items():
        (folder / name).write_text(secret + "\n")
    file = folder / "victims.yaml"
    file.write_text(_SETTINGS.format(url=url, terms=terms, threshold=Compre.threshold))
    return file


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m faceoff.testing.lookalike",
        description="Look-alikes of four commercial victims, on this machine.",
    )
    parser.add_argument("--network", default="facenet", help="the network that judges (default: facenet)")
    parser.add_argument("--port", type=int, default=8790)
    parser.add_argument("--settings", type=Path, default=Path("lookalike"), help="folder to write the settings to")
    options = parser.parse_args()
    embed, threshold = network(options.network)
    server = LookAlike(embed, threshold=threshold, port=options.port)
    file = settings(options.settings, server.url, server.keys)
    sys.stdout.write(f"The four look-alikes listen on {server.url}; {file} has the victims' settings.\n")
    sys.stdout.flush()
    try:
        server.serve()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
