"""Which objects are looked at, and by whom."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.operator import metrics, rollout, runs
from services.operator.api import Api
from services.operator.pods import GROUP
from services.operator.settings import Settings
from services.operator.workers import FIRST_PAUSE, Workers

Key = tuple[str, str]
"""Kind and name."""


class Controller:
    """Looks at the custom resources whose keys ``changed`` names, while ``run`` runs."""

    def __init__(self, settings: Settings, api: Api, served: rollout.Served, first_pause: float = FIRST_PAUSE) -> None:
        self._settings, self._api, self._served = settings, api, served
        self._workers: Workers[Key] = Workers(self._look, first=first_pause)
        metrics.WAITING.set_function(lambda: self._workers.waiting)

    def changed(self, body: Mapping[str, Any]) -> None:
        """A custom resource, or an object that was made for one, has changed."""
        if str(body.get("apiVersion", "")).startswith(f"{GROUP}/"):
            self._workers.add((body["kind"], body["metadata"]["name"]))
            return
        for owner in body["metadata"].get("ownerReferences") or ():
            if owner["apiVersion"].startswith(f"{GROUP}/") and owner["kind"] in ("SurrogateSet", "Campaign"):
                self._workers.add((owner["kind"], owner["name"]))

    async def check(self) -> None:
        """Raises ApiError while the CRDs are not there: watches that begin before would never see an object."""
        for kind in ("SurrogateSet", "Campaign"):
            await self._api.select(kind, {})

    async def run(self) -> None:
        await self._workers.run()

    async def close(self) -> None:
        await self._api.close()

    async def _look(self, key: Key) -> float | None:
        kind, name = key
        begin = time.monotonic()
        outcome = "error"
        try:
            pause = await self._reconcile(kind, name)
            outcome = "ok"
        finally:
            metrics.RECONCILES.labels(kind, outcome).inc()
            metrics.SECONDS.labels(kind).observe(time.monotonic() - begin)
        return pause

    async def _reconcile(self, kind: str, name: str) -> float | None:
        body = await self._api.get(kind, name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return None  # the garbage collector takes what it owned
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {**body, "kind": kind}
        if kind == "SurrogateSet":
            return await rollout.reconcile(self._api, body, self._settings, self._served, now)
        return await runs.reconcile(self._api, body, self._settings, now)
