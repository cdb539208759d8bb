"""Days small enough to work out by hand, and what the page says of larger ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.capacity import model, page, scenarios, traffic
from benchmarks.capacity.hpa import Autoscaler
from benchmarks.capacity.model import Assumptions, Figures, need
from benchmarks.capacity.replay import Arrivals, Cluster, replay
from faceoff.types import Priority

FIGURES = Figures("a machine", 1.0, attack=10.0, rest=2.0, gain=1.0)
CLUSTER = Cluster(cores=1, node_cores=4, other_cores=2, places=1, pod_start=20, node_boot=100, lag=0)


def scaler(most: int, least: int = 1) -> Autoscaler:
    return Autoscaler.of(
        {
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": scenarios.METRICS,
            "behavior": scenarios.BEHAVIOR,
        }
    )


def at(seconds: int, *, interactive: dict[int, int], bulk: dict[int, int] | None = None) -> Arrivals:
    return Arrivals(
        [interactive.get(second, 0) for second in range(seconds)], [(bulk or {}).get(n, 0) for n in range(seconds)]
    )


def test_one_place_takes_one_photo_after_another() -> None:
    day = replay(at(1, interactive={0: 3}), FIGURES, CLUSTER, scaler(1), scaler(1))
    assert day.waits[Priority.INTERACTIVE] == [0, 10, 20]
    assert day.takes[Priority.INTERACTIVE] == [10, 20, 30]
    assert max(day.oldest) == 19


def test_two_photos_share_a_server() -> None:
    day = replay(at(1, interactive={0: 2}), FIGURES, Cluster(cores=1, places=2), scaler(1), scaler(1))
    assert day.waits[Priority.INTERACTIVE] == [0, 0]
    assert day.takes[Priority.INTERACTIVE] == [20, 20]


def test_interactive_photos_go_before_a_heap() -> None:
    """Four of five turns are theirs: sixteen of the first twenty."""
    day = replay(at(1, interactive={0: 16}, bulk={0: 16}), FIGURES, CLUSTER, scaler(1), scaler(1))
    assert max(day.waits[Priority.INTERACTIVE]) in (180, 190)
    assert max(day.waits[Priority.BULK]) == 310


def test_new_pods_wait_for_a_node_and_then_start() -> None:
    """Two cores are free: the third server needs a node, which takes 100 seconds, and a pod takes 20."""
    arrivals = at(400, interactive=dict.fromkeys(range(400), 1))
    day = replay(arrivals, FIGURES, CLUSTER, scaler(3), scaler(40, least=40))
    wanted = day.wanted.index(3)
    assert day.serving.index(2) < wanted + 100
    assert day.serving.index(3) - wanted == pytest.approx(120, abs=2)
    assert day.nodes[wanted] == 1
    assert max(day.nodes) == 2


def test_every_photo_is_done_and_the_pods_go() -> None:
    arrivals = traffic.Curve(0.05, heap_photos=20).arrivals(seed=3)
    day = replay(arrivals, FIGURES, CLUSTER, scaler(4), scaler(8))
    for priority, came in zip(
        (Priority.INTERACTIVE, Priority.BULK), (arrivals.interactive, arrivals.bulk), strict=True
    ):
        assert len(day.takes[priority]) == len(day.waits[priority]) == sum(came)
    assert max(day.wanted) > 1
    assert min(day.wanted[3600:]) == 1


def test_cores_and_nodes_by_hand() -> None:
    """100 photos of 12 core-seconds at 60 %: 2000 cores, 125 nodes of 16; attacks on 1667 of them, 417 servers of 4."""
    found = need(100.0, FIGURES, Assumptions(load=0.6))
    assert found.cores == pytest.approx(2000)
    assert (found.servers, found.nodes, found.cost(2.0)) == (417, 125, 250.0)
    assert need(1.0, FIGURES, Assumptions(faces=2.0, load=1.0)).cores == pytest.approx(22)


def test_sharing_calls_helps_as_much_as_was_measured() -> None:
    figures = Figures("", 1.0, attack=10.0, rest=0.0, gain=1.6)
    assert [figures.attacks_per_core_second(n) for n in (0, 1, 8.5, 16, 99)] == pytest.approx(
        [0.1, 0.1, 0.13, 0.16, 0.16]
    )


def test_a_day_is_the_same_for_a_seed_and_has_a_rush() -> None:
    curve = traffic.Curve(1.0)
    assert curve.arrivals(1) == curve.arrivals(1) != curve.arrivals(2)
    assert sum(curve.arrivals(1).bulk) == curve.heap_photos
    assert curve.rate(4 * 3600) < curve.rate(12 * 3600) < curve.rate(20 * 3600 - 1)
    assert curve.rate(20 * 3600) == pytest.approx(2 * curve.rate(20 * 3600 - 1), rel=0.01)


def test_a_file_says_the_traffic(tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text("second,interactive,bulk\n0,0,5\n100,2,0\n200,0,0\n")
    arrivals = traffic.read(file)
    assert len(arrivals.interactive) == 200
    assert sum(arrivals.interactive[:100]) == sum(arrivals.bulk[100:]) == 0
    assert sum(arrivals.interactive) == pytest.approx(200, rel=0.3)


@pytest.mark.parametrize(
    "text",
    ["second,interactive,bulk\n" + rows for rows in ("", "0,1,1\n", "0,1\n9,1\n", "0,1,-1\n9,0,0\n", "5,1,1\n9,0,0\n",
                                                    "0,1,1\n0,0,0\n", "0,x,1\n9,0,0\n")],
)  # fmt: skip
def test_a_file_that_says_something_else_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"day\.csv"):
        traffic.read(file)


def test_the_page_is_up_to_date() -> None:
    """make capacity renders it."""
    files = model.results()
    known = model.first(files)
    days = [(scenario, scenario.run(known)) for scenario in scenarios.defaults()]
    assert page.PAGE.read_text() == page.text(files, days)
    assert scenarios.GOAL.met(days[0][1]), "the chart's defaults"
    assert page.PICTURE.exists()
