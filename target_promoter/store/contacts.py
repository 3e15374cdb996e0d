"""Contacts: which e-mail addresses may differ at Promoter from what they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import case, func, select, update

from target_promoter.store.schema import contacts
from target_promoter.store.upsert import INSERT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


def mark(connection: Connection, emails: Iterable[str], now: float, *, remove: bool = False) -> None:
    """Have delivery look at contacts, new and known.

    Args:
        connection: The open writing transaction.
        emails: Their addresses, in lower case.
        now: The time, in epoch seconds.
        remove: Whether they are to be removed from Promoter, unless somebody living has the address.
    """
    rows = [
        {"email": email, "status": "removing" if remove else "pending", "revision": 1, "changed_at": now}
        for email in sorted(set(emails))
    ]
    if not rows:
        return
    statement = INSERT[connection.dialect.name](contacts)
    statement = statement.on_conflict_do_update(
        index_elements=["email"],
        set_={
            "status": statement.excluded.status,
            "revision": contacts.c.revision + 1,
            "attempts": 0,
            "not_before": 0.0,
            # One that is waiting keeps its place in the queue.
            "changed_at": case(
                ((contacts.c.status == "pending") | (contacts.c.status == "removing"), contacts.c.changed_at),
                else_=statement.excluded.changed_at,
            ),
        },
    )
    connection.execute(statement, rows)


def mark_all(connection: Connection, now: float, *, forget_sent: bool = False) -> int:
    """Have delivery look at every contact that somebody owns.

    Args:
        connection: The open writing transaction.
        now: The time, in epoch seconds.
        forget_sent: Whether to send each even if nothing changed.

    Returns:
        How many contacts.
    """
    values: dict[str, object] = {
        "status": "pending",
        "revision": contacts.c.revision + 1,
        "changed_at": now,
        "attempts": 0,
        "not_before": 0.0,
    }
    if forget_sent:
        values |= {"sent": None, "sent_lists": "[]", "refused": None}
    where = contacts.c.status.in_(("pending", "synced", "refused"))
    return connection.execute(update(contacts).where(where).values(values)).rowcount


def count_pending(connection: Connection) -> int:
    """Return how many contacts delivery has to look at."""
    where = contacts.c.status.in_(("pending", "removing"))
    return connection.scalar(select(func.count()).select_from(contacts).where(where)) or 0
