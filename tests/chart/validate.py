"""Strict schemas for every object: Kubernetes' own of kubernetes-validate, our CRDs', and of others' kinds what we use of them
(foreign.yaml). A kind that none of them has is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import yaml

from tests.chart.render import CHART, Object

VERSIONS = ("1.30", "1.37")
"""The oldest that the chart takes, and the newest that there is a schema of."""


def validate(document: Object) -> None:
    """Raises jsonschema.ValidationError, or KeyError for a kind without a schema."""
    group = document["apiVersion"].rpartition("/")[0]
    if group == "" or group.endswith(".k8s.io") or "." not in group:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.SchemaNotFoundError as error:
                raise KeyError(str(error)) from None
        return
    kind = f"{document['apiVersion']}/{document['kind']}"
    if kind in _ours():
        jsonschema.Draft4Validator(_ours()[kind]).validate(document)  # the draft that CRDs' schemas are of
    else:
        jsonschema.validate(document, _foreign()[kind])


@cache
def _ours() -> dict[str, Any]:
    found = {}
    for file in (CHART / "crds").glob("*.yaml"):
        spec = yaml.safe_load(file.read_text())["spec"]
        for version in spec["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
            found[f"{spec['group']}/{version['name']}/{spec['names']['kind']}"] = schema
    return found


def _strict(schema: Any) -> Any:
    """What the API server prunes is an error here."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        strict["additionalProperties"] = False
    return strict


@cache
def _foreign() -> dict[str, Any]:
    return dict(yaml.safe_load(Path(__file__).with_name("foreign.yaml").read_text()))
