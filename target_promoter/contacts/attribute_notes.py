"""What became of attributes on their way to Promoter, for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from target_promoter.store.schema import attribute_notes
from target_promoter.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


class _Note(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def detail(self) -> str: ...


def add(connection: Connection, found: Iterable[_Note], now: float) -> None:
    """Remember that attributes were renamed, merged or left out.

    Args:
        found: What became of them.
    """
    rows = {(one.kind, one.name, one.detail) for one in found}
    upsert(
        connection,
        attribute_notes,
        [{"kind": kind, "name": name, "detail": detail, "noted_at": now} for kind, name, detail in sorted(rows)],
    )
