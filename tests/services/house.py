"""The services of a house in this process, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from faceoff import image
from faceoff.jobs import core
from faceoff.jobs.engine import Jobs, Limits
from faceoff.pipeline import Rooms
from faceoff.rpc import server
from faceoff.rpc.connect import Deadline, connect
from faceoff.rpc.remote import remote_rooms
from faceoff.rpc.tls import Tls
from faceoff.tenants import gate
from faceoff.tenants.principal import Authenticator, Headers, Principal, Scope, bearer, unauthenticated
from faceoff.testing import served
from faceoff.v1.amplifier_pb2_grpc import add_AmplifierServiceServicer_to_server
from faceoff.v1.attacker_pb2_grpc import add_AttackerServiceServicer_to_server
from faceoff.v1.detector_pb2_grpc import add_DetectorServiceServicer_to_server
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from services.amplifier.servicer import AmplifierServicer
from services.attacker.servicer import AttackerServicer
from services.detector.servicer import DetectorServicer
from services.gateway.gateway import NAME, opened
from services.gateway.measuring import Decode
from services.gateway.settings import CALLS, MESSAGE_LIMIT, Largest, Settings
from services.verifier.servicer import VerifierServicer


class ByName:
    """A token is its tenant's name; ``nobody`` may do nothing."""

    def authenticate(self, headers: Headers) -> Principal:
        tenant = bearer(headers)
        if not tenant.isalpha():
            raise unauthenticated("The key is not known.")
        return Principal(tenant, frozenset() if tenant == "nobody" else frozenset({Scope.PROTECT}), tenant)


@dataclass(frozen=True)
class House:
    """Where a gateway listens: ``grpc`` is ``host:port``, ``http`` a URL; ``jobs`` are those behind it."""

    grpc: str
    http: str
    jobs: Jobs


@contextmanager
def house(
    rooms: Callable[[Deadline], Rooms],
    authenticator: Authenticator | None = None,
    tenants: gate.Settings = gate.Settings(),  # noqa: B008  (frozen)
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    workers: int = 2,
    largest: Largest = Largest(),  # noqa: B008  (frozen)
    reports: Path | None = None,
    jobs: Jobs | None = None,
    listen: str = "127.0.0.1:0",
    decode: Decode = image.decode,
    calls: int = CALLS,
) -> Iterator[House]:
    """A gateway whose photos are protected in ``rooms``; ``jobs`` outlive it."""
    settings = Settings(
        server.Settings(listen, calls=calls, grace=1.0, message_limit=MESSAGE_LIMIT),
        *("", "", "", ""),
        http="127.0.0.1:0",
        workers=workers,
        limits=limits,
        largest=largest,
        reports=reports,
    )
    with (
        nullcontext(jobs) if jobs else closing(core.in_memory(limits)) as behind,
        closing(gate.Gate(tenants, ())) as entry,
    ):
        entry.authenticator = authenticator or entry.authenticator
        with opened(settings, behind, entry, rooms, decode) as addresses:
            yield House(addresses[NAME], f"http://{addresses['http']}", behind)


@contextmanager
def served_rooms(rooms: Rooms, tls: Tls | None = None) -> Iterator[dict[str, str]]:
    """The addresses of services that work in ``rooms``, by name."""
    settings = server.Settings(grace=1.0, tls=tls)
    adders = {
        "Detector": partial(add_DetectorServiceServicer_to_server, DetectorServicer(rooms.detector)),
        "Attacker": partial(add_AttackerServiceServicer_to_server, AttackerServicer(lambda _: rooms.attacker)),
        "Amplifier": partial(add_AmplifierServiceServicer_to_server, AmplifierServicer(rooms.amplifier)),
        "Verifier": partial(add_VerifierServiceServicer_to_server, VerifierServicer(rooms.verifier)),
    }
    with ExitStack() as stack:
        yield {
            name.lower(): stack.enter_context(served(f"faceoff.v1.{name}Service", add, settings)).address
            for name, add in adders.items()
        }


@contextmanager
def gateway(rooms: Rooms) -> Iterator[str]:
    """The address of a gateway whose services work in ``rooms``."""
    with served_rooms(rooms) as addresses, ExitStack() as stack:
        peers = {name: connect(address) for name, address in addresses.items()}
        for peer in peers.values():
            stack.callback(peer.close)
        yield stack.enter_context(house(lambda deadline: remote_rooms(**peers, deadline=deadline))).grpc
