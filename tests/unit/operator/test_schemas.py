"""The CRDs are what the models say, and Kubernetes takes them; the examples are what the CRDs say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from services.operator import crds, specs
from services.operator.schema import problems
from services.operator.structural import structural

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "deploy" / "examples").glob("*.yaml"))


def test_what_is_written_is_up_to_date() -> None:
    stale = [path.name for path, text in crds.files().items() if not path.exists() or path.read_text() != text]
    assert not stale, "run python -m services.operator.crds"


@pytest.mark.parametrize("plural", ["surrogatesets", "campaigns"])
def test_the_crds_are_valid_and_structural(plural: str) -> None:
    crd = yaml.safe_load((crds.CRDS / f"{plural}.yaml").read_text())
    for version in ("1.31", "1.37"):
        kubernetes_validate.validate(crd, version, strict=True)
    [version] = crd["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    assert {"Ready", "Complete"} & {column["name"] for column in version["additionalPrinterColumns"]}
    assert_structural(version["schema"]["openAPIV3Schema"])


def assert_structural(schema: dict[str, Any]) -> None:
    """Kubernetes' rules: a type everywhere, and nothing that has none."""
    assert schema["type"] in ("object", "array", "string", "integer", "number", "boolean")
    assert not {"$ref", "anyOf", "oneOf", "allOf", "$defs", "definitions", "uniqueItems", "additionalProperties"} & set(
        schema
    )
    assert ("items" in schema) == (schema["type"] == "array")
    for name in schema.get("required", ()):
        assert name in schema["properties"]
    for one in schema.get("properties", {}).values():
        assert_structural(one)
    if "items" in schema:
        assert_structural(schema["items"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_allowed(path: Path) -> None:
    one = yaml.safe_load(path.read_text())
    plural = f"{one['kind'].lower()}s"
    schema = crds.crds()[plural]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert problems(one["spec"], schema["properties"]["spec"]) == []
    (specs.surrogate_set if one["kind"] == "SurrogateSet" else specs.campaign)(one)


def test_the_documented_campaign_is_allowed() -> None:
    text = (ROOT / "docs" / "campaigns.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    assert problems(yaml.safe_load(text), crds.campaign_schema()) == []


@pytest.mark.parametrize(
    ("value", "schema", "said"),
    [
        ({"a": 1, "b": 2}, {"type": "object", "properties": {"a": {"type": "integer"}}}, ["b: is not a field"]),
        ({}, {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, ["it: a is missing"]),
        (True, {"type": "integer"}, ["it: must be of type integer"]),
        (1.0, {"type": "integer"}, ["it: must be of type integer"]),
        (1, {"type": "boolean"}, ["it: must be of type boolean"]),
        (float("nan"), {"type": "number", "minimum": 0}, ["it: must be between 0 and inf"]),
        (0, {"type": "number", "minimum": 0, "exclusiveMinimum": True}, ["it: must be between 0 and inf"]),
        (None, {"type": "string", "nullable": True}, []),
        (None, {"type": "string"}, ["it: must be of type string"]),
        ("a\n", {"type": "string", "pattern": "^a$"}, ["it: must match ^a$"]),
        ("b", {"type": "string", "enum": ["a"]}, ["it: must be one of a"]),
        ([1, "x"], {"type": "array", "items": {"type": "integer"}}, ["[1]: must be of type integer"]),
        ([1, 2], {"type": "array", "maxItems": 1, "items": {"type": "integer"}}, ["it: has a length of 2"]),
    ],
)
def test_problems(value: Any, schema: dict[str, Any], said: list[str]) -> None:
    assert problems(value, schema) == said


MIXED = [{"type": "string"}, {"type": "integer"}]


@pytest.mark.parametrize("schema", [{"anyOf": MIXED}, {}, {"prefixItems": MIXED, "type": "array"}])
def test_what_has_no_structural_form_is_said(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="structural form"):
        structural(schema)
