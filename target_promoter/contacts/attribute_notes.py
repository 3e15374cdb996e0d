"""What became of attributes on their way to Promoter, for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from target_promoter.store.schema import attribute_notes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_promoter.store.transaction import Transaction


class _Note(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def detail(self) -> str: ...


def add(tx: Transaction, found: Iterable[_Note], now: float) -> None:
    """Remember that attributes were renamed, merged or left out.

    Args:
        found: What became of them.
    """
    rows = {(one.kind, one.name, one.detail) for one in found}
    tx.upsert(
        attribute_notes,
        [{"kind": kind, "name": name, "detail": detail, "noted_at": now} for kind, name, detail in sorted(rows)],
    )
