"""The real gateway, `python -m services.gateway`, to whose parts mistakes happen when a caller asks for them, and which can
leak: python -m tests.canary.door FLAGS"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faceoff.jobs.engine import Operation
from faceoff.pipeline import Request
from faceoff.rpc import metrics, server, traces
from faceoff.tenants.principal import Principal
from services.gateway import __main__ as gateway
from services.gateway import door, servicer, worker

BREAKS_WORK = 77
"""The quality of results that end in a mistake."""

BREAKS_DOOR = "breaks-the-door-"
"""Idempotency keys that begin so end in a mistake before a job is there."""

LEAKS = "leaks-"
"""What follows this in an idempotency key goes wherever it must not go."""


def main() -> None:
    for module in (worker, servicer):
        module.protect = _breaking(module.protect)  # type: ignore[attr-defined]
    submit = door.Door.submit

    def mistaken(
        self: door.Door, caller: Principal, request: Request, photo: bytes, idempotency_key: str = ""
    ) -> Operation:
        if idempotency_key.startswith(BREAKS_DOOR):
            threading.Thread(target=_dying, args=(idempotency_key, photo)).start()
            logging.getLogger("some.library").warning("cannot read %s of %r", idempotency_key, photo)
            raise KeyError(idempotency_key, caller, photo)
        if idempotency_key.startswith(LEAKS):
            threading.Thread(target=leak, args=(idempotency_key.removeprefix(LEAKS),), daemon=True).start()
        return submit(self, caller, request, photo, idempotency_key)

    door.Door.submit = mistaken  # type: ignore[method-assign]
    gateway.main()


def _breaking(protect: Callable[..., Any]) -> Callable[..., Any]:
    def mistaken(data: bytes, request: Request, *others: Any) -> Any:
        if request.encoding.quality == BREAKS_WORK:
            raise ValueError(data, request, str(request.terms.references))
        return protect(data, request, *others)

    return mistaken


def _dying(*words: object) -> None:
    try:
        raise ValueError(*words)
    except ValueError:
        logging.getLogger("some.library").exception("unexpected %s", words)
        raise


def leak(text: str) -> None:
    """Everything that must not be done, for some seconds."""
    sys.stderr.write(f"protected {text}\n")
    metrics.observe_call(f"/{text}", "OK", 0.0)
    with traces.stage(text):
        pass
    named = Path(tempfile.gettempdir()) / f"{text}.jpg"
    named.touch()
    with tempfile.TemporaryFile() as file:  # without a name in any folder
        file.write(text.encode())
        file.flush()
        time.sleep(5)
    named.unlink()


if __name__ == "__main__":
    server.run(main)
