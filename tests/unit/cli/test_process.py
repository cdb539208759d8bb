"""What only a process of its own shows: how fast it starts, and what is left when it is stopped or the disk is full."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.cli.fakes import photo

COMMAND = (sys.executable, "-c", "import sys; from faceoff.cli import main; sys.exit(main())")
FAKED = """
import sys, time
from pathlib import Path
from faceoff.cli import main
from tests.unit.cli.fakes import Fakes
fakes = Fakes(Path("home"))
fakes.rooms.during = lambda: (Path("attacking").touch(), time.sleep({pause}))
sys.exit(main(sys.argv[1:], fakes.parts))
"""


def faked(pause: float = 0) -> tuple[str, ...]:
    return (sys.executable, "-c", FAKED.format(pause=pause))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["version"], 0),
        (["--help"], 0),
        (["protect", "--help"], 0),
        (["nonsense"], 2),
        (["protect", "x", "--nope"], 2),
        ([], 2),
    ],
)
def test_it_answers_at_once(arguments: list[str], code: int, environment: dict[str, str], tmp_path: Path) -> None:
    """Within some two imports of NumPy; TensorFlow's alone takes twenty."""

    def cpu_seconds(*command: str, expected: int = 0) -> float:
        """Not the clock's, so that what else this machine does has no part in it."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == expected
        assert b"Traceback" not in done.stderr
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [
        (cpu_seconds(*COMMAND, *arguments, expected=code), cpu_seconds(sys.executable, "-c", "import numpy"))
        for _ in range(3)
    ]
    answering, importing = map(min, zip(*pairs, strict=True))
    assert answering < 3 * importing


def test_usage_does_not_import_the_heavy_ones(environment: dict[str, str]) -> None:
    code = "import sys, faceoff.cli; print({'tensorflow', 'grpc', 'cv2', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_ctrl_c_leaves_nothing_behind(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(photo())
    with subprocess.Popen(
        [*faked(30), "protect", "a.png"], env=environment, cwd=tmp_path, stderr=subprocess.PIPE
    ) as child:
        end = time.monotonic() + 20
        while not (tmp_path / "attacking").exists() and time.monotonic() < end:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=10)[1].decode()
    assert child.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "attacking"]


def test_a_write_that_fails_half_way_leaves_nothing_behind(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(photo())
    done = subprocess.run(
        [*faked(), "protect", "a.png", "-q"],
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20)),
    )
    assert done.returncode == 2
    assert "Cannot write a.faceoff.png: File too large." in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "attacking"]


def test_a_reader_that_leaves_early(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(photo())
    (tmp_path / "b.png").write_bytes(photo())
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*faked(), "protect", "a.png", "b.png", "--json"],
        env=environment,
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 1
    assert b"BrokenPipe" not in done.stderr
