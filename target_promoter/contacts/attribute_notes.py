"""What became of attributes on their way to Promoter, for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_promoter.store.schema import attribute_notes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_promoter.contacts.attributes import Note
    from target_promoter.store.transaction import Transaction


def add(tx: Transaction, notes: Iterable[Note], now: float) -> None:
    """Remember that attributes were renamed, merged or left out."""
    rows = {(one.kind, one.name, one.detail) for one in notes}
    tx.upsert_rows(attribute_notes, ("kind", "name", "detail", "noted_at"), [(*row, now) for row in sorted(rows)])
