"""python -m tests.unit.campaign.kill PEOPLE OUT SEED: runs a campaign and kills it at 20 random moments, then lets it end.

The run is a process that is forked from this one, which has imported everything, so that no time is lost on that; SIGKILL
comes after a random share of the time that an undisturbed run takes. When one gets to its end all the same, the next begins
in a folder of its own: OUT has one for each.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from faceoff.campaign.run import run
from tests.unit.campaign.fakes import campaign, slow_house

KILLS = 20


def main(people: Path, out: Path, seed: int) -> None:
    start = time.monotonic()
    run(campaign(people), out / "0", slow_house, quiet=True)
    usual = time.monotonic() - start
    moments, killed, number = random.Random(seed), 0, 1
    while killed < KILLS:
        child = os.fork()
        if child == 0:
            run(campaign(people), out / str(number), slow_house, quiet=True)
            os._exit(0)
        time.sleep(moments.uniform(0.05, 0.9) * usual)
        os.kill(child, signal.SIGKILL)
        if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            killed += 1
        else:
            number += 1
    run(campaign(people), out / str(number), slow_house, quiet=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
