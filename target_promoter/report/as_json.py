"""A report as JSON; its form is documented in the README, and other programs read it."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from target_promoter.values.times import iso

if TYPE_CHECKING:
    from target_promoter.report.data import Report
    from target_promoter.report.person import Story

VERSION: Final = 1
"""Raised when a name goes away or means something else; names may be added without."""


def as_json(told: Report | Story) -> str:
    """Return a report as JSON: times as ISO 8601 in UTC, the rest as it is.

    Args:
        told: The report, or the story of a person.
    """
    return json.dumps({"version": VERSION, **_plain(asdict(told))}, indent=2, ensure_ascii=False, default=str)


def _plain(value: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {str(key): _plain(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if name.endswith("_at") and isinstance(value, float):
        return iso(value)
    return value
