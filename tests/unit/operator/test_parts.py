"""The small parts: settings, status, workers, and the question to a model server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from concurrent import futures
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus

from services.operator import model_status, settings, status
from services.operator.workers import Workers

REQUIRED = ["--namespace", "lab", "--image", "faceoff:1", "--serving-image", "serving:1", "--store", "models"]


def test_settings_from_the_command_line_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEOFF_JOB_LABELS", "kueue.x-k8s.io/queue-name=gpus,team=a")
    asked = {"requests": {"cpu": "4"}, "limits": {"memory": "8Gi"}}
    monkeypatch.setenv("FACEOFF_CAMPAIGN_RESOURCES", json.dumps(asked))
    told = ["--autoscaler", "keda", "--prometheus", "http://p", "--pull-secrets", "a,b", '--serving-flags=["--x=1,2"]']
    found = settings.parse([*REQUIRED, *told])
    assert found.queued
    assert found.job_labels["team"] == "a"
    assert found.campaign_resources == asked
    assert (found.pull_secrets, found.serving_flags) == (("a", "b"), ("--x=1,2",))
    assert settings.parse(REQUIRED).serving_resources["limits"] == {"memory": "4Gi"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--namespace", "lab"],
        [*REQUIRED, "--autoscaler", "keda"],
        [*REQUIRED, "--job-labels", "x"],
        [*REQUIRED, "--serving-resources", "2"],
        [*REQUIRED, "--serving-resources", "[]"],
        [*REQUIRED, "--serving-flags", '"--x"'],
        [*REQUIRED, "--serving-place", '{"image": "stranger/miner"}'],
    ],
)
def test_a_wrong_command_line_ends_the_process(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        settings.parse(arguments)


def test_the_operator_needs_no_tensorflow() -> None:
    code = "import sys, services.operator.__main__; print(sorted({'tensorflow', 'cv2', 'keras'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    body: dict[str, Any] = {"metadata": {"generation": 1}}
    body["status"] = {"conditions": status.conditions(body, {"Ready": (False, "A", "")}, "t0")}
    same = status.conditions(body, {"Ready": (False, "B", "x\ny")}, "t1")
    assert (same[0]["lastTransitionTime"], same[0]["reason"], same[0]["message"]) == ("t0", "B", "x y")
    assert status.conditions(body, {"Ready": (True, "C", "")}, "t2")[0]["lastTransitionTime"] == "t2"


def test_progress_is_what_was_said_last() -> None:
    assert status.progress("loading\nx: 1 of 9 cells, ? left\nx: 2 of 9 cells, 1.0 min left\n") == {
        "done": 2,
        "total": 9,
    }
    assert status.progress("nothing yet") is None
    assert status.summary([{"done": 1, "total": 2}, {"done": 0, "total": 0}]) == ""
    assert status.summary([{"done": 1, "total": 2}, {"done": 3, "total": 4}]) == "4/6"


def test_the_last_words_are_of_the_newest_pod() -> None:
    def pod(time: str, code: int, message: str) -> dict[str, Any]:
        ended = {"name": "run", "state": {"terminated": {"exitCode": code, "message": message}}}
        return {"metadata": {"creationTimestamp": time}, "status": {"initContainerStatuses": [ended]}}

    assert (
        status.last_words([pod("1", 1, "old"), pod("2", 1, "why\nbad\x1b[31m plan\n"), pod("3", 0, "")])
        == "run: bad [31m plan"
    )
    assert status.last_words([]) == ""


def test_a_deployment_is_available_when_its_newest_template_is() -> None:
    one: dict[str, Any] = {"metadata": {"generation": 2}, "spec": {"replicas": 2}}
    one["status"] = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2}
    assert status.available(one)
    assert not status.available(one | {"metadata": {"generation": 3}})
    assert not status.available(None)


def test_a_key_is_worked_on_once_at_a_time_and_again_when_it_changed_meanwhile() -> None:
    async def test() -> None:
        begun, go = asyncio.Semaphore(0), asyncio.Semaphore(0)
        running: list[str] = []
        most = 0

        async def work(key: str) -> None:
            nonlocal most
            running.append(key)
            most = max(most, running.count(key))
            begun.release()
            await go.acquire()
            running.remove(key)

        workers: Workers[str] = Workers(work)
        task = asyncio.create_task(workers.run())
        workers.add("a")
        workers.add("a")
        await begun.acquire()
        for _ in range(5):
            workers.add("a")
        assert workers.waiting == 0
        go.release()
        await begun.acquire()
        go.release()
        await asyncio.sleep(0.05)
        assert (most, begun.locked()) == (1, True)
        task.cancel()

    asyncio.run(test())


def test_a_failure_is_tried_again() -> None:
    async def test() -> None:
        left, done = [3], asyncio.Event()

        async def work(key: str) -> None:
            left[0] -= 1
            if left[0]:
                raise OSError("no")
            done.set()

        workers: Workers[str] = Workers(work, first=0.001)
        task = asyncio.create_task(workers.run())
        workers.add("a")
        await done.wait()
        task.cancel()

    asyncio.run(test())


class Server(model_service_pb2_grpc.ModelServiceServicer):
    """TensorFlow Serving's own messages."""

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.model_spec.name == "unknown":
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
        response = GetModelStatusResponse()
        state = ModelVersionStatus.LOADING if request.model_spec.name == "loading" else ModelVersionStatus.AVAILABLE
        response.model_version_status.add(version=3, state=state)
        response.model_version_status.add(version=4, state=ModelVersionStatus.END)
        return response


def test_the_version_that_a_server_has_loaded() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Server(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = f"127.0.0.1:{port}"
    try:
        assert asyncio.run(model_status.served_version(address, "facenet+sface")) == "3"
        for model in ("loading", "unknown"):
            with pytest.raises(model_status.NotLoaded, match=model):
                asyncio.run(model_status.served_version(address, model))
    finally:
        server.stop(None)
    assert asyncio.run(model_status.served_version(address, "facenet")) is None
