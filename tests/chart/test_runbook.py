"""docs/operations.md says of every alert what it means, how it is seen, what to do and whether to wake somebody."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.render import CHART, FILES, ROOT, Object, kinds

PAGE = (ROOT / "docs" / "operations.md").read_text()
PARTS = ("Means", "See", "Do", "Wake somebody")


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text()) for path in sorted((CHART / "files").glob("prometheus-*.yaml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def entries() -> dict[str, str]:
    """What stands below each heading with an alert's name."""
    found = re.findall(r"^### (Faceoff\w+)\n(.*?)(?=^##)", PAGE, re.M | re.S)
    assert len({name for name, _ in found}) == len(found)
    return dict(found)


def queries() -> list[str]:
    blocks = re.findall(r"```promql\n(.*?)```", PAGE, re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_every_alert_has_an_entry_and_every_entry_an_alert() -> None:
    assert set(entries()) == set(alerts())


@pytest.mark.parametrize("name", sorted(alerts()))
def test_entries_are_whole(name: str) -> None:
    entry = entries()[name]
    assert tuple(re.findall(r"^\*\*(.*?):\*\*", entry, re.M)) == PARTS
    see = entry.partition("**See:**")[2].partition("**Do:**")[0]
    assert "```promql\n" in see
    wake = entry.partition("**Wake somebody:** ")[2]
    assert wake.startswith("yes" if alerts()[name]["labels"]["severity"] == "critical" else "no")


def test_alerts_that_the_page_speaks_of_are_there() -> None:
    assert set(re.findall(r"\bFaceoff[A-Z]\w+", PAGE)) <= set(alerts())


def test_reasons_for_refusals_are_explained() -> None:
    """Those that the board refuses with, and no others."""
    code = (ROOT / "faceoff" / "jobs" / "board.py").read_text().partition("checks = (")[2].partition("for name")[0]
    reasons = set(re.findall(r'^\s+\("(\w+)",', code, re.M))
    assert len(reasons) == 5
    assert set(re.findall(r"^\| `(\w+)` \|", entries()["FaceoffJobsAreRefused"], re.M)) == reasons


GIB = {"Mi": 1 / 1024, "Gi": 1.0}


def gib(quantity: str) -> float:
    return float(quantity[:-2]) * GIB[quantity[-2:]]


def asked(pod: Object, replicas: int = 1) -> list[float]:
    """Cores and GiB of memory that so many of a pod ask for."""
    found = [one["resources"]["requests"] for one in pod["containers"]]
    cores = [str(one["cpu"]) for one in found]
    return [
        replicas * sum(float(one[:-1]) / 1000 if one.endswith("m") else float(one) for one in cores),
        replicas * sum(gib(one["memory"]) for one in found),
    ]


@pytest.mark.parametrize(("column", "file"), list(enumerate(FILES)))
def test_what_an_installation_asks_for(column: int, file: str) -> None:
    """As many of everything as there are at first."""
    running = {
        kind: kinds(kind, file).values() for kind in ("Deployment", "StatefulSet", "Job", "PersistentVolumeClaim")
    }
    specs = [one["spec"] for kind in ("Deployment", "StatefulSet") for one in running[kind]]
    whole = [asked(one["template"]["spec"], one.get("replicas", 1)) for one in specs]
    claims = [one["spec"] for one in running["PersistentVolumeClaim"]]
    claims += [one["spec"] for spec in specs for one in spec.get("volumeClaimTemplates", [])]
    disk = sum(gib(one["resources"]["requests"]["storage"]) for one in claims)
    said = [round(sum(amounts), 2) for amounts in zip(*whole, strict=True)]

    def row(name: str) -> str:
        (cells,) = re.findall(rf"^\| {name} \| (.*?) \|$", PAGE, re.M)
        return str(cells.split(" | ")[column])

    assert row("asks for").startswith(f"{said[0]:g} cores, {said[1]:g} GiB, {disk:g} GiB of disk")
    assert ("GPU" in row("asks for")) == ("nvidia.com/gpu" in str(specs))
    (job,) = running["Job"]
    cores, memory = asked(job["spec"]["template"]["spec"])
    assert row("and while networks are fetched") in (f"{cores:g} cores, {memory:g} GiB", "the same")


def test_metrics_that_the_page_names_are_there() -> None:
    code = "".join(path.read_text() for path in (ROOT / "faceoff").rglob("*.py"))
    known = set(re.findall(r'"(faceoff_\w+)"', code)) | {rule["record"] for rule in rules() if "record" in rule}
    for name in re.findall(r"(?<![\w:.$])((?:\w+:)?faceoff_\w+(?::\w+)?)", PAGE):
        plain = re.sub(r"_(total|bucket|sum|count)$", "", name)
        assert name in known or plain in known, name


def test_values_that_the_page_names_are_there() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in re.findall(r"`((?:access|jobs|models|modelServer|nats|monitoring|victims)(?:\.\w+)+)`", PAGE):
        if path.endswith((".yaml", ".json")):
            continue
        here: Any = values
        for word in path.split("."):
            assert word in here, path
            here = here[word]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here: install the package prometheus")
def test_queries_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "queries.yaml"
    asked = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries())]
    file.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": asked}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
