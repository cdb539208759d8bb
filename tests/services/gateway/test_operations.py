"""google.longrunning.Operations and what goes with it, over gRPC."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.protobuf import duration_pb2

from faceoff.amplify import LocalAmplifier
from faceoff.client import Client, Operation, Request, State
from faceoff.errors import FaceOffError, Reason
from faceoff.jobs import core
from faceoff.pipeline import Rooms
from faceoff.rpc import clients, errors
from faceoff.rpc.connect import Peer, calling, connect
from faceoff.tenants import gate
from faceoff.tenants.principal import Principal
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from faceoff.types import Loss, Plan, Progress
from services.gateway.door import Door
from tests.services.house import ByName, House, house

FAST = Request(Plan(iterations=2))
ENDLESS = Request(Plan(iterations=10_000))


@pytest.fixture
def peer(there: House) -> Iterator[Peer]:
    peer = connect(there.grpc, {"authorization": "Bearer alice"})
    yield peer
    peer.close()


@pytest.fixture
def bob(there: House) -> Iterator[Client]:
    with closing(Client(there.grpc, "bob")) as bob:
        yield bob


def reason(call: Callable[[], object]) -> Reason:
    with pytest.raises(FaceOffError) as caught:
        call()
    return caught.value.reason


def test_a_job_from_submission_to_deletion(client: Client, photo: bytes) -> None:
    job = client.submit(photo, FAST)
    assert job.state in (State.QUEUED, State.RUNNING)
    seen = list(client.watch(job.id))
    assert [seen[-1].state, seen[-1].has_result] == [State.SUCCEEDED, True]
    assert client.get(job.id) == seen[-1]
    result = client.result(job.id)
    assert (len(result.faces), result.verdicts[0].victim) == (2, "fixed")
    assert job.id in [other.id for other in client.list()]
    receipt = client.delete(job.id)
    assert (receipt.id, receipt.keys >= 1, abs(receipt.deleted - time.time()) < 60) == (job.id, True, True)
    assert reason(lambda: client.get(job.id)) is Reason.NOT_FOUND
    assert reason(lambda: client.result(job.id)) is Reason.NOT_FOUND


def test_progress_is_watched_and_a_cancelled_job_stops(client: Client, photo: bytes, attacker: NoiseAttacker) -> None:
    attacker.stopped.clear()
    job = client.submit(photo, ENDLESS)
    for seen in client.watch(job.id):
        if seen.progress and seen.progress.stage == "attack" and seen.progress.done:
            break
    assert reason(lambda: client.result(job.id)) is Reason.NOT_READY
    cancelled = client.cancel(job.id)
    assert (cancelled.state, cancelled.error and cancelled.error.reason) == (State.CANCELLED, Reason.CANCELLED)
    assert attacker.stopped.wait(5)
    assert client.cancel(job.id).state is State.CANCELLED


def test_whoever_watches_outlives_a_door(photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_PAUSE", 0.05)
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with closing(core.in_memory()) as jobs, ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        with house(lambda _: rooms, ByName(), jobs=jobs, workers=0) as there:
            client = stack.enter_context(closing(Client(there.grpc, "alice")))
            watch = client.watch(client.submit(photo, FAST).id)
            assert next(watch).state is State.QUEUED
            following = pool.submit(list, watch)
        with house(lambda _: rooms, ByName(), jobs=jobs, listen=there.grpc):
            assert following.result(60)[-1].state is State.SUCCEEDED


def test_whoever_watches_does_not_wait_for_ever(photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_PATIENCE", 0.5)
    monkeypatch.setattr(clients, "_PAUSE", 0.05)
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with ExitStack() as stack:
        with house(lambda _: rooms, ByName(), workers=0) as there:
            client = stack.enter_context(closing(Client(there.grpc, "alice")))
            job = client.submit(photo, FAST).id
            watch = client.watch(job)
            next(watch)
        assert reason(lambda: next(watch)) is Reason.SERVICE_UNAVAILABLE
        monkeypatch.setattr(clients, "_PATIENCE", 60.0)
        assert reason(lambda: client.wait(job)) is Reason.SERVICE_UNAVAILABLE, "nobody has answered this one"


def test_what_the_channel_sends_again_is_one_job(
    there: House, client: Client, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, accepted = Door.submit, []

    def lose_the_answer(self: Door, caller: Principal, *what: Any) -> Operation:
        accepted.append(accept(self, caller, *what).id)
        if len(accepted) == 1:
            raise FaceOffError(Reason.SERVICE_UNAVAILABLE, "The connection broke.")
        return there.jobs.get(caller.tenant, accepted[-1])

    monkeypatch.setattr(Door, "submit", lose_the_answer)
    monkeypatch.setattr(errors, "to_status", partial(errors.to_status, retry=True))  # as where a connection breaks
    job = client.submit(photo, FAST)
    assert accepted == [job.id, job.id]


def test_a_failed_job_says_why(client: Client, photo: bytes) -> None:
    job = client.wait(client.submit(photo, Request(Plan(iterations=2), faces=(7,))).id)
    assert (job.state, job.error and job.error.message) == (State.FAILED, "There is no face 7.")
    assert reason(lambda: client.result(job.id)) is Reason.INVALID_ARGUMENT


def test_strangers_see_nothing(client: Client, bob: Client, photo: bytes) -> None:
    job = client.submit(photo, FAST)
    for call in (bob.get, bob.cancel, bob.delete, bob.result, bob.wait):
        assert reason(lambda call=call: call(job.id)) is Reason.NOT_FOUND  # type: ignore[misc]
    assert job.id not in [other.id for other in bob.list()]


def test_who_calls(there: House, photo: bytes) -> None:
    for key, expected in (
        ("", Reason.UNAUTHENTICATED),
        ("1", Reason.UNAUTHENTICATED),
        ("nobody", Reason.PERMISSION_DENIED),
    ):
        with closing(Client(there.grpc, key)) as client:
            calls = (
                lambda client=client: client.submit(photo, FAST),
                lambda client=client: client.protect(photo, FAST, lambda _: None),
                lambda client=client: client.get("x"),
                lambda client=client: list(client.list()),
                lambda client=client: client.wait("x"),
                lambda client=client: client.delete("x"),
            )
            assert {reason(call) for call in calls} == {expected}


def test_pages_waiting_and_names(there: House, photo: bytes) -> None:
    peer = connect(there.grpc, {"authorization": "Bearer pages"})
    stub = OperationsStub(peer.channel)
    with closing(Client(there.grpc, "pages")) as client, calling(peer):
        ids = [client.submit(photo, FAST).id for _ in range(3)][::-1]
        page = stub.ListOperations(operations_pb2.ListOperationsRequest(name="operations", page_size=2))
        assert [operation.name for operation in page.operations] == [f"operations/{job}" for job in ids[:2]]
        rest = stub.ListOperations(operations_pb2.ListOperationsRequest(page_size=2, page_token=page.next_page_token))
        assert ([operation.name for operation in rest.operations], rest.next_page_token) == (
            [f"operations/{ids[2]}"],
            "",
        )
        assert [job.id for job in client.list()] == ids
        client.delete(ids[1])
        rest = stub.ListOperations(operations_pb2.ListOperationsRequest(page_size=1, page_token=page.next_page_token))
        assert [operation.name for operation in rest.operations] == [f"operations/{ids[2]}"]
        for token in (ids[2], page.next_page_token[1:], "x" * 48, page.next_page_token + "0"):
            assert reason(lambda token=token: _page(peer, token)) is Reason.INVALID_ARGUMENT  # type: ignore[misc]
        wait = operations_pb2.WaitOperationRequest(
            name=f"operations/{ids[0]}", timeout=duration_pb2.Duration(seconds=20)
        )
        assert stub.WaitOperation(wait, timeout=30).done
        endless = client.submit(photo, ENDLESS).id
        wait = operations_pb2.WaitOperationRequest(
            name=f"operations/{endless}", timeout=duration_pb2.Duration(seconds=0)
        )
        assert not stub.WaitOperation(wait, timeout=30).done
        stub.DeleteOperation(operations_pb2.DeleteOperationRequest(name=f"operations/{endless}"))
        assert reason(lambda: client.get(endless)) is Reason.NOT_FOUND
        for name in ("", "operations/", "x", "operations/../x", "operations/" + "x" * 1000):
            assert reason(lambda name=name: _get(peer, name)) is Reason.NOT_FOUND  # type: ignore[misc]
    peer.close()


def _get(peer: Peer, name: str) -> object:
    with calling(peer):
        return OperationsStub(peer.channel).GetOperation(operations_pb2.GetOperationRequest(name=name), timeout=10)


def _page(peer: Peer, token: str) -> object:
    with calling(peer):
        return OperationsStub(peer.channel).ListOperations(operations_pb2.ListOperationsRequest(page_token=token))


def test_surrogates_that_nobody_knows_cost_nothing(tmp_path: Path, photo: bytes) -> None:
    """The quota has room for one photo, which costs .1536. An attacker that is away refuses nobody."""
    (tmp_path / "tenants.yaml").write_text("defaults: {quota: 0.2}\n")
    attacker = Mock(wraps=NoiseAttacker())
    rooms = Rooms(BoxDetector(1), attacker, LocalAmplifier(), FixedVerifier())
    named = replace(FAST, plan=replace(FAST.plan, surrogates=("nobody",)))
    with (
        house(lambda _: rooms, ByName(), gate.Settings(tenants=tmp_path / "tenants.yaml")) as there,
        closing(Client(there.grpc, "alice")) as client,
    ):
        attacker.check.side_effect = FaceOffError(Reason.UNKNOWN_NETWORK, "There is no network nobody.")
        for ask in (lambda: client.submit(photo, named), lambda: client.protect(photo, named, lambda _: None)):
            assert reason(ask) is Reason.UNKNOWN_NETWORK
        assert not list(client.list())
        attacker.check.side_effect = [FaceOffError(Reason.SERVICE_UNAVAILABLE, "Nobody is there."), None]
        assert client.wait(client.submit(photo, named).id).state is State.SUCCEEDED
        attacker.check.reset_mock()
        assert reason(lambda: client.submit(photo, FAST)) is Reason.QUOTA_EXCEEDED
        attacker.check.assert_not_called()


def test_quotas_are_reserved_and_given_back(tmp_path: Path, photo: bytes) -> None:
    """A photo of .0768 megapixels with 2 iterations costs .1536; the quota has room for one."""
    file = tmp_path / "tenants.yaml"
    file.write_text("defaults: {quota: 0.2}\n")
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with (
        house(lambda _: rooms, ByName(), gate.Settings(tenants=file)) as there,
        closing(Client(there.grpc, "alice")) as client,
    ):
        failed = client.wait(client.submit(photo, Request(FAST.plan, faces=(9,))).id)
        assert failed.state is State.FAILED
        client.wait(client.submit(photo, FAST, "key").id)
        assert reason(lambda: client.submit(photo, FAST)) is Reason.QUOTA_EXCEEDED
        assert reason(lambda: client.protect(photo, FAST, lambda _: None)) is Reason.QUOTA_EXCEEDED
        assert reason(lambda: client.submit(photo, ENDLESS)) is Reason.QUOTA_EXCEEDED


def test_a_cancelled_job_is_not_paid(tmp_path: Path, photo: bytes) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text("defaults: {quota: 1000}\n")
    rooms = Rooms(BoxDetector(1), NoiseAttacker(0.01), LocalAmplifier(), FixedVerifier())
    with (
        house(lambda _: rooms, ByName(), gate.Settings(tenants=file), workers=1) as there,
        closing(Client(there.grpc, "alice")) as client,
    ):
        for _ in range(3):  # each is most of the quota; the first runs, and none waits for another
            job = client.submit(photo, ENDLESS)
            client.cancel(job.id)

        def stop(progress: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            client.protect(photo, ENDLESS, stop)
        time.sleep(0.5)
        client.delete(client.submit(photo, ENDLESS).id)


def test_targets_need_consent(client: Client, photo: bytes) -> None:
    assert reason(lambda: client.submit(photo, Request(Plan(loss=Loss.TARGET)))) is Reason.TARGET_NOT_ALLOWED
