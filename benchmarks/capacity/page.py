"""docs/capacity.md and its picture."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.capacity import model
from benchmarks.capacity.model import Assumptions, Figures, need
from benchmarks.capacity.replay import CLASSES, Day
from benchmarks.capacity.scenarios import GOAL, Scenario

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "capacity.md"
PICTURE = ROOT / "docs" / "pictures" / "capacity.png"
RATES = (1.0, 100.0, 10_000.0)
PRICE = 0.80
"""Of a node's hour. An example, of nobody's price list."""

_HEAD = """# Capacity

Computed by `make capacity` from [the measurements](performance.md) (`benchmarks/results*.jsonl`) and the assumptions that are
said here; no figure is typed by hand. It says how many machines to ask for, not what they will do: measure on your own
(`make -s bench > benchmarks/results-NAME.jsonl`, then `make capacity`).
"""


def write(results: Sequence[Path], days: Sequence[tuple[Scenario, Day]], price: float) -> None:
    PAGE.write_text(text(results, days, price))
    _draw(*days[-1])


def text(results: Sequence[Path], days: Sequence[tuple[Scenario, Day]], price: float = PRICE) -> str:
    return "\n".join([_HEAD, *_still(results, price), *_gpus(results), *_replayed(days, price)])


def _still(results: Sequence[Path], price: float) -> Iterator[str]:
    assumed = Assumptions()
    for known in filter(None, map(model.figures, results)):
        full, alone = known.photos_per_core_second(), known.photos_per_core_second(1)
        yield f"""## Photos a second of a core

Measured on {known.cores:.0f} cores ({known.machine}), a photo with one face at `balanced`:

| | core-seconds |
|---|---|
| attack, by itself | {known.attack:.1f} |
| attack, {model.BATCH} faces in a call ({known.gain:.2f} times as fast) | {1 / known.attacks_per_core_second():.1f} |
| everything else: decode, find, paste, encode, verdicts | {known.rest:.1f} |

So a core at full load does **{full:.3f} photos a second** ({1 / full:.1f} seconds a photo), and one that has a photo for itself
{alone:.3f}. "Everything else" counts every core of the machine for the whole of that time, which is more than it uses.

## Replicas and nodes for a rate

Assumed: {assumed.faces:g} face in a photo (another face is another attack), cores at work {assumed.load:.0%} of the time,
model servers of {assumed.server_cores} cores, nodes of which pods can have {assumed.node_cores} cores.
`cores = rate x (faces x attack + rest) / load`; a node has whole model servers, its other cores are the other services'.

| photos a second | a day | cores | model servers | nodes | an hour, at {price:.2f} a node |
|---|---|---|---|---|---|
{_table(known, assumed, price)}

Cost is `nodes x price`, and of a photo `nodes x price / (3600 x rate)`. The price of {price:.2f} is an example and of nobody's
list: `python -m benchmarks.capacity --price P` puts in yours. `subtle` costs what `balanced` does, `strong`, with 60 steps
instead of 40, up to half as much again.
"""


def _table(known: Figures, assumed: Assumptions, price: float) -> str:
    rows = (need(rate, known, assumed) for rate in RATES)
    return "\n".join(
        f"| {one.rate:,.0f} | {one.rate * 86_400:,.0f} | {one.cores:,.0f} | {one.servers:,} | {one.nodes:,} "
        f"| {one.cost(price):,.2f} |"
        for one in rows
    )


def _gpus(results: Sequence[Path]) -> Iterator[str]:
    measured = [gpu for gpu in map(model.gpus, results) if gpu]
    yield "## GPUs\n"
    if measured:
        yield f"Measured on {', '.join(measured)}: see [performance](performance.md). This page computes with cores alone.\n"
        return
    yield """**No GPU has been measured, so nothing is said of one here.** The figures above are a CPU's, and a GPU's are not to
be guessed from them. On a machine with one (a CUDA driver, and `tensorflow[and-cuda]` in the virtual environment):

```
make setup models && .venv/bin/python -m pip install 'tensorflow[and-cuda]==2.21.*'
make -s bench > benchmarks/results-gpu.jsonl && make performance
```

`batch16_vs_1_default_set` says faces x steps a second; divided by a photo's 40 steps, and by its faces, that is photos a second
of one GPU. `python -m benchmarks.capacity --photos-per-second N` replays the day below with model servers that do so many each.
"""


def _replayed(days: Sequence[tuple[Scenario, Day]], price: float) -> Iterator[str]:
    yield f"""## A day through the autoscaler

`python -m benchmarks.capacity` sends a day's photos, second by second, through a queue, workers, model servers and nodes, with
the HorizontalPodAutoscaler's own formula between them (`benchmarks/capacity/hpa.py`: tolerance, stabilisation windows,
policies, pods that are not ready) and the chart's own spec. The goal: {GOAL.share:.0%} of the interactive photos begin within
{GOAL.seconds:.0f} seconds, which is the chart's `autoscaling.oldestSeconds`.

{table(days, price)}

Seconds; "took" is from acceptance to the end.

{_words(days)}

![A day: photos a second, replicas and nodes, age of the oldest photo]({PICTURE.relative_to(PAGE.parent)})

Assumed: interactive photos at random around a day's curve (least at 4, most at 20 o'clock), a rush of a quarter of an hour at
20 o'clock with twice as many, and one tenant's heap of bulk photos at 10 o'clock; what the autoscaler sees is half a minute
old; a pod takes a minute to start, a node three to boot, and one that nobody needs goes after ten. The other services' own
autoscalers, on CPU, are not in it: their cores are counted as if they were always there.

Your own day is a CSV with the columns `second`, `interactive` and `bulk` (photos a second from that second on; the last row
ends it): `python -m benchmarks.capacity --traffic day.csv`.
"""


def table(days: Sequence[tuple[Scenario, Day]], price: float) -> str:
    """What became of days, where a node's hour costs ``price``."""
    names = "day|photos|waited p50 / p95 / p99|took p50 / p95|bulk waited p95|model servers|added, removed|node-hours|cost|goal"
    lines = [f"| {names.replace('|', ' | ')} |", f"|{'---|' * len(names.split('|'))}"]
    for scenario, day in days:
        waits, takes, bulk = (day.waits[CLASSES[0]], day.takes[CLASSES[0]], day.waits[CLASSES[1]])
        churn = int(np.abs(np.diff(day.wanted)).sum())
        verdict = "met" if GOAL.met(day) else "**missed**"
        lines.append(
            f"| {scenario.name} | {len(waits) + len(bulk):,} | {_at(waits, 50)} / {_at(waits, 95)} / {_at(waits, 99)} "
            f"| {_at(takes, 50)} / {_at(takes, 95)} | {_at(bulk, 95)} "
            f"| {min(day.serving)} to {max(day.serving)}, {statistics.mean(day.serving):.1f} on average | {churn} "
            f"| {day.node_hours:.0f} | {day.node_hours * price:.2f} | {verdict} |"
        )
    return "\n".join(lines)


def _words(days: Sequence[tuple[Scenario, Day]]) -> str:
    return "\n".join(f"- *{scenario.name}*: {scenario.about}" for scenario, _ in days)


def _at(seconds: Sequence[float], percent: float) -> str:
    return f"{np.percentile(seconds, percent):.0f}" if seconds else "-"


def _draw(scenario: Scenario, day: Day) -> None:
    minutes = len(day.oldest) // 60
    hours = np.arange(minutes) / 60

    def minutely(values: Sequence[float], most: bool = False) -> np.ndarray:
        rows = np.array(values[: minutes * 60], float).reshape(minutes, 60)
        return np.asarray(rows.max(axis=1) if most else rows.mean(axis=1))

    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure((7.2, 5.2), layout="constrained")
        traffic, pods, age = figure.subplots(3, 1, sharex=True)
        traffic.plot(hours, minutely(scenario.arrivals.interactive), lw=0.8, label="interactive")
        traffic.plot(hours, minutely(scenario.arrivals.bulk), lw=0.8, label="bulk")
        traffic.set_ylabel("photos a second")
        pods.step(hours, minutely(day.serving), lw=0.8, label="model servers")
        pods.step(hours, minutely(day.workers), lw=0.8, label="workers")
        pods.step(hours, minutely(day.nodes), lw=0.8, label="nodes")
        pods.set_ylabel("ready")
        age.plot(hours, minutely(day.oldest, most=True), lw=0.8)
        age.axhline(GOAL.seconds, color="0.6", lw=0.8, ls="--")
        age.set_ylabel("oldest photo waits, s")
        age.set_xlabel("hour of the day")
        age.set_xticks(range(0, 25, 4))
        for plot in (traffic, pods):
            plot.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 0.96))
        figure.savefig(PICTURE, dpi=110, metadata={"Software": None})
