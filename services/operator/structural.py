"""From pydantic's JSON Schema to the structural schemas that a CustomResourceDefinition may have: no references, no unions, no
defaults (the models have them), and the bounds of OpenAPI 3.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = (
    "type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "required",
    "description", "x-kubernetes-list-type", "x-kubernetes-validations",
)  # fmt: skip
_EXACT = 2**53 - 1
"""The API server reads a bound as a double, and refuses every object where an integer's bound is no integer any more."""


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A structural schema that takes what ``schema`` takes, but for integers beyond 2**53. Raises ValueError for what has no
    structural form."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return structural({**target, **{key: schema[key] for key in ("description",) if key in schema}}, definitions)
    if "anyOf" in schema:
        kinds = [one for one in schema["anyOf"] if one.get("type") != "null"]
        if len(kinds) != 1:
            raise ValueError(f"a union has no structural form: {schema}")
        more = {key: schema[key] for key in ("description",) if key in schema}
        return {**structural({**kinds[0], **more}, definitions), "nullable": True}
    if "type" not in schema:
        raise ValueError(f"a schema without a type has no structural form: {schema}")
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if schema["type"] == "integer" and "maximum" in kept:
        kept["maximum"] = min(kept["maximum"], _EXACT)
    if "exclusiveMinimum" in schema:
        kept |= {"minimum": schema["exclusiveMinimum"], "exclusiveMinimum": True}
    if "items" in schema or "prefixItems" in schema:
        kept["items"] = structural(_item(schema), definitions)
    if "properties" in schema:
        kept["properties"] = {name: structural(one, definitions) for name, one in schema["properties"].items()}
    return kept


def _item(schema: Mapping[str, Any]) -> Any:
    """The one schema of an array's items."""
    items = schema.get("prefixItems") or [schema["items"]]
    if any(item != items[0] for item in items):
        raise ValueError(f"a tuple of different kinds has no structural form: {schema}")
    return items[0]
