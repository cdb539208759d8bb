"""Who does a campaign's work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from faceoff.campaign.remembering import Remembering
from faceoff.networks import catalogue, store
from faceoff.networks.card import Card
from faceoff.networks.home import Home
from faceoff.rooms import Attacker, Detector, Networks
from faceoff.verify.scores import check_threshold


@dataclass(frozen=True)
class House:
    """``weights`` names a network's weights by their SHA-256, so that a row can say what exactly it was computed with."""

    networks: Networks
    card: Callable[[str], Card]
    detector: Detector
    attacker: Attacker
    weights: Callable[[str], str]


def check_victims(names: Iterable[str], house: House) -> None:
    """Raise UNKNOWN_NETWORK, or INVALID_ARGUMENT for a network that has no threshold to judge by."""
    for name in names:
        check_threshold(house.card(name))


def local_house(home: Home) -> House:
    """Everything in this process. Imports TensorFlow, which takes seconds."""
    from faceoff.attacks.attacker import LocalAttacker
    from faceoff.detect import MtcnnDetector
    from faceoff.networks.local import LocalNetworks

    networks = LocalNetworks(home)

    def card(name: str) -> Card:
        return catalogue.card(name, home)

    def weights(name: str) -> str:
        manifest = home.model(name, networks.version(name)) / store.MANIFEST
        return str(json.loads(manifest.read_text())["weights"][name])

    return House(networks, card, MtcnnDetector(), LocalAttacker(Remembering(networks), card), weights)
