"""What sharing calls gains: faces x steps a second at batch 16 over those of the same faces one by one, through our loop."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.loop import chunk, model_server, plan
from benchmarks.measure import Row, compared, in_turns
from faceoff.networks.home import default_home

MANY = 16
RUNS = 3


def rows() -> Iterator[Row]:
    home = default_home()
    plans = {"batch16_vs_1": plan("facenet"), "batch16_vs_1_default_set": plan()}
    with model_server(list(plans.values()), home) as server:
        for name, one in plans.items():
            single = chunk(one, home, server)
            together = single.batch(MANY)
            alone, shared = in_turns(
                lambda single=single: single.run(server),  # type: ignore[misc]
                lambda together=together: together.run(server),  # type: ignore[misc]
                runs=RUNS,
            )
            against = f"faces one by one, {single.model} over gRPC; value is faces x steps a second"
            ours, theirs = [MANY * single.steps / t for t in shared], [single.steps / t for t in alone]
            yield compared(name, ours, theirs, "1/s", against)
