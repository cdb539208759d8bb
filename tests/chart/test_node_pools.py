"""The examples of docs/node-pools.md: manifests against schemas, values through the chart, one label and one taint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.render import CHART, RELEASE, ROOT, Loader, containers, helm
from tests.chart.validate import validate

PAGE = (ROOT / "docs" / "node-pools.md").read_text()
LABEL = {"faceoff.dev/pool": "gpu"}
TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def values() -> list[str]:
    return [block for block in blocks("yaml") if block.startswith("# values")]


def manifests() -> list[dict[str, Any]]:
    found = [block for block in blocks("yaml") if not block.startswith("# values")]
    return [document for block in found for document in yaml.load_all(block, Loader)]


@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: one["kind"])
def test_manifests_have_fields_that_there_are(manifest: dict[str, Any]) -> None:
    validate(manifest)


def test_every_pool_has_the_label_and_the_taint() -> None:
    by_kind = {one["kind"]: one for one in manifests()}
    template = by_kind["NodePool"]["spec"]["template"]
    assert template["metadata"]["labels"] == LABEL
    assert template["spec"]["taints"] == [TAINT]
    (group,) = by_kind["ClusterConfig"]["managedNodeGroups"]
    assert group["labels"].items() >= LABEL.items()
    assert group["taints"] == [TAINT]
    assert template["spec"]["nodeClassRef"]["name"] == by_kind["EC2NodeClass"]["metadata"]["name"]
    commands = [block for block in blocks("bash") if "gcloud" in block or "az aks" in block]
    assert len(commands) == 2
    for command in commands:
        assert "labels faceoff.dev/pool=gpu" in command
        assert "--node-taints nvidia.com/gpu=present:NoSchedule" in command


@pytest.mark.parametrize("text", values(), ids=lambda one: str(one).splitlines()[0].removeprefix("# values for "))
def test_model_servers_go_to_the_pool(text: str, tmp_path: Path) -> None:
    file = tmp_path / "values-cloud.yaml"
    file.write_text(text)
    done = helm("template", RELEASE, str(CHART), "-f", str(CHART / "values-gpu.yaml"), "-f", str(file))
    assert done.returncode == 0, done.stderr
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    (pod,) = (
        one["spec"]["template"]["spec"]
        for one in objects
        if one["kind"] == "Deployment" and one["metadata"]["name"] == f"{RELEASE}-model-server"
    )
    assert pod["nodeSelector"] == LABEL
    assert any(
        tolerated.get("key") == TAINT["key"]
        and tolerated["operator"] == "Exists"
        and tolerated["effect"] == TAINT["effect"]
        for tolerated in pod["tolerations"]
    )
    assert any(one["resources"]["limits"].get("nvidia.com/gpu") == 1 for one in containers(pod))
    (claim,) = (
        one for one in objects if one["kind"] == "PersistentVolumeClaim" and "models" in one["metadata"]["name"]
    )
    assert claim["spec"]["storageClassName"] == yaml.safe_load(text)["models"]["storageClass"]


def test_the_pages_names_are_the_charts() -> None:
    for name in set(re.findall(r"app\.kubernetes\.io/component=([\w-]+)", PAGE)):
        assert (CHART / "templates" / f"{name.replace('-', '')}.yaml").exists()
    priorities = (CHART / "templates" / "priorityclass.yaml").read_text()
    for name, value in re.findall(r"`(\w+)` \((\d+)\)", PAGE):
        assert f'"{name}" {value}' in priorities
