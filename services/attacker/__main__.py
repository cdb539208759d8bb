"""python -m services.attacker"""

from __future__ import annotations

from functools import partial

from faceoff.attacks.attacker import LocalAttacker
from faceoff.networks import catalogue
from faceoff.networks.home import default_home
from faceoff.rpc import metrics
from faceoff.rpc.server import run, serve
from faceoff.rpc.serving import ServingNetworks
from faceoff.v1.attacker_pb2_grpc import add_AttackerServiceServicer_to_server
from services.attacker.servicer import AttackerServicer
from services.attacker.settings import parse


def main() -> None:
    settings = parse()
    home = default_home()
    networks = ServingNetworks(settings.model_server)
    attacker = LocalAttacker(
        networks, lambda name: catalogue.card(name, home), settings.batch_sizes, metrics.observe_batch
    )
    add = partial(add_AttackerServiceServicer_to_server, AttackerServicer(attacker.within))
    serve("faceoff.v1.AttackerService", add, settings.server)


if __name__ == "__main__":
    run(main)
