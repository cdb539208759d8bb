"""python -m services.gateway"""

from __future__ import annotations

from contextlib import closing
from functools import partial

from faceoff.decoding.pool import Decoder
from faceoff.jobs import core, jetstream
from faceoff.rpc import logs, traces
from faceoff.rpc.connect import connect
from faceoff.rpc.remote import remote_rooms
from faceoff.rpc.server import run, stopping
from faceoff.tenants.gate import Gate
from services.gateway.gateway import opened
from services.gateway.measuring import AT_ONCE
from services.gateway.settings import parse


def main() -> None:
    settings = parse()
    traces.on()  # says at once what is missing for them
    stop = stopping()
    detector, attacker, amplifier, verifier = (
        connect(address, tls=settings.server.tls)
        for address in (settings.detector, settings.attacker, settings.amplifier, settings.verifier)
    )
    rooms = partial(remote_rooms, detector, attacker, amplifier, verifier)
    with (
        closing(
            jetstream.connect(settings.nats, settings.limits, settings.replicas)
            if settings.nats
            else core.in_memory(settings.limits)
        ) as jobs,
        closing(Gate(settings.tenants, (settings.server.listen, settings.http) if settings.http else ())) as gate,
        Decoder(AT_ONCE) as decoder,
        opened(settings, jobs, gate, rooms, decoder.measure) as ports,
    ):
        for service, address in ports.items():
            logs.event("serving", service=service, address=address)
        stop.wait()
        logs.event("draining", service="gateway")
    logs.event("stopped", service="gateway")


if __name__ == "__main__":
    run(main)
