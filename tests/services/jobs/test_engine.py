"""What both engines promise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import lease as lease_module
from faceoff.jobs.core import Engine
from faceoff.jobs.engine import End, Lease, Limits, State
from faceoff.types import Priority, Progress
from tests.services.jobs.conftest import Open

LIMITS = Limits(lease=1.0)
PHOTO = bytes(range(256)) * 4096  # 1 MiB: more than one chunk


@pytest.fixture
def engine(open_engine: Open) -> Engine:
    return open_engine(LIMITS)


def submit(engine: Engine, tenant: str = "ann", priority: Priority = Priority.INTERACTIVE, photo: bytes = b"p") -> str:
    return engine.submit(tenant, priority, b"request", [photo]).id


def taken(engine: Engine, wait: float = 5.0) -> Lease:
    lease = engine.take(wait)
    assert lease
    return lease


def refused(engine: Engine, tenant: str, job: str) -> Reason:
    with pytest.raises(FaceOffError) as caught:
        engine.get(tenant, job)
    return caught.value.reason


def test_a_job_from_beginning_to_end(engine: Engine) -> None:
    job = engine.submit("ann", Priority.BULK, b"how", [PHOTO, b"another"])
    assert (job.state, job.priority, job.attempts, job.has_result) == (State.QUEUED, Priority.BULK, 0, False)
    lease = taken(engine)
    assert (lease.request, lease.parts) == (b"how", [PHOTO, b"another"])
    lease.report(Progress("attack", 3, 40))
    running = engine.get("ann", job.id)
    assert (running.state, running.progress, running.attempts) == (State.RUNNING, Progress("attack", 3, 40), 1)
    with pytest.raises(FaceOffError) as caught:
        engine.result("ann", job.id)
    assert caught.value.reason is Reason.NOT_READY
    lease.succeed(b"all about it", PHOTO[::-1])
    done = engine.get("ann", job.id)
    assert (done.state, done.detail, done.has_result) == (State.SUCCEEDED, b"all about it", True)
    assert done.expires == pytest.approx(time.time() + LIMITS.ttl, abs=5)
    assert engine.result("ann", job.id) == PHOTO[::-1]
    assert engine.take(0.1) is None


def test_a_detail_may_be_as_long_as_a_photo(engine: Engine) -> None:
    detail = PHOTO * 3
    job = submit(engine)
    taken(engine).succeed(detail, PHOTO)
    assert engine.get("ann", job).detail == detail
    assert engine.result("ann", job) == PHOTO
    assert engine._store.blobs.census()[0] == 1
    receipt = engine.delete("ann", job)
    assert (receipt.photos, receipt.keys) == (1, 1)
    assert not [*engine._store.blobs.names(), *engine._store.secrets.names()]


def test_deletion_leaves_nothing(engine: Engine) -> None:
    job = submit(engine)
    taken(engine).succeed(b"", b"result")
    receipt = engine.delete("ann", job)
    assert (receipt.id, receipt.photos, receipt.keys) == (job, 1, 1)
    assert receipt.deleted == pytest.approx(time.time(), abs=5)
    assert refused(engine, "ann", job) is Reason.NOT_FOUND
    assert engine.list("ann") == []
    store = engine._store
    assert not [*store.blobs.names(), *store.secrets.names(), *store.repeats.names()]


def test_a_receipt_counts_the_photo_that_waited(engine: Engine) -> None:
    states = []
    for begun in (False, True):
        job = submit(engine)
        if begun:
            taken(engine)
        receipt = engine.delete("ann", job, lambda job=job: states.append(engine.get("ann", job).state))  # type: ignore[misc]
        assert (receipt.photos, receipt.keys) == (1, 1)
        assert refused(engine, "ann", job) is Reason.NOT_FOUND
    assert states == [State.CANCELLED] * 2, "whoever is told sees how it ended"


def test_what_is_anothers_is_not_there(engine: Engine) -> None:
    job = submit(engine)
    for tenant in ("bob", "an", "ann.", "*", ">"):
        assert refused(engine, tenant, job) is Reason.NOT_FOUND
        for call in (engine.cancel, engine.delete, engine.result):
            with pytest.raises(FaceOffError) as caught:
                call(tenant, job)
            assert caught.value.reason is Reason.NOT_FOUND
        assert not engine.list(tenant)
    for name in ("", "*", ">", "../x", "a.b", "ü", "x" * 500):
        assert refused(engine, "ann", name) is Reason.NOT_FOUND


def test_idempotency(engine: Engine) -> None:
    def again(body: bytes, key: str = "key", tenant: str = "ann") -> str:
        return engine.submit(tenant, Priority.BULK, body, [b"p"], key).id

    job = again(b"one")
    assert again(b"one") == job
    with pytest.raises(FaceOffError) as caught:
        again(b"two")
    assert caught.value.reason is Reason.IDEMPOTENCY_CONFLICT
    assert len({again(b"one", tenant="bob"), again(b"one", "other"), job}) == 3
    lease = taken(engine)
    while lease.operation.id != job:
        lease = taken(engine)
    lease.succeed(b"", b"result")
    assert engine.submit("ann", Priority.BULK, b"one", [b"p"], "key").state is State.SUCCEEDED
    engine.delete("ann", job)
    assert again(b"one") != job, "what is deleted is not remembered"


def test_idempotency_at_the_same_time(engine: Engine) -> None:
    ids: list[str] = []

    def again() -> None:
        ids.append(engine.submit("ann", Priority.BULK, b"one", [b"p"], "key").id)

    threads = [threading.Thread(target=again) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert len(engine.list("ann")) == 1
    taken(engine).succeed(b"", b"")
    assert engine.take(0.2) is None, "one job, whatever the number of messages"


def test_repeats_of_a_job_that_waits_do_not_pile_up(engine: Engine) -> None:
    for _ in range(5):
        engine.submit("ann", Priority.BULK, b"how", [b"p"], "key")
    queue = engine._store.queue
    assert queue.pull(5)
    assert queue.pull(0.2) is None


def test_lists_are_pages_newest_first(engine: Engine) -> None:
    jobs = [submit(engine) for _ in range(5)][::-1]
    first = engine.list("ann", 3)
    assert [job.id for job in first] == jobs[:3]
    assert [job.id for job in engine.list("ann", 3, first[-1].position)] == jobs[3:]
    submit(engine)
    engine.delete("ann", jobs[2])
    assert [job.id for job in engine.list("ann", 1, first[-1].position)] == jobs[3:4], "behind a job that is gone"


def test_watching(engine: Engine) -> None:
    job = submit(engine)
    seen: list[State] = []

    def watch() -> None:
        seen.extend(operation.state for operation in engine.watch("ann", job))

    watcher = threading.Thread(target=watch)
    watcher.start()
    lease = taken(engine)
    for done in range(3):
        lease.report(Progress("attack", done, 3))
        time.sleep(0.3)
    lease.succeed(b"", b"")
    watcher.join(5)
    assert not watcher.is_alive()
    assert seen[-1] is State.SUCCEEDED
    assert [state for state in State if state in seen] in (
        [State.QUEUED, State.RUNNING, State.SUCCEEDED],
        [State.RUNNING, State.SUCCEEDED],
    )


def test_a_watcher_gets_a_word_in(engine: Engine) -> None:
    began = time.monotonic()
    operations = engine.watch("ann", submit(engine), wait=0.2)
    assert [next(operations).state for _ in range(3)] == [State.QUEUED] * 3
    assert 0.3 < time.monotonic() - began < 2.0


def test_cancelling_what_waits(engine: Engine) -> None:
    job = submit(engine)
    assert engine.cancel("ann", job).state is State.CANCELLED
    assert engine.take(0.2) is None
    assert not [*engine._store.blobs.names(), *engine._store.secrets.names()]
    with pytest.raises(FaceOffError) as caught:
        engine.result("ann", job)
    assert caught.value.reason is Reason.CANCELLED
    assert engine.cancel("ann", job).state is State.CANCELLED


def test_cancelling_what_runs(engine: Engine) -> None:
    job = submit(engine)
    lease = taken(engine)
    lease.report(Progress("attack", 0, 40))
    engine.cancel("ann", job)
    with pytest.raises(FaceOffError) as caught:
        lease.report(Progress("attack", 40, 40))
    assert caught.value.reason is Reason.CANCELLED
    assert lease.over
    with pytest.raises(FaceOffError):
        lease.succeed(b"", b"result")
    lease.fail(FaceOffError(Reason.INTERNAL, "Late."), retriable=True)
    lease.release()
    assert engine.get("ann", job).state is State.CANCELLED
    assert not [*engine._store.blobs.names(), *engine._store.secrets.names()]
    assert engine.take(2 * LIMITS.lease) is None


def test_deleting_what_runs(engine: Engine) -> None:
    job = submit(engine)
    lease = taken(engine)
    engine.delete("ann", job)
    with pytest.raises(FaceOffError):
        lease.succeed(b"", b"result")
    assert refused(engine, "ann", job) is Reason.NOT_FOUND
    assert not [*engine._store.blobs.names(), *engine._store.secrets.names()]


def test_a_worker_hears_of_a_cancellation_without_asking(engine: Engine) -> None:
    job = submit(engine)
    lease = taken(engine)
    engine.cancel("ann", job)
    deadline = time.monotonic() + 2 * LIMITS.lease
    while not lease.over:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_key_that_two_destroy_at_once(engine: Engine) -> None:
    table = engine._store.secrets
    with ThreadPoolExecutor(2) as pool:
        for number in range(50):
            name = f"key{number}"
            table.create(name, b"k")
            both = threading.Barrier(2)

            def erase(name: str = name, both: threading.Barrier = both) -> bool:
                both.wait()
                return table.erase(name)

            assert sorted(one.result() for one in [pool.submit(erase) for _ in range(2)]) == [False, True]


def test_a_failure_for_good(engine: Engine) -> None:
    job = submit(engine)
    taken(engine).fail(FaceOffError(Reason.NO_FACE_DETECTED, "No face.", "Another photo."), retriable=False)
    failed = engine.get("ann", job)
    assert failed.state is State.FAILED
    assert failed.error
    assert (failed.error.reason, failed.error.message, failed.error.hint) == (
        Reason.NO_FACE_DETECTED,
        "No face.",
        "Another photo.",
    )
    with pytest.raises(FaceOffError) as caught:
        engine.result("ann", job)
    assert caught.value.reason is Reason.NO_FACE_DETECTED
    assert not [*engine._store.blobs.names(), *engine._store.secrets.names()]


def test_a_poison_photo_fails_after_three_tries(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "_PAUSE", 0.1)
    job = submit(engine)
    for attempt in (1, 2, 3):
        lease = taken(engine)
        assert lease.operation.attempts == attempt
        lease.fail(FaceOffError(Reason.INTERNAL, "A mistake."), retriable=True)
    failed = engine.get("ann", job)
    assert failed.state is State.FAILED
    assert failed.error
    assert failed.error.reason is Reason.INTERNAL
    assert engine.take(0.5) is None


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that do not keep their leases, as if they were stopped."""
    monkeypatch.setattr(lease_module.Held, "beat", lambda _: None)


@pytest.mark.usefixtures("silent")
def test_a_photo_that_kills_its_workers_fails_after_three_tries(engine: Engine) -> None:
    job = submit(engine)
    leases = [taken(engine) for _ in range(3)]
    assert [lease.operation.attempts for lease in leases] == [1, 2, 3]
    assert engine.take(3 * LIMITS.lease) is None
    failed = engine.get("ann", job)
    assert failed.state is State.FAILED
    assert failed.error
    assert failed.error.reason is Reason.TOO_MANY_TRIES
    with pytest.raises(FaceOffError):
        leases[-1].succeed(b"", b"late")
    assert engine.get("ann", job) == failed


@pytest.mark.usefixtures("silent")
def test_a_worker_that_lost_its_lease_cannot_overwrite_the_new_owner(engine: Engine) -> None:
    job = submit(engine)
    old, new = taken(engine), taken(engine)
    with pytest.raises(FaceOffError) as caught:
        old.report(Progress("attack", 1, 1))
    assert caught.value.reason is Reason.CANCELLED
    with pytest.raises(FaceOffError) as caught:
        old.succeed(b"", b"old")
    assert caught.value.reason is Reason.CANCELLED
    assert old.over
    old.fail(FaceOffError(Reason.INTERNAL, "Late."), retriable=False)
    old.release()
    assert engine.get("ann", job).state is State.RUNNING
    new.succeed(b"", b"new")
    with pytest.raises(FaceOffError):
        old.succeed(b"", b"old")
    assert engine.result("ann", job) == b"new"
    assert len(list(engine._store.secrets.names())) == 1


def test_a_kept_lease_is_not_given_away(engine: Engine) -> None:
    job = submit(engine)
    lease = taken(engine)
    assert engine.take(2.5 * LIMITS.lease) is None
    lease.succeed(b"", b"result")
    assert engine.get("ann", job).attempts == 1


def test_what_is_handed_back_was_not_tried(engine: Engine) -> None:
    job = submit(engine)
    for _ in range(4):
        lease = taken(engine)
        assert lease.operation.attempts == 1
        lease.release()
        lease.release()
    taken(engine).succeed(b"", b"result")
    assert engine.get("ann", job).state is State.SUCCEEDED


def test_what_is_postponed_waits_longer_every_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "_LONGEST_PAUSE", 0.4)
    monkeypatch.setattr(lease_module, "_PAUSE", 0.1)
    job = submit(engine)
    lease = taken(engine)
    for pause in (0.1, 0.2, 0.4, 0.4, 0.4):
        assert lease.operation.attempts == 1
        began = time.monotonic()
        lease.postpone()
        lease.postpone()
        assert engine.get("ann", job).state is State.QUEUED
        until(lambda: oldest(engine) > 0)
        lease = taken(engine)
        assert time.monotonic() - began >= pause
    lease.succeed(b"", b"result")
    assert [end.operation.state for end in heard(engine, 1)] == [State.SUCCEEDED]


def test_what_is_postponed_can_be_cancelled(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "_PAUSE", 0.1)
    job = submit(engine)
    taken(engine).postpone()
    assert engine.cancel("ann", job).state is State.CANCELLED
    assert not [*engine._store.blobs.names(), *engine._store.secrets.names()]
    assert engine.take(1.0) is None
    assert [end.operation.state for end in heard(engine, 1)] == [State.CANCELLED]


def test_what_is_postponed_ends_when_its_time_is_over(open_engine: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Swept while it waits, or found when it comes again: it expires once."""
    monkeypatch.setattr(lease_module, "_PAUSE", 1.0)
    engine = open_engine(replace(LIMITS, ttl=1.0))
    swept = submit(engine)
    taken(engine).postpone()
    time.sleep(max(0.0, engine.get("ann", swept).expires - time.time()))
    assert engine.sweep() == 1
    found = submit(engine)
    lease = taken(engine)
    assert lease.operation.id == found
    lease.postpone()
    assert engine.take(2.0) is None
    ends = heard(engine, 2)
    assert {end.operation.id for end in ends} == {swept, found}
    assert {end.operation.error.reason for end in ends if end.operation.error} == {Reason.EXPIRED}
    assert engine.ends() == []


def test_priorities_share_by_weight(engine: Engine) -> None:
    for priority in reversed(Priority):
        for _ in range(30):
            submit(engine, priority=priority)
    first = []
    for _ in range(42):
        lease = taken(engine)
        first.append(lease.operation.priority)
        lease.succeed(b"", b"")
    counts = [first.count(priority) for priority in Priority]
    assert counts[0] >= 30
    assert counts[1] >= 7
    assert counts[2] >= 1


def test_tenants_take_turns(engine: Engine) -> None:
    for _ in range(50):
        submit(engine, "hog")
    taken(engine).succeed(b"", b"")
    others = {submit(engine, tenant): tenant for tenant in ("ann", "bob", "cem")}
    next_ones = []
    for _ in range(4):
        lease = taken(engine)
        next_ones.append(lease.operation.tenant)
        lease.succeed(b"", b"")
    assert {*others.values()} <= set(next_ones)


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        (replace(LIMITS, tenant_jobs=3), 3),
        (replace(LIMITS, jobs=3), 3),
        (replace(LIMITS, tenant_bytes=3500), 3),
        (replace(LIMITS, bytes=3500), 3),
    ],
)
def test_more_than_fits_is_refused_at_once(open_engine: Open, limits: Limits, fits: int) -> None:
    engine = open_engine(limits)
    for _ in range(fits):
        submit(engine, photo=bytes(1000))
    with pytest.raises(FaceOffError) as caught:
        submit(engine, photo=bytes(1000))
    assert caught.value.reason is Reason.OVERLOADED
    assert caught.value.retry_after
    assert 1 <= caught.value.retry_after <= 60
    assert len(list(engine._store.blobs.names())) == fits, "nothing of what is refused is stored"
    taken(engine).succeed(b"", b"")
    submit(engine, photo=bytes(1000))


def test_others_have_room_beside_a_hog(open_engine: Open) -> None:
    engine = open_engine(replace(LIMITS, tenant_jobs=2))
    for _ in range(2):
        submit(engine, "hog")
    submit(engine, "ann")


def test_nothing_outlives_its_time(open_engine: Open) -> None:
    engine = open_engine(replace(LIMITS, ttl=1.0))
    waiting, done = submit(engine), submit(engine, "bob")
    lease = taken(engine)
    if lease.operation.tenant == "ann":
        lease.release()
        lease = taken(engine)
    running = lease.operation
    assert running.tenant == "bob"
    lease.succeed(b"", b"result")
    time.sleep(1.1)
    assert engine.sweep() == 2
    assert refused(engine, "bob", done) is Reason.NOT_FOUND
    expired = engine.get("ann", waiting)
    assert expired.state is State.FAILED
    assert expired.error
    assert expired.error.reason is Reason.EXPIRED
    assert not [*engine._store.blobs.names(), *engine._store.secrets.names()]
    time.sleep(1.1)
    assert engine.sweep() == 1
    assert refused(engine, "ann", waiting) is Reason.NOT_FOUND


def test_ends_are_heard_of_once(engine: Engine) -> None:
    done = engine.submit("ann", Priority.BULK, b"", [b"p"], account="bill").id
    taken(engine).succeed(b"", b"result")
    (first,) = heard(engine, 1)
    assert (first.operation.id, first.operation.account, first.due) == (done, "bill", 0.0)
    assert engine.end("ann", done) == first
    cancelled, waiting = submit(engine), submit(engine)
    engine.cancel("ann", cancelled)
    assert [end.operation.id for end in heard(engine, 1)] == [cancelled]
    assert engine.end("ann", waiting) is None
    time.sleep(0.2)
    assert engine.ends() == []


def test_one_sees_to_it_that_an_end_is_told(engine: Engine) -> None:
    job = submit(engine)
    engine.cancel("ann", job)
    (end,) = heard(engine, 1)
    ours = engine.put_off(end, time.time() + 0.5)
    assert ours
    assert engine.put_off(end, time.time() + 60) is None, "another was quicker"
    until(lambda: not engine.overdue())
    until(lambda: [late.operation.id for late in engine.overdue()] == [job])
    (late,) = engine.overdue()
    assert late == ours
    assert engine.put_off(late, None)
    assert engine.put_off(ours, time.time()) is None
    until(lambda: not engine.overdue())
    engine.delete("ann", job)
    assert engine.put_off(replace(late, due=None), 0.0) is None


def heard(engine: Engine, count: int) -> list[End]:
    ends: list[End] = []
    end = time.monotonic() + 20
    while len(ends) < count:
        assert time.monotonic() < end
        ends += engine.ends()
        time.sleep(0.02)
    return ends


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_belongs_to_no_job_is_swept(open_engine: Open) -> None:
    engine = open_engine(replace(LIMITS, ttl=1.0))
    job = submit(engine)
    for name in ("YW5u.nobody.input", f"YW5u.{job}.result1"):
        engine._store.secrets.create(name, bytes(32))
        engine._store.blobs.put(name, b"sealed")
    time.sleep(1.1)
    with_job = engine.submit("ann", Priority.BULK, b"", [b"young"]).id
    engine.sweep()
    assert {name.split(".")[1] for name in engine._store.blobs.names()} == {with_job}
    assert {name.split(".")[1] for name in engine._store.secrets.names()} == {with_job}


def gauges(engine: Engine) -> dict[str, float]:
    return {sample.name: sample.value for metric in engine.collector().collect() for sample in metric.samples}


def oldest(engine: Engine) -> float:
    return gauges(engine)["faceoff_queue_oldest_age_seconds"]


def test_the_figures(engine: Engine) -> None:
    ttl = gauges(engine).pop("faceoff_job_ttl_seconds")
    assert (ttl, {value for name, value in gauges(engine).items() if "ttl" not in name}) == (LIMITS.ttl, {0.0})
    submit(engine)
    time.sleep(0.1)
    figures = gauges(engine)
    assert figures["faceoff_blobs_live"] == 1
    assert 0.05 < figures["faceoff_queue_oldest_age_seconds"] < 5
    assert 0.05 < figures["faceoff_blobs_oldest_age_seconds"] < 5
    taken(engine).succeed(b"", b"")
    assert oldest(engine) == 0.0
