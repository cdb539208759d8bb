"""A day's photos through a queue, workers, model servers and nodes, second by second, with an autoscaler between them.

A photo waits, then holds one of a worker's places until it is done, and shares the model servers' time with the others that
are at work. Interactive photos go before bulk ones by the weights of faceoff.jobs.turns. What the autoscaler sees is old by
the time between two scrapes and two evaluations of a rule; a pod that it adds waits for a node, then starts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.capacity.hpa import SYNC_SECONDS, Autoscaler
from benchmarks.capacity.model import Figures
from faceoff.jobs.turns import WEIGHTS
from faceoff.types import Priority

RATE_WINDOW = 300
HORIZON = 30.0
"""Of the chart's rule faceoff_queued_work_seconds: the seconds over which it averages the calls at work, and as how many
seconds of work that waits it counts each of them."""
_DONE = 1e-9  # of a photo: shares do not add up to the last bit
CLASSES = (Priority.INTERACTIVE, Priority.BULK)


@dataclass(frozen=True)
class Arrivals:
    """Photos that come in each second."""

    interactive: Sequence[int]
    bulk: Sequence[int]


@dataclass(frozen=True)
class Cluster:
    """Times are seconds. ``cores`` are a model server's, ``node_cores`` those of a node that pods can have, ``other_cores``
    all other pods'. ``spare`` is how long a node that is not needed stays, as the cluster autoscaler's default has it;
    ``horizon`` is HORIZON."""

    horizon: float = HORIZON
    cores: float = 1.0
    node_cores: float = 4.0
    other_cores: float = 4.0
    places: int = 4
    lag: int = 30
    pod_start: int = 60
    node_boot: int = 180
    spare: int = 600


@dataclass
class Day:
    """What became of it. ``waits`` are the seconds from a photo's acceptance to its beginning, by class; the rest is for each
    second: how old the oldest waiting photo is, the model servers that are wanted and that serve, workers, nodes."""

    waits: dict[Priority, list[float]] = field(default_factory=lambda: {one: [] for one in CLASSES})
    takes: dict[Priority, list[float]] = field(default_factory=lambda: {one: [] for one in CLASSES})
    oldest: list[float] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    serving: list[int] = field(default_factory=list)
    workers: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    @property
    def node_hours(self) -> float:
        return sum(self.nodes) / 3600


@dataclass
class _Pool:
    """One Deployment: pods that serve, and when those that do not yet will."""

    autoscaler: Autoscaler
    ready: int
    starting: list[float] = field(default_factory=list)
    pending: int = 0

    @property
    def replicas(self) -> int:
        return self.ready + len(self.starting) + self.pending

    def tick(self, now: float) -> None:
        self.ready += sum(when <= now for when in self.starting)
        self.starting = [when for when in self.starting if when > now]

    def become(self, wanted: int) -> None:
        """New pods are pending; those go first that do not serve yet."""
        self.pending += max(0, wanted - self.replicas)
        for _ in range(self.replicas - wanted):
            if self.pending:
                self.pending -= 1
            elif self.starting:
                self.starting.pop()
            else:
                self.ready -= 1


@dataclass
class _Nodes:
    cores: float
    boot: float
    spare: float
    there: int
    booting: list[float] = field(default_factory=list)
    too_many_since: float | None = None

    def tick(self, now: float, needed: int) -> None:
        self.there += sum(when <= now for when in self.booting)
        self.booting = [when for when in self.booting if when > now]
        self.booting += [now + self.boot] * (needed - self.there - len(self.booting))
        if needed >= self.there:
            self.too_many_since = None
        elif self.too_many_since is None:
            self.too_many_since = now
        elif now - self.too_many_since >= self.spare:
            self.there, self.too_many_since = needed, None


@dataclass
class _Photo:
    came: float
    priority: Priority
    left: float = 1.0


def replay(arrivals: Arrivals, figures: Figures, cluster: Cluster, servers: Autoscaler, workers: Autoscaler) -> Day:
    """Every second of ``arrivals``, and then until nothing waits or works."""
    day, at_work = Day(), list[_Photo]()
    queues: dict[Priority, deque[_Photo]] = {one: deque() for one in CLASSES}
    passes = dict.fromkeys(CLASSES, 0.0)
    pools = {"server": _Pool(servers, servers.minimum), "worker": _Pool(workers, workers.minimum)}
    nodes = _Nodes(cluster.node_cores, cluster.node_boot, cluster.spare, _needed(pools["server"].replicas, cluster))
    seen: deque[dict[str, float]] = deque(maxlen=cluster.lag + 1)
    calls: deque[int] = deque(maxlen=RATE_WINDOW)
    now = 0
    while now < len(arrivals.interactive) or at_work or any(queues.values()):
        if now < len(arrivals.interactive):
            for priority, came in zip(CLASSES, (arrivals.interactive[now], arrivals.bulk[now]), strict=True):
                queues[priority].extend(_Photo(now, priority) for _ in range(came))
        for pool in pools.values():
            pool.tick(now)
        for photo in _taken(queues, passes, pools["worker"].ready * cluster.places - len(at_work)):
            day.waits[photo.priority].append(now - photo.came)
            at_work.append(photo)
        calls.append(len(at_work))
        at_work = _worked(at_work, pools["server"].ready, figures, cluster, now, day)
        waiting = [queue[0].came for queue in queues.values() if queue]
        oldest = now - min(waiting) if waiting else 0
        busy = sum(calls) / RATE_WINDOW
        seen.append(
            {
                "faceoff_queue_oldest_age_seconds": oldest,
                "faceoff_queued_work_seconds": (oldest + cluster.horizon) * busy,
            }
        )
        if now % SYNC_SECONDS == 0 and now >= cluster.lag:
            for pool in pools.values():
                pool.become(pool.autoscaler.decide(now, pool.replicas, pool.ready, seen[0]))
        _placed(pools, nodes, cluster, now)
        day.oldest.append(oldest)
        day.wanted.append(pools["server"].replicas)
        day.serving.append(pools["server"].ready)
        day.workers.append(pools["worker"].ready)
        day.nodes.append(nodes.there)
        day.busy.append(len(at_work))
        now += 1
    return day


def _taken(queues: dict[Priority, deque[_Photo]], passes: dict[Priority, float], places: int) -> Iterator[_Photo]:
    for _ in range(places):
        waiting = [one for one in CLASSES if queues[one]]
        if not waiting:
            return
        first = min(waiting, key=lambda one: passes[one])
        for one in CLASSES:  # who has nothing to do saves up no turns
            passes[one] = max(passes[one], passes[first])
        passes[first] += 1 / WEIGHTS[first]
        yield queues[first].popleft()


def _worked(
    at_work: list[_Photo], servers: int, figures: Figures, cluster: Cluster, now: int, day: Day
) -> list[_Photo]:
    """A second of the model servers' time, in equal shares."""
    if not at_work or not servers:
        return at_work
    together = figures.attacks_per_core_second(len(at_work) / servers) * cluster.cores * min(servers, len(at_work))
    share = together / len(at_work)
    for photo in at_work:
        photo.left -= share
        if photo.left <= _DONE:
            day.takes[photo.priority].append(now + 1 - photo.came)
    return [photo for photo in at_work if photo.left > _DONE]


def _needed(servers: int, cluster: Cluster) -> int:
    return math.ceil((cluster.other_cores + servers * cluster.cores) / cluster.node_cores)


def _placed(pools: dict[str, _Pool], nodes: _Nodes, cluster: Cluster, now: float) -> None:
    """Pending pods go where there is room, workers first, which need little."""
    worker, server = pools["worker"], pools["server"]
    worker.starting += [now + cluster.pod_start] * worker.pending
    worker.pending = 0
    nodes.tick(now, _needed(server.replicas, cluster))
    room = int((nodes.there * cluster.node_cores - cluster.other_cores) / cluster.cores)
    placed = max(0, min(server.pending, room - server.ready - len(server.starting)))
    server.starting += [now + cluster.pod_start] * placed
    server.pending -= placed
