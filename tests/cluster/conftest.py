"""A cluster: the one that FACEOFF_CLUSTER_KUBECONFIG names (a kind cluster will do; its own nodes are cordoned meanwhile, so
never one that is needed), else the control plane that `make control-plane` built, else none, and all is skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authority import authority
from tests.cluster.client import Client
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Nodes
from tests.cluster.plane import Plane, built


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    plane = None
    if given := os.environ.get("FACEOFF_CLUSTER_KUBECONFIG"):
        kubeconfig = Path(given)
    elif built():
        plane = Plane(folder)
        kubeconfig = plane.kubeconfig
    else:
        pytest.skip("there is no cluster: make control-plane, or FACEOFF_CLUSTER_KUBECONFIG")
    client = nodes = None
    try:
        if plane:
            plane.start()
        client = Client(kubeconfig, folder)
        nodes = Nodes(client, authority("kubelets").issue(folder / "kubelets"))
        made = Cluster(kubeconfig, folder, client, nodes, plane)
        with made.cordoned():
            nodes.start()
            nodes.add("test-1")
            nodes.add("test-2")
            made.foreign_kinds()
            yield made
    finally:
        if nodes:
            nodes.close()
        if client:
            client.close()
        if plane:
            plane.stop()
