"""The children's lives, with small real processes in the services' places."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faceoff.cli import _parser, main, serve
from faceoff.cli.serve import House, Service
from faceoff.errors import FaceOffError, Reason
from tests.unit.cli.fakes import Fakes

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
ROOT = Path(__file__).parents[3]
LIVING = """
import sys
from pathlib import Path
from faceoff.cli import serve
from tests.unit.cli.test_serve import child
children = [child(name, Path(f"{{name}}.log"), {code!r}) for name in ("one", "two")]
serve.live(children, "127.0.0.1:1", quiet=False)
"""


def child(name: str, sign: Path, code: str = SLEEPER) -> Service:
    """A process that is ready once ``sign`` exists, which it makes when it is up."""

    def ready() -> None:
        if not sign.exists():
            raise FaceOffError(Reason.SERVICE_UNAVAILABLE, "not yet")

    marked = code.replace("print(", f"open({str(sign)!r}, 'w').close(); print(")
    return Service(name, (sys.executable, "-c", marked), ready)


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "logs").mkdir()
    return House(tmp_path / "logs")


def test_children_start_in_order_and_stop_in_reverse(house: House, tmp_path: Path) -> None:
    code = SLEEPER.replace(
        "import time;", "import time, sys, signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit());"
    )
    for name in ("one", "two"):
        house.start(child(name, tmp_path / name, code))
    house.check()
    house.stop()
    assert [process.returncode for process in house.children.values()] == [0, 0]


def test_a_child_that_dies_at_its_start_is_reported_with_its_last_words(house: House, tmp_path: Path) -> None:
    service = child("detector", tmp_path / "never", "import sys; sys.exit('port is taken')")
    with pytest.raises(
        FaceOffError, match=r"The detector ended with exit code 1\. Its last words: port is taken"
    ) as caught:
        house.start(service)
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
    assert str(tmp_path) in caught.value.hint


def test_a_child_that_dies_later_is_noticed(house: House, tmp_path: Path) -> None:
    house.start(child("one", tmp_path / "one"))
    house.children["one"].kill()
    house.children["one"].wait()
    with pytest.raises(FaceOffError, match="signal SIGKILL"):
        house.start(child("two", tmp_path / "two"))
    house.stop()


def test_a_stubborn_child_is_killed(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "STOP_SECONDS", 0.2)
    house.start(child("one", tmp_path / "one", STUBBORN))
    house.stop()
    assert house.children["one"].returncode == -signal.SIGKILL


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_signals_stop_every_child(number: int, code: int, tmp_path: Path) -> None:
    command = (sys.executable, "-c", LIVING.format(code=SLEEPER))
    with subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=-1, stderr=-1, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "Face-Off serves at 127.0.0.1:1\n"
        children = _children(parent.pid)
        assert len(children) == 2
        start = time.monotonic()
        parent.send_signal(number)
        parent.communicate(timeout=20)
    assert time.monotonic() - start < 5
    assert parent.returncode == code or (number == signal.SIGINT and parent.returncode == -signal.SIGINT)
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = f"from faceoff import lifeline; lifeline.hold(); {SLEEPER}"
    command = (sys.executable, "-c", LIVING.format(code=code))
    with subprocess.Popen(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=-1, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "Face-Off serves at 127.0.0.1:1\n"
        children = _children(parent.pid)
        assert len(children) == 2
        parent.kill()
    end = time.monotonic() + 20
    while any(map(_runs, children)):
        assert time.monotonic() < end
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_time_to_live_out_of_range(fakes: Fakes, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--ttl", "1"], fakes.parts)
    assert "no number from 60 to 604800" in capsys.readouterr().err


def test_a_port_that_is_taken(fakes: Fakes, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)], fakes.parts) == 2
    assert "Choose another --host or --port." in capsys.readouterr().err


def test_the_plan_of_the_house(fakes: Fakes) -> None:
    def flags(service: Service) -> dict[str, str]:
        words = service.arguments[3:]
        return {word: words[place + 1] for place, word in enumerate(words[:-1]) if word.startswith("--")}

    children = serve.services("127.0.0.1:9", None, fakes.parts)
    names = [service.name for service in children]
    assert names == ["modelserver", "detector", "attacker", "amplifier", "verifier", "gateway"]
    given = {service.name: flags(service) for service in children}
    address = f"127.0.0.1:{given['modelserver']['--port']}"
    assert given["attacker"]["--model-server"] == given["verifier"]["--model-server"] == address
    assert given["gateway"]["--listen"] == "127.0.0.1:9"
    assert all(given["gateway"][f"--{room}"] == given[room]["--listen"] for room in names[1:5])
    assert [service.name for service in serve.services("h:1", "gpu:8500", fakes.parts)] == names[1:]


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_what_the_gateway_is_told(fakes: Fakes) -> None:
    words = ["serve", "--nats", "nats://b:4222", "--keys", "keys.json", "--ttl", "600", "--open"]
    door = serve._door(_parser().parse_args(words), "127.0.0.1:8")
    nats, keys = ("--nats", "nats://b:4222"), ("--keys", "keys.json")
    assert door == ["--http", "127.0.0.1:8", "--ttl", "600.0", *nats, *keys, "--open"]
    gateway = serve.services("127.0.0.1:9", "gpu:8500", fakes.parts, door)[-1]
    assert list(gateway.arguments[-len(door) :]) == door
