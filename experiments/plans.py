"""Plans by name, with what the command line puts over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from faceoff.errors import FaceOffError, Reason
from faceoff.presets import PLANS
from faceoff.types import Plan


def named(name: str, overrides: Iterable[str] = ()) -> Plan:
    """The preset ``name`` with ``overrides`` (``key=value`` on Plan's fields; several values joined by commas). Raises
    INVALID_ARGUMENT for a name, a key or a value that is not one."""
    if name not in PLANS:
        raise _invalid(f"There is no plan {name}.", f"Known: {', '.join(PLANS)}.")
    return replace(PLANS[name], **dict(_parse(override) for override in overrides))


def _parse(override: str) -> tuple[str, Any]:
    key, _, text = override.partition("=")
    defaults = {field.name: getattr(Plan(), field.name) for field in fields(Plan)}
    if key not in defaults:
        raise _invalid(f"A plan has no {key}.", f"It has {', '.join(defaults)}.")
    default = defaults[key]
    if isinstance(default, tuple):
        return key, tuple(filter(None, text.split(",")))
    try:
        return key, {"true": True, "false": False}[text] if isinstance(default, bool) else type(default)(text)
    except (ValueError, KeyError):
        raise _invalid(f"{text!r} cannot be a plan's {key}.", f"Its default is {default!s}.") from None


def _invalid(message: str, hint: str) -> FaceOffError:
    return FaceOffError(Reason.INVALID_ARGUMENT, message, hint)
