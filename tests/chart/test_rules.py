"""The rules and the dashboard as the chart renders them. promtool comes with Debian's package
prometheus and with Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.render import CHART, ROOT, kinds

TESTS = Path(__file__).with_name("rules.yaml")
SETS = ("monitoring.rules=true", "monitoring.dashboard=true", "monitoring.labels.release=prometheus")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not here: install the package prometheus"
)


@pytest.fixture(scope="module")
def groups() -> list[dict[str, Any]]:
    rule = kinds("PrometheusRule", "values.yaml", SETS)["rules"]
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    return list(rule["spec"]["groups"])


@pytest.fixture(scope="module")
def rules(groups: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rules") / "rules.yaml"
    file.write_text(yaml.dump({"groups": groups}))
    return file


def panels() -> list[dict[str, Any]]:
    data = kinds("ConfigMap", "values.yaml", SETS)["dashboard"]["data"]
    return list(json.loads(data["faceoff.json"])["panels"])


@needs_promtool
def test_promtool_finds_no_fault(rules: Path) -> None:
    done = subprocess.run(["promtool", "check", "rules", "--lint=all", rules], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("tests", [TESTS, ROOT / "tests" / "services" / "rules.yaml"], ids=["alerts", "rates"])
def test_rules_make_of_counters_what_they_should(rules: Path, tests: Path, tmp_path: Path) -> None:
    file = tmp_path / "tests.yaml"
    file.write_text(tests.read_text().replace("RULES", str(rules)))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_and_a_page(groups: list[dict[str, Any]]) -> None:
    tests, page = TESTS.read_text(), (ROOT / "docs" / "operations.md").read_text()
    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        name = rule["alert"]
        assert f"alertname: {name}" in tests
        assert f"### {name}\n" in page
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"


@needs_promtool
def test_panels_ask_what_prometheus_understands(tmp_path: Path) -> None:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    asked = [one.replace("$__rate_interval", "5m").replace("$namespace", ".*") for one in asked]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.dump({"groups": [{"name": "x", "rules": [
        {"record": f"panel_{number}", "expr": one} for number, one in enumerate(asked)
    ]}]}))  # fmt: skip
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_and_rules_ask_for_what_there_is(groups: list[dict[str, Any]]) -> None:
    """Every name is a metric of the services' code, or the record of a rule."""
    code = "".join(
        path.read_text() for folder in ("faceoff/rpc", "faceoff/jobs") for path in (ROOT / folder).glob("metrics.py")
    )
    told = set(re.findall(r'"(faceoff_\w+)"', code))
    records = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    asked = [rule["expr"] for group in groups for rule in group["rules"]]
    asked += [target["expr"] for panel in panels() for target in panel["targets"]]
    for expression in asked:
        bare = re.sub(r'"[^"]*"', "", expression)
        for name in re.findall(r"(?<![\w:])(\w+:faceoff_[\w:]+|faceoff_\w+)", bare):
            plain = re.sub(r"_(total|bucket|sum|count)$", "", name)
            assert name in records or plain in told or name in told, name


def test_panels_show_the_chosen_namespaces_only() -> None:
    for panel in panels():
        for target in panel["targets"]:
            metrics = re.findall(r"[\w:]*faceoff_[\w:]+\{?", re.sub(r'"[^"]*"', "", target["expr"]))
            assert metrics
            assert target["expr"].count('namespace=~"$namespace"') == len(metrics), panel["title"]


def test_panels_do_not_overlap() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in panels()]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in panels()}) == len(places)


def test_files_are_rendered_whole(groups: list[dict[str, Any]]) -> None:
    files = [yaml.safe_load(path.read_text())["groups"] for path in sorted((CHART / "files").glob("prometheus-*.yaml"))]
    assert {group["name"] for file in files for group in file} == {group["name"] for group in groups}
