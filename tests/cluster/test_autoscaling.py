"""The real HorizontalPodAutoscaler, on what a real Prometheus says of real services that have too much to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.pipeline import Rooms, protect
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker, picture
from faceoff.types import Encoding, Photo
from scripts import up
from tests.authority import authority
from tests.cluster.adapter import adapter
from tests.cluster.client import until
from tests.cluster.cluster import Cluster
from tests.load.town import needs_nats, needs_prometheus, town
from tests.load.visitors import REQUEST, Visitor, by_job

MOST = 4
VISITORS = 12
SCALED = ("attacker", "worker")


def hurried(folder: Path) -> list[Path]:
    """The chart's rules, with minutes of measuring made seconds."""
    made = []
    for file in up.RULES:
        made.append(folder / file.name)
        made[-1].write_text(file.read_text().replace("[5m]", "[30s]").replace("interval: 15s", "interval: 1s"))
    return made


@pytest.mark.skipif("CLUSTER_SLOW" not in os.environ, reason="two minutes of load: make cluster-test")
@pytest.mark.timeout(900)
def test_work_brings_pods_and_quiet_takes_them_away(cluster: Cluster, tmp_path: Path) -> None:
    """1, the most, 1; a process for each worker that the cluster runs; no photo is lost or other than it must be."""
    needs_nats()
    needs_prometheus()
    pixels = picture()
    photo = image.encode(pixels, Photo(pixels, "PNG", b""), Encoding())
    rooms = Rooms(BoxDetector(), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    protected = protect(photo, REQUEST, rooms, lambda _: None).candidate.data
    tls = authority("adapter").issue(tmp_path / "adapter")
    with town(tmp_path, photos=1) as place, cluster.namespace(up.NAMESPACE) as namespace:
        hired = ["worker-1"]

        def replicas(name: str) -> int:
            deployment = cluster.client.get("apps/v1", "Deployment", f"faceoff-{name}", namespace)
            return int(deployment["spec"]["replicas"]) if deployment else 0

        def follow() -> None:
            """As many workers as there are pods of them."""
            place.check()
            wanted = replicas("worker")
            while len(hired) < wanted:
                hired.append(place.hire())
            while len(hired) > wanted:
                place.stop(hired.pop())

        def all_at(number: int) -> bool:
            follow()
            return all(replicas(name) == number for name in SCALED)

        def explain() -> str:
            return cluster.run("kubectl", "describe", "hpa", "-n", namespace)[-4000:]

        with adapter(cluster, namespace, place.watch(tmp_path, {}, hurried(tmp_path)), tls):
            sets = ["autoscaling.engine=hpa", "autoscaling.workSeconds=5",
                    *(f"services.{name}.autoscaling.max={MOST}" for name in SCALED)]  # fmt: skip
            cluster.install(namespace, *(part for one in sets for part in ("--set", one)))
            cluster.ready(namespace)
            for name in SCALED:
                soon = {"stabilizationWindowSeconds": 5, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 5}]}
                hpa = cluster.client.get("autoscaling/v2", "HorizontalPodAutoscaler", f"faceoff-{name}", namespace)
                assert hpa is not None
                hpa |= {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
                cluster.client.merge(hpa, {"spec": {"behavior": {"scaleDown": soon}}})
            assert all_at(1)

            visitors = [
                Visitor(f"visitor-{number}", by_job(place.grpc, photo), protected) for number in range(VISITORS)
            ]
            for visitor in visitors:
                visitor.start()
            try:
                until(lambda: all_at(MOST), "work brings pods", 400, explain)
                cluster.ready(namespace)
            finally:
                for visitor in visitors:
                    visitor.leave()
            assert [visitor.wrong for visitor in visitors] == [[]] * VISITORS
            assert all(visitor.seen for visitor in visitors)
            until(lambda: all_at(1), "quiet takes them away", 200, explain)
