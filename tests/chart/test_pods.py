"""What every pod must be, and what the services are told."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import yaml

from tests.chart.render import CHART, EVERYTHING, FILES, SMALLEST, Object, containers, kinds, pods

FACTS: dict[str, dict[str, Any]] = yaml.safe_load((CHART / "files" / "services.yaml").read_text())
ALL = [(file, ()) for file in FILES] + [("values.yaml", EVERYTHING), ("values.yaml", SMALLEST)]
everywhere = pytest.mark.parametrize(("file", "sets"), ALL)


@everywhere
def test_every_pod_is_of_the_restricted_profile(file: str, sets: tuple[str, ...]) -> None:
    for name, pod in pods(file, sets).items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"], name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] == name.endswith("operator"), name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert all(
            {"emptyDir", "secret", "configMap", "persistentVolumeClaim"} & volume.keys() for volume in pod["volumes"]
        )
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


@everywhere
def test_every_container_has_bounds_and_every_server_probes(file: str, sets: tuple[str, ...]) -> None:
    for name, pod in pods(file, sets).items():
        for container in containers(pod):
            resources = container["resources"]
            assert {"cpu", "memory"} <= resources["requests"].keys(), name
            assert "memory" in resources["limits"], name
        if name.startswith(("Deployment", "StatefulSet")):
            (server,) = pod["containers"]
            start = server["startupProbe"]
            assert start["periodSeconds"] * start["failureThreshold"] >= 120, name
            assert "livenessProbe" in server, name
            assert "readinessProbe" in server or name.endswith("operator"), name


@everywhere
def test_what_is_mounted_is_there(file: str, sets: tuple[str, ...]) -> None:
    claims = {f"faceoff-{name}" for name in kinds("PersistentVolumeClaim", file, sets)} | {"models"}
    for name, pod in pods(file, sets).items():
        made = {volume["name"] for volume in pod["volumes"]} | ({"data"} if name.endswith("nats") else set())
        used = {mount["name"] for container in containers(pod) for mount in container.get("volumeMounts", [])}
        assert used == made, name
        asked = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["volumes"]
            if "persistentVolumeClaim" in volume
        }
        assert asked <= claims, name


@everywhere
def test_a_pod_may_end_its_work(file: str, sets: tuple[str, ...]) -> None:
    for name, deployment in kinds("Deployment", file, sets).items():
        if name not in FACTS:
            continue
        pod = deployment["spec"]["template"]["spec"]
        (server,) = pod["containers"]
        grace = float(flags(server)["grace"])
        assert pod["terminationGracePeriodSeconds"] >= grace + server["lifecycle"]["preStop"]["sleep"]["seconds"] + 5


@everywhere
def test_services_take_what_they_are_told(file: str, sets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the services' real parsers. A flag that there is not ends the process, and so the test."""
    for name, deployment in kinds("Deployment", file, sets).items():
        if name == "model-server":
            continue
        (server,) = deployment["spec"]["template"]["spec"]["containers"]
        for variable in server.get("env", []):
            assert variable["name"].startswith(("FACEOFF_", "NATS_"))
            monkeypatch.setenv(variable["name"], variable.get("value", "nats://of-a-secret:4222"))
        module = FACTS[name]["image"] if name in FACTS else name
        settings = importlib.import_module(f"services.{module}.settings").parse(server["args"])
        if name in FACTS:
            assert settings_of_server(settings).listen == f"0.0.0.0:{FACTS[name]['port']}"
            assert settings_of_server(settings).metrics == "0.0.0.0:9100"


def test_services_are_told_of_each_other_and_by_names_that_there_are() -> None:
    for sets in ((), EVERYTHING):
        addresses = {
            f"faceoff-{name}:{port['port']}"
            for name, service in kinds("Service", "values.yaml", sets).items()
            for port in service["spec"]["ports"]
        }
        for name, facts in FACTS.items():
            told = flags(server_of(name, sets=sets))
            for other in facts.get("calls", []):
                if other == "nats":
                    env = {one["name"]: one.get("value") for one in server_of(name, sets=sets)["env"]}
                    assert env["FACEOFF_NATS"].rpartition("@")[2].removeprefix("nats://") in addresses
                else:
                    assert told["model-server" if other == "modelserver" else other] in addresses


def test_services_that_are_called_are_headless_and_their_ports_are_the_pods() -> None:
    for name, service in kinds("Service").items():
        spec = service["spec"]
        assert spec.get("clusterIP") == (None if name == "gateway" else "None")
        matching = [
            one
            for kind in ("Deployment", "StatefulSet")
            for one in kinds(kind).values()
            if spec["selector"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert len(matching) == 1, name
        opened = {port["name"] for port in matching[0]["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in spec["ports"]} <= opened


def test_probes_speak_grpc_but_where_there_is_tls() -> None:
    assert server_of("detector")["readinessProbe"]["grpc"] == {"port": 50051}
    assert server_of("detector", sets=EVERYTHING)["readinessProbe"]["tcpSocket"] == {"port": "grpc"}
    assert server_of("gateway", sets=EVERYTHING)["readinessProbe"]["grpc"] == {"port": 50050}
    assert server_of("model-server")["startupProbe"]["grpc"] == {"port": 8500, "service": "ModelService"}


def test_the_door_is_open_only_where_there_are_no_credentials() -> None:
    assert "--open" in server_of("gateway")["args"]
    assert "--open" not in server_of("gateway", sets=("access.keysSecret=keys",))["args"]
    assert "--open" not in server_of("gateway", sets=("access.tenantsSecret=tenants",))["args"]


def test_without_a_broker_there_is_one_gateway_that_works_itself() -> None:
    sets = ("nats.enabled=false",)
    deployments = kinds("Deployment", "values.yaml", sets)
    assert "worker" not in deployments
    assert deployments["gateway"]["spec"]["replicas"] == 1
    assert deployments["gateway"]["spec"]["strategy"] == {"type": "Recreate"}
    assert "--workers=0" not in server_of("gateway", sets=sets)["args"]
    assert "gateway" not in kinds("HorizontalPodAutoscaler", "values.yaml", sets)


def test_another_broker_keeps_jobs_on_as_many_servers_as_everybody_says() -> None:
    sets = ("nats.enabled=false", "nats.urlSecret=broker", "nats.urlReplicas=3")
    for component in ("gateway", "worker"):
        assert {"name": "FACEOFF_NATS_REPLICAS", "value": "3"} in server_of(component, sets=sets)["env"]


def test_rooms_have_memory_for_as_many_of_the_largest_photos_as_they_take_at_once() -> None:
    """Peaks in MiB at 24 megapixels (docs/operations.md): of one call, of each more, and of the two decoding processes."""
    for name, one, more in (("detector", 1298, 722), ("amplifier", 987, 655), ("verifier", 1574, 747)):
        server = server_of(name)
        (calls,) = [int(arg.removeprefix("--calls=")) for arg in server["args"] if arg.startswith("--calls=")]
        limit = 1024 * int(server["resources"]["limits"]["memory"].removesuffix("Gi"))
        assert (one + (calls - 1) * more) * 25 / 24 + 2 * 230 <= limit, name
    for name in ("gateway", "worker"):
        assert "--max-megapixels=25" in server_of(name)["args"]


def test_the_ledger_of_spending_is_one_verifiers() -> None:
    verifier = kinds("Deployment", "values.yaml", EVERYTHING)["verifier"]["spec"]
    assert (verifier["replicas"], verifier["strategy"]) == (1, {"type": "Recreate"})
    assert "verifier" not in kinds("HorizontalPodAutoscaler", "values.yaml", EVERYTHING)


def test_gpus_are_asked_for_and_their_taint_tolerated() -> None:
    pod = kinds("Deployment", "values-gpu.yaml")["model-server"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    assert "--xla_gpu_compilation_enabled=true" in pod["containers"][0]["args"]
    assert "nvidia.com/gpu" not in str(pods("values.yaml"))
    bare = server_of("model-server", sets=("modelServer.gpus=2", "modelServer.resources.limits=null"))
    assert bare["resources"] == {"limits": {"nvidia.com/gpu": 2}, "requests": {"cpu": "1", "memory": "2Gi"}}


def test_images_have_the_registry_and_the_digest() -> None:
    digest = f"sha256:{'0' * 64}"
    sets = ("registry=mirror.example/house", f"services.detector.digest={digest}", "tag=2.0.0")
    assert server_of("detector", sets=sets)["image"] == f"mirror.example/house/faceoff/detector@{digest}"
    assert server_of("attacker", sets=sets)["image"] == "mirror.example/house/faceoff/attacker:2.0.0"
    assert server_of("worker")["image"] == server_of("gateway")["image"] == "faceoff/gateway:0.1.0"


def server_of(name: str, file: str = "values.yaml", sets: tuple[str, ...] = ()) -> Object:
    (server,) = kinds("Deployment", file, sets)[name]["spec"]["template"]["spec"]["containers"]
    return dict(server)


def flags(container: Object) -> dict[str, str]:
    pairs = (argument.removeprefix("--").partition("=") for argument in container["args"])
    return {name: value for name, _, value in pairs}


def settings_of_server(settings: Any) -> Any:
    return getattr(settings, "server", settings)
