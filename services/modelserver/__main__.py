"""``python -m services.modelserver``."""

from __future__ import annotations

import logging
import signal
import sys

from faceoff import lifeline
from services.modelserver.savedmodel import ServingError
from services.modelserver.server import RunningServer
from services.modelserver.settings import parse
from services.modelserver.store import Store


def main() -> int:
    settings = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    log = logging.getLogger("modelserver")
    lifeline.hold()
    log.info("this is a stand-in for TensorFlow Serving, not the real server")
    try:
        store = Store(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: store.stopping.set())
        store.start()
        if store.stopping.is_set():
            return 0
        server = RunningServer(settings, store)
    except (ServingError, RuntimeError) as error:
        log.error("failed to start: %s", error)
        return 1
    log.info("listening at %s", server.address)
    store.stopping.wait()
    log.info("stopping")
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
