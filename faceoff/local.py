"""All rooms in one process, as `faceoff protect` uses them without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.pipeline import Rooms
from faceoff.rooms import Detector, Networks

if TYPE_CHECKING:
    from faceoff.verify.panel import Panel


def rooms(home: Home, victims: Path | None = None) -> Rooms:
    """The rooms over the networks kept in ``home``, and the commercial victims of the file ``victims``. Imports TensorFlow,
    which takes seconds."""
    from faceoff.amplify import LocalAmplifier
    from faceoff.attacks.attacker import LocalAttacker
    from faceoff.detect import MtcnnDetector
    from faceoff.networks.local import LocalNetworks

    networks, detector = LocalNetworks(home), MtcnnDetector()
    return Rooms(
        detector,
        LocalAttacker(networks, lambda name: catalogue.card(name, home)),
        LocalAmplifier(),
        _panel(networks, detector, home, victims),
    )


def panel(home: Home, victims: Path | None) -> Panel:
    """Who judges: the networks kept in ``home``, and the commercial victims of the file ``victims``."""
    from faceoff.detect import MtcnnDetector
    from faceoff.networks.local import LocalNetworks

    return _panel(LocalNetworks(home), MtcnnDetector(), home, victims)


def _panel(networks: Networks, detector: Detector, home: Home, victims: Path | None) -> Panel:
    from faceoff.verify.panel import Panel
    from faceoff.verify.verifier import LocalVerifier

    local = LocalVerifier(networks, detector, catalogue.all_cards(home))
    if victims is None:
        return Panel(local)
    from faceoff.verify.victims.settings import victims_from

    return Panel(local, victims_from(victims))
