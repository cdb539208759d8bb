"""helm's own checks, and strict schemas for everything that it renders."""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from tests.chart.render import CHART, EVERYTHING, FILES, ROOT, SMALLEST, helm, kinds, objects, template
from tests.chart.validate import validate

ALL = [(file, ()) for file in FILES] + [("values.yaml", EVERYTHING), ("values.yaml", SMALLEST)]


@pytest.mark.parametrize("file", FILES)
def test_helm_finds_no_fault(file: str) -> None:
    done = helm("lint", "--strict", str(CHART), "-f", str(CHART / file))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("file", "sets"), ALL)
def test_every_object_is_of_its_schema(file: str, sets: tuple[str, ...]) -> None:
    for document in objects(file, sets):
        validate(document)


@pytest.mark.parametrize("example", sorted((ROOT / "deploy" / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_of_its_schema(example: Path) -> None:
    for document in yaml.safe_load_all(example.read_text()):
        validate(document)


def test_a_kind_that_nobody_has_a_schema_of_is_an_error() -> None:
    for group in ("apps/v1", "example.dev/v1"):
        with pytest.raises(KeyError):
            validate({"apiVersion": group, "kind": "Deploymint", "metadata": {"name": "x"}})


def test_a_misspelt_field_is_an_error() -> None:
    deployment = copy.deepcopy(kinds("Deployment")["detector"])
    deployment["spec"]["template"]["spec"]["containers"][0]["resource"] = {}
    monitor = copy.deepcopy(kinds("ServiceMonitor", "values-gpu.yaml")["services"])
    monitor["spec"]["endpoint"] = []
    for wrong in (deployment, monitor):
        with pytest.raises(jsonschema.ValidationError):
            validate(wrong)


@pytest.mark.parametrize(("file", "sets"), ALL)
def test_no_two_objects_have_one_name(file: str, sets: tuple[str, ...]) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in objects(file, sets)]
    assert len(names) == len(set(names))


def test_nothing_is_made_of_a_long_or_another_release_name() -> None:
    for release in ("photos", "a" * 53):
        done = helm("template", release, str(CHART))
        assert done.returncode == 0, done.stderr
        names = [one["metadata"]["name"] for one in yaml.safe_load_all(done.stdout) if one]
        assert all(len(name) <= 63 for name in names)
        assert all(name.startswith(release[:40]) for name in names)


def test_the_chart_stays_small(capsys: pytest.CaptureFixture[str]) -> None:
    templates = [path for path in (CHART / "templates").rglob("*") if path.is_file()]
    lines = {path.name: len(path.read_text().splitlines()) for path in templates}
    values = (CHART / "values.yaml").read_text().splitlines()
    began = time.monotonic()
    assert template("values.yaml").returncode == 0
    seconds = time.monotonic() - began
    with capsys.disabled():
        sys.stdout.write(
            f"\nchart: {sum(lines.values())} lines in {len(lines)} templates, values {len(values)}, {seconds:.2f} s\n"
        )
    assert sum(lines.values()) < 1300
    assert max(lines.values()) < 250
    assert len(values) < 200
    assert seconds < 10  # a third of a second on an idle machine
