"""kopf's part: it watches, and says what has changed. What is done about it is the controller's.

Only ``on.event`` is used. Unlike kopf's other handlers it writes neither finalizers nor annotations, so an object can always be
deleted, also while no operator runs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import aiohttp
import kopf

from services.operator.api import ApiError
from services.operator.controller import Controller
from services.operator.pods import GROUP, MANAGER, VERSION

FIRST_PAUSE = 2.0
OWNED = (("apps", "v1", "deployments"), ("batch", "v1", "jobs"), ("batch", "v1", "cronjobs"), ("", "v1", "services"))


def registry(controller: Controller) -> kopf.OperatorRegistry:
    """Kopf's handlers for one controller."""
    handlers = kopf.OperatorRegistry()
    tasks: list[asyncio.Task[None]] = []

    @kopf.on.startup(registry=handlers)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        try:
            await controller.check()
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            raise kopf.TemporaryError(f"The API server is not ready for us: {error}", delay=FIRST_PAUSE) from None
        tasks.append(asyncio.create_task(controller.run()))

    @kopf.on.cleanup(registry=handlers)
    async def stop(**_: Any) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await controller.close()

    @kopf.on.probe(id="working", registry=handlers)
    async def probe(**_: Any) -> bool:
        if any(task.done() for task in tasks):
            raise kopf.PermanentError("the workers have ended")
        return True

    for plural in ("surrogatesets", "campaigns"):
        kopf.on.event(GROUP, VERSION, plural, id="changed", registry=handlers)(_changed(controller))
    for resource in OWNED:
        kopf.on.event(*resource, labels={"app.kubernetes.io/managed-by": MANAGER}, id="owned", registry=handlers)(
            _changed(controller)
        )
    return handlers


class Patience:
    """Seconds before kopf tries a call again. It never gives up: a watch that has is dead, and nothing says so."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((1.0, 1.0, 2.0, 3.0, 5.0), itertools.repeat(10.0))


def configure(settings: kopf.OperatorSettings) -> None:
    settings.posting.enabled = False  # the conditions say it
    settings.scanning.disabled = True  # neither CRDs nor namespaces are ours to watch: the rights are the namespace's
    # A watch that is silently dead is noticed: the server ends it, and if it does not, we do.
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = Patience()


def _changed(controller: Controller) -> Any:
    async def changed(body: kopf.Body, **_: Any) -> None:
        controller.changed(dict(body))

    return changed
