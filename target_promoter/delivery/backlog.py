"""What is left to do, counted by indexes where there are some."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from target_promoter.store.transaction import Transaction

_NEXT_DUE: Final = text("SELECT min(due_at) FROM surveys WHERE status = 'queued' AND due_at > :now")

_CONTACTS: Final = text("""
    SELECT (SELECT count(*) FROM contacts WHERE status IN ('pending', 'removing'))
        + (SELECT count(*) FROM contacts WHERE status = 'list_unknown')
""")

_PEOPLE: Final = text("""
    SELECT count(*) FROM people WHERE email IS NULL AND (deleted_at IS NULL OR deleted_at < identified_at)
""")


def next_due_at(tx: Transaction, now: float) -> float | None:
    """Return when the next survey that waits for its day is due, in epoch seconds."""
    due: float | None = tx.scalar(_NEXT_DUE, {"now": now})
    return due


def count_contacts(tx: Transaction) -> int:
    """Return how many contacts are pending, those among them whose lists Promoter does not know."""
    return tx.scalar(_CONTACTS) or 0


def count_people(tx: Transaction) -> int:
    """Return how many people have no e-mail address yet."""
    return tx.scalar(_PEOPLE) or 0
