"""What one more face in a batch costs in memory: the growth of a fresh process's peak from batch 1 to batch 16."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.loop import chunk, plan
from benchmarks.measure import Row
from faceoff.networks.home import default_home
from faceoff.networks.local import LocalNetworks

FEW, MANY = 1, 16


def rows() -> Iterator[Row]:
    few, many = peak(FEW), peak(MANY)
    each = (many - few) / (MANY - FEW)
    against = f"the peak of a process with {FEW} face ({few:.0f} MB), default set; {many:.0f} MB with {MANY}"
    yield Row("memory_per_face", each / few, each, "MB", against, 1)


def peak(batch: int) -> float:
    """The most memory, in MB, that a process held which took one chunk of steps for ``batch`` faces."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(batch)], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout)


def main() -> None:
    home = default_home()
    networks = LocalNetworks(home)
    chunk(plan(), home, networks).batch(int(sys.argv[1])).run(networks)
    # Linux alone tells; getrusage's peak would be inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    print(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024 / 1e6)


if __name__ == "__main__":
    main()
