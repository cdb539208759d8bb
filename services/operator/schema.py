"""Checks a value against a structural schema of Kubernetes, as the API server does."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def problems(value: Any, schema: Mapping[str, Any], path: str = "") -> list[str]:
    """What is wrong with ``value``, each with its path; nothing where it fits. Unknown fields are wrong."""
    return [f"{where or 'it'}: {what}" for where, what in _problems(value, schema, path)]


def _problems(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    if value is None and schema.get("nullable"):
        return
    kind = schema["type"]
    fits = isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")
    if not fits:
        yield path, f"must be of type {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield path, f"must be one of {', '.join(map(str, schema['enum']))}"
    if kind == "object":
        yield from _fields(value, schema, path)
    elif kind == "array":
        yield from _length(len(value), schema, "Items", path)
        for index, item in enumerate(value):
            yield from _problems(item, schema["items"], f"{path}[{index}]")
    elif kind == "string":
        yield from _length(len(value), schema, "Length", path)
        if "pattern" in schema and not re.fullmatch(schema["pattern"].removeprefix("^").removesuffix("$"), value):
            yield path, f"must match {schema['pattern']}"
    elif kind in ("integer", "number"):
        yield from _bounds(value, schema, path)


def _fields(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    known = schema["properties"]
    for name in schema.get("required", ()):
        if name not in value:
            yield path, f"{name} is missing"
    for name, item in value.items():
        where = f"{path}.{name}" if path else str(name)[:100]
        if name in known:
            yield from _problems(item, known[name], where)
        else:
            yield where, "is not a field"


def _length(length: int, schema: Mapping[str, Any], what: str, path: str) -> Iterator[tuple[str, str]]:
    if not schema.get(f"min{what}", 0) <= length <= schema.get(f"max{what}", math.inf):
        yield path, f"has a length of {length}"


def _bounds(value: float, schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if not low <= value <= high or (schema.get("exclusiveMinimum") and value == low):
        yield path, f"must be between {low:g} and {high:g}"
