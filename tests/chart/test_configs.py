"""Files and command lines that the chart writes for others, read by those who will read them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from faceoff.networks import catalogue
from faceoff.networks.home import Home
from faceoff.networks.sets import set_name
from faceoff.types import Plan
from tests.chart.render import FILES, kinds, objects

OWN = Path(sys.executable).parent


@pytest.mark.parametrize("sets", [(), ("nats.passwordSecret=nats",)], ids=["open", "password"])
def test_the_brokers_configuration_is_the_brokers(
    sets: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = shutil.which("nats-server", path=str(OWN)) or shutil.which("nats-server")
    if server is None:
        pytest.skip("nats-server is not here: make setup")
    text = kinds("ConfigMap", "values.yaml", sets)["nats"]["data"]["nats.conf"]
    assert "sync_interval: always" in text
    file = tmp_path / "nats.conf"
    file.write_text(text.replace("/data", str(tmp_path / "data")))
    monkeypatch.setenv("NATS_PASSWORD", "aSecret123")
    done = subprocess.run([server, "-c", file, "-t"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES)
def test_the_model_servers_configuration_is_as_it_reads_it(file: str, tmp_path: Path) -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    configuration = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    data = kinds("ConfigMap", file)["model-server"]["data"]
    parsed = text_format.Parse(data["models.config"], configuration.ModelServerConfig())
    served = {one.name: one.base_path for one in parsed.model_config_list.config}
    assert all(path == f"/store/models/{name}" for name, path in served.items())
    assert len(served) == len(parsed.model_config_list.config)
    assert set_name(Plan.surrogates) in served  # what masks are computed on when nobody says otherwise
    assert all(name == set_name(name.split("+")) for name in served)
    waits = kinds("Deployment", file)["model-server"]["spec"]["template"]["spec"]["initContainers"][0]
    assert set(waits["args"]) == set(served)


def test_networks_are_those_of_the_catalogue() -> None:
    known = {card.name for card in catalogue.all_cards(Home(Path("/nowhere"))) if card.carrier}
    for file in FILES:
        fetch, build = job(file)
        assert set(fetch[3:]) <= known
        assert {name for names in build[3:] for name in names.split(",")} <= set(fetch[3:])
    assert known == set(job("values-research.yaml")[0][3:])
    assert set(job("values.yaml")[0][3:]) == set(catalogue.DEFAULT)


@pytest.mark.parametrize("file", FILES)
def test_the_command_takes_what_it_is_told(file: str) -> None:
    """By the command's real parser; a wrong command line ends it with 2."""
    from faceoff.cli import _parser

    (test,) = (one for one in objects(file) if one["kind"] == "Pod")
    for words in (*job(file), test["spec"]["containers"][0]["args"]):
        assert callable(_parser().parse_args(words).run)


def test_a_changed_list_of_networks_is_another_job() -> None:
    names = {
        next(iter(kinds("Job", "values.yaml", sets)))
        for sets in ((), ("models.networks={dlib,facenet,sface}", "models.sets={facenet+sface}"), ("tag=2.0.0",))
    }
    assert len(names) == 3
    assert all(re.fullmatch("models-[0-9a-f]{8}", name) for name in names)


def job(file: str) -> tuple[list[str], list[str]]:
    (one,) = kinds("Job", file).values()
    pod = one["spec"]["template"]["spec"]
    return pod["initContainers"][0]["args"], pod["containers"][0]["args"]
