"""Faces of different requests share calls, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from faceoff.attacks.batching import Batcher, Job
from faceoff.attacks.task import Call, Steps
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Array, Priority


class Doubling:
    """Networks whose one signature doubles what it is given. Keeps what every call was given, and how long it may take;
    ``pause`` lets others arrive."""

    def __init__(self, pause: float = 0.0) -> None:
        self.calls: list[tuple[str, list[float]]] = []
        self.timeouts: list[float] = []
        self.pause = pause
        self.broken: Callable[[Array], None] = lambda values: None

    def call(
        self,
        model: str,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> dict[str, Array]:
        self.calls.append((model, inputs["x"].ravel().tolist()))
        self.timeouts.append(timeout)
        time.sleep(self.pause)
        self.broken(inputs["x"])
        return {"y": 2 * inputs["x"]}

    def version(self, model: str) -> str:
        return "1"


def doubled(value: float, times: int, size: int = 1) -> Steps[float]:
    x = np.full(size, value, np.float32)
    for _ in range(times):
        answer = yield Call("double", {"x": x}, ("y",), 1)
        x = answer["y"]
    return float(x[0])


def job(value: float, times: int = 3, model: str = "m", size: int = 1) -> Job[float]:
    return Job(model, doubled(value, times, size), times)


def test_faces_share_calls_up_to_the_largest_batch_and_leave_when_done() -> None:
    networks = Doubling()
    results = Batcher(networks, (1, 2, 4)).run([job(1, 1), job(2, 3), job(3, 3), job(4, 3), job(5, 3)])
    assert results == [2, 16, 24, 32, 40]
    assert [len(values) for _, values in networks.calls] == [4, 4, 4, 1]


def test_a_batch_has_an_allowed_size() -> None:
    networks = Doubling()
    Batcher(networks, (1, 4)).run([job(value, 1) for value in range(6)])
    assert [len(values) for _, values in networks.calls] == [4, 1, 1]


def test_only_what_fits_together_shares_a_call() -> None:
    networks = Doubling()
    Batcher(networks, (1, 2, 4)).run([job(1), job(2, model="n"), job(3, size=2)])
    assert [len(values) for _, values in networks.calls] == [1, 1, 2] * 3


def test_progress_is_of_this_request_and_counts_a_finished_face_as_whole() -> None:
    seen: list[int] = []
    short = Job("m", doubled(1, 1), 10)  # could have made ten steps and needed one
    Batcher(Doubling(), (1, 2)).run([short, job(2, 3)], seen.append)
    assert seen[0] == 0
    assert seen[-1] == 13
    assert seen == sorted(seen)


def test_requests_of_several_threads_share_calls() -> None:
    networks = Doubling(pause=0.02)
    batcher = Batcher(networks, (1, 2, 3, 4))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda value: batcher.run([job(value, 20)])[0], range(4)))
    assert results == [value * 2**20 for value in range(4)]
    assert len(networks.calls) < 60
    assert max(len(values) for _, values in networks.calls) == 4


def test_the_more_urgent_go_first() -> None:
    networks = Doubling(pause=0.01)
    batcher = Batcher(networks, (1,))
    order: list[str] = []
    begun = threading.Event()

    def bulk() -> None:
        def report(steps: int) -> None:
            if steps >= 2:
                begun.set()

        batcher.run([job(1, 30)], report, Priority.BULK)
        order.append("bulk")

    thread = threading.Thread(target=bulk)
    thread.start()
    assert begun.wait(10)
    at = len(networks.calls)
    batcher.run([job(1000, 5)], priority=Priority.INTERACTIVE)
    order.append("interactive")
    thread.join(10)
    assert order == ["interactive", "bulk"]
    between = [values[0] for _, values in networks.calls[at : at + 7]]
    assert sum(value >= 1000 for value in between) >= 5, "at most the calls under way when it came go before it"


def test_a_cancelled_request_is_gone_within_a_call_and_harms_nobody() -> None:
    networks = Doubling(pause=0.01)
    batcher = Batcher(networks, (1, 2))

    def stop(steps: int) -> None:
        if steps >= 3:
            raise FaceOffError(Reason.CANCELLED, "enough")

    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(batcher.run, [job(1, 20)])
        with pytest.raises(FaceOffError) as error:
            batcher.run([job(1e6, 1000)], stop)
        assert error.value.reason is Reason.CANCELLED
        assert other.result(10) == [2.0**20]
    cancelled = sum(any(value >= 1e6 for value in values) for _, values in networks.calls)
    assert cancelled <= 5


def test_a_request_waits_and_a_call_lasts_no_longer_than_somebody_has_time() -> None:
    networks, calling, gate, waiting = Doubling(), threading.Event(), threading.Event(), threading.Event()

    def gated(values: Array) -> None:
        calling.set()
        assert gate.wait(30)

    networks.broken = gated
    batcher = Batcher(networks, (1, 2))
    with ThreadPoolExecutor(2) as pool:
        endless = pool.submit(batcher.run, [job(1, 3)])
        assert calling.wait(10)
        with pytest.raises(FaceOffError) as error:
            batcher.run([job(2)], end=time.monotonic() + 0.05)
        assert error.value.reason is Reason.DEADLINE_TOO_SHORT
        bounded = pool.submit(lambda: batcher.run([job(2, 4)], lambda steps: waiting.set(), end=time.monotonic() + 40))
        assert waiting.wait(10)
        gate.set()
        assert [*endless.result(10), *bounded.result(10)] == [8, 32]
    assert [values for _, values in networks.calls] == [[1], [2, 2], [4, 4], [8], [16]]
    assert networks.timeouts[:3] == [60] * 3
    assert all(0 < timeout < 40 for timeout in networks.timeouts[3:])


def test_a_face_that_cannot_be_computed_fails_alone() -> None:
    networks = Doubling()

    def broken(values: Array) -> None:
        if (values == 7).any():
            raise FaceOffError(Reason.INVALID_ARGUMENT, "seven is not a face")

    networks.broken = broken
    batcher = Batcher(networks, (1, 2, 3, 4))
    barrier = threading.Barrier(2)

    def run(value: float) -> list[float]:
        barrier.wait()
        return batcher.run([job(value, 4), job(value + 1, 4)])

    with ThreadPoolExecutor(2) as pool:
        good, bad = pool.submit(run, 1), pool.submit(run, 6)
        assert good.result(10) == [16, 32]
        with pytest.raises(FaceOffError, match="seven"):
            bad.result(10)


def test_networks_that_are_away_are_not_asked_for_each_face() -> None:
    networks = Doubling()

    def broken(values: Array) -> None:
        raise FaceOffError(Reason.SURROGATE_UNAVAILABLE, "nobody is there")

    networks.broken = broken
    with pytest.raises(FaceOffError, match="nobody"):
        Batcher(networks, (1, 2, 4)).run([job(value) for value in range(4)])
    assert len(networks.calls) == 1


def test_work_that_raises_ends_its_own_request() -> None:
    def bad() -> Steps[float]:
        yield Call("double", {"x": np.ones(1, np.float32)}, ("y",), 1)
        raise ValueError("a mistake in an attack")

    batcher = Batcher(Doubling(), (1, 2))
    with pytest.raises(ValueError, match="mistake"):
        batcher.run([Job("m", bad(), 1), job(1)])
    assert batcher.run([job(1)]) == [8], "the batcher goes on"
