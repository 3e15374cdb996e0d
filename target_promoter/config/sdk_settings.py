"""The settings that the SDK brings: their names, and checks of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from singer_sdk import Target

from target_promoter.config import checks
from target_promoter.config.schema import CONFIG_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CHECKS: Final[dict[str, Callable[[str, object], object]]] = {
    "boolean": checks.boolean,
    "integer": checks.count,
    "object": checks.mapping,
    "string": checks.text,
}


def schemas() -> dict[str, Any]:
    """Return the JSON schema of every setting that the SDK brings, by name."""
    schema: dict[str, dict[str, Any]] = {"properties": {}}
    Target.append_builtin_config(schema)
    return schema["properties"]


def all_settings() -> dict[str, Any]:
    """Return the JSON schema of every setting, our own and the SDK's, by name."""
    return {**CONFIG_SCHEMA["properties"], **schemas()}


def check(given: Mapping[str, object]) -> None:
    """Refuse a wrong setting of the SDK's; the SDK itself would show its value, or fail later on.

    Raises:
        ConfigError: One is wrong; the sentence names it and the mend, and does not show it.
    """
    for name, schema in schemas().items():
        if name not in given:
            continue
        for kind in schema["type"]:
            if kind in _CHECKS:
                _CHECKS[kind](name, given[name])
        allowed = schema.get("enum")
        if allowed is not None and given[name] not in allowed:
            checks.refuse(name, "is nothing that the SDK knows", f"use one of {', '.join(allowed)}")
    if given.get("flattening_enabled") and "flattening_max_depth" not in given:
        checks.refuse("flattening_max_depth", "is missing", "set it, such as to 3, or leave out `flattening_enabled`")
