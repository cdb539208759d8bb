"""The gateway as a whole: both doors, the workers behind them, and how they end together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from google.longrunning.operations_pb2_grpc import add_OperationsServicer_to_server
from prometheus_client import REGISTRY

from faceoff.jobs.engine import Jobs
from faceoff.jobs.sweeper import Sweeper
from faceoff.jobs.worker import Worker
from faceoff.pipeline import Rooms
from faceoff.rpc import operations
from faceoff.rpc.connect import Deadline
from faceoff.rpc.server import Server
from faceoff.tenants.gate import Gate
from faceoff.v1.protection_pb2_grpc import add_ProtectionServiceServicer_to_server
from services.gateway.accounts import Accounts
from services.gateway.door import Door
from services.gateway.http import HttpServer
from services.gateway.measuring import Decode, Measuring
from services.gateway.page.reports import Reports
from services.gateway.places import Places
from services.gateway.pool import Pool
from services.gateway.servicer import OperationsServicer, ProtectionServicer
from services.gateway.settings import Settings
from services.gateway.web import create_app
from services.gateway.worker import work

NAME = "faceoff.v1.ProtectionService"
WORKER = "faceoff.worker"
_AT_ONCE = 8  # photos that no queue holds back: they take calls of the rooms beside the workers' own, which have 16


@contextmanager
def opened(
    settings: Settings,
    jobs: Jobs,
    gate: Gate,
    rooms: Callable[[Deadline], Rooms],
    decode: Decode,
) -> Iterator[dict[str, str]]:
    """A gateway at work: the addresses of its ports by service. ``rooms`` gives the rooms that work until a deadline,
    ``decode`` reads strangers' photos, whose pixels are not needed. In the end it takes nothing new, and says so to who asks
    for its health. What runs has the grace period: first what the doors' callers wait for, then the workers' jobs, which then
    go back to the queue."""
    accounts, pool, measuring = Accounts(jobs, gate), Pool(gate.targets), Measuring(decode)
    door = Door(jobs, gate, accounts, measuring, rooms, settings.largest)
    worker = Worker(jobs, work(rooms, measuring, pool), settings.workers, settings.server.grace)

    places, at_once = Places(settings.server.calls), Places(_AT_ONCE, _AT_ONCE // 2)

    def add(server: Any) -> None:
        add_ProtectionServiceServicer_to_server(ProtectionServicer(door, rooms, pool, places, at_once), server)
        add_OperationsServicer_to_server(OperationsServicer(door, places), server)

    # Certificates are for the rooms: users have none, and their encryption ends before this door.
    limits = replace(settings.server, tls=None)
    with ExitStack() as stack:
        figures = jobs.collector()
        REGISTRY.register(figures)
        stack.callback(REGISTRY.unregister, figures)
        stack.enter_context(Sweeper(jobs))
        if settings.http:
            stack.enter_context(accounts)
            server = Server(NAME, add, limits, (operations.SERVICE,))
            reports = Reports(settings.reports) if settings.reports else None
            http = HttpServer(create_app(door, reports), settings.http, settings.server.grace)
            addresses = {NAME: server.address, "http": http.address}
            http.start()
            stack.callback(http.stop)
            stack.enter_context(worker)
            stack.callback(_together, server.stop, http.drain)
        else:
            server = Server(WORKER, lambda _: None, limits)
            addresses = {WORKER: server.address}
            stack.callback(server.stop)
            stack.enter_context(worker)
        server.start()
        stack.callback(server.drain)
        server.ready()
        yield addresses | ({"metrics": server.metrics_address} if settings.server.metrics else {})


def _together(*ends: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(ends)) as pool:
        for end in [pool.submit(end) for end in ends]:
            end.result()
