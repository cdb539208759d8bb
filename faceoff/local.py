"""All rooms in one process, as `faceoff protect` uses them without a server."""

from __future__ import annotations

from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.pipeline import Rooms


def rooms(home: Home) -> Rooms:
    """The rooms over the networks kept in ``home``. Imports TensorFlow, which takes seconds."""
    from faceoff.amplify import LocalAmplifier
    from faceoff.attacks.attacker import LocalAttacker
    from faceoff.detect import MtcnnDetector
    from faceoff.networks.local import LocalNetworks
    from faceoff.verify.verifier import LocalVerifier

    networks, detector = LocalNetworks(home), MtcnnDetector()
    return Rooms(
        detector,
        LocalAttacker(networks, lambda name: catalogue.card(name, home)),
        LocalAmplifier(),
        LocalVerifier(networks, detector, catalogue.all_cards(home)),
    )
