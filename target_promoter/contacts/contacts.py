"""Contacts: which e-mail addresses may differ at Promoter from what they should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, text, update

from target_promoter.store.encoding import decode
from target_promoter.store.schema import contacts, throttles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_promoter.store.transaction import Transaction

_LOOKED_AT: Final = 1000

# In the words of the partial index, so that both databases use it.
_UNDELIVERED: Final = text("status IN ('pending', 'removing')")

# The request of an open claim holds the contact too, and may arrive later than one of the contact's own would.
_UNCLAIMED: Final = (
    select(throttles.c.survey_id).where(throttles.c.who == "e:" + contacts.c.email).scalar_subquery().is_(None)
)

# One that is waiting keeps its place in the queue.
_MARK_KNOWN: Final = """
    ON CONFLICT (email) DO UPDATE SET
        user_id = COALESCE(excluded.user_id, contacts.user_id),
        status = excluded.status, revision = contacts.revision + 1, attempts = 0, not_before = 0,
        changed_at = CASE
            WHEN contacts.status IN ('pending', 'removing') THEN contacts.changed_at ELSE excluded.changed_at
        END
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """A contact that a process has for itself, because a request for it is about to leave.

    Attributes:
        email: The contact's address.
        name: Who takes the lease.
        until: Until when nobody else may, and until when the request may be at work, in epoch seconds.
        tried: The hash of the form in the request.
    """

    email: str
    name: str
    until: float
    tried: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a contact's request.

    Attributes:
        email: The contact's address.
        lease: The name under which the request was made.
        revision: The contact's revision when it was made.
        status: The contact's new status, unless it changed since; None to leave it as it is.
        values: What else to write, by column.
    """

    email: str
    lease: str
    revision: int
    status: str | None
    values: dict[str, Any]


def mark(tx: Transaction, owners: Mapping[str, str | None], now: float, *, remove: bool = False) -> None:
    """Have delivery look at contacts, new and known.

    Args:
        owners: The contacts' addresses, in lower case, each with the user id of its person, if that is known.
        remove: Whether they are to be removed from Promoter, unless somebody living has the address.
    """
    status = "removing" if remove else "pending"
    rows = [(email, owners[email], status, 1, now) for email in sorted(owners)]
    tx.insert_rows(contacts, ("email", "user_id", "status", "revision", "changed_at"), rows, _MARK_KNOWN)


def mark_all(tx: Transaction, now: float, *, forget_sent: bool = False) -> int:
    """Have delivery look at every contact that somebody owns.

    Args:
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
    return tx.execute(update(contacts).where(where).values(values)).rowcount


def due(tx: Transaction, now: float, *, most: int) -> list[Any]:
    """Return contacts that delivery has to look at now, the longest pending first."""
    query = (
        select(contacts)
        .where(_UNDELIVERED, contacts.c.not_before <= now, contacts.c.leased_until <= now, _UNCLAIMED)
        .order_by(contacts.c.changed_at)
        .limit(most)
    )
    return list(tx.execute(query))


def next_due(tx: Transaction) -> float | None:
    """Return when the next contact can be worked on, in epoch seconds; None if none is pending."""
    columns = (contacts.c.not_before, contacts.c.leased_until)
    query = select(*columns).where(_UNDELIVERED, _UNCLAIMED).order_by(contacts.c.changed_at).limit(_LOOKED_AT)
    rows = tx.execute(query)
    return min((max(row) for row in rows), default=None)


def lease(tx: Transaction, leases: Sequence[Lease]) -> None:
    """Have contacts for this process alone.

    Args:
        leases: The leases, one for each contact.
    """
    names = ("email", "lease", "leased_until", "tried", "tried_until")
    rows = [(one.email, one.name, one.until, one.tried, one.until) for one in leases]
    tx.update_rows(contacts, names, rows)


def put_off(tx: Transaction, until: Mapping[str, float]) -> None:
    """Leave contacts alone until a time, in epoch seconds.

    Args:
        until: The time, in epoch seconds, by the contact's address.
    """
    tx.update_rows(contacts, ("email", "not_before"), list(until.items()))


def free_leases(tx: Transaction, is_dead: Callable[[str], bool]) -> None:
    """Give back the contacts of processes that died; what they sent may still be at work until `tried_until`.

    Args:
        is_dead: Whether the process of a lease's name surely died.
    """
    query = select(contacts.c.email, contacts.c.lease).where(contacts.c.lease.is_not(None))
    rows = [(row.email, None, 0.0) for row in tx.execute(query).all() if is_dead(row.lease)]
    tx.update_rows(contacts, ("email", "lease", "leased_until"), rows)


def set_status(tx: Transaction, statuses: Mapping[str, str]) -> None:
    """Say that contacts need no request.

    Args:
        statuses: Their new statuses, by address.
    """
    tx.update_rows(contacts, ("email", "status"), list(statuses.items()))


def record(tx: Transaction, results: Sequence[Result]) -> list[Result]:
    """Write what came of requests, all that came together with few statements.

    Args:
        results: What came of each.

    Returns:
        Those that were written: of a contact that is forgotten, or that somebody else has by now, nothing is.
    """
    emails = {one.email for one in results}
    known = {row.email: row for row in tx.rows_among("email, lease, revision", "contacts", "email", emails)}
    written: list[Result] = []
    alike: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for one in results:
        row = known.get(one.email)
        if row is None or row.lease != one.lease:
            continue
        changed = one.status is None or row.revision != one.revision
        values = one.values if changed else {**one.values, "status": one.status}
        alike.setdefault(("email", *values), []).append((one.email, *values.values()))
        written.append(one)
    for names, rows in alike.items():
        tx.update_rows(contacts, names, rows)
    return written


def note_surveyed(
    tx: Transaction, email: str, form: bytes, now: float, *, contact_lists: Iterable[int], is_current: bool
) -> bool:
    """Note that a survey's request brought a contact's form along.

    Args:
        contact_lists: The ids of the lists that the contact should be on, which a survey's request does not say.
        is_current: Whether that is still the form it should have.

    Returns:
        Whether a pending contact needs no request of its own any more.
    """
    row = tx.execute(select(contacts).where(contacts.c.email == email)).first()
    if row is None or row.leased_until > now or (row.tried_until > now and row.tried != form):
        return False  # A request of the contact's own is, or may be, at work: its answer decides.
    if not set(contact_lists) <= set(decode(row.sent_lists)):
        return False
    status = "synced" if is_current and row.status in {"pending", "refused"} else row.status
    values = {"sent": form, "synced_at": now, "status": status}
    tx.execute(update(contacts).where(contacts.c.email == email).values(values))
    return bool(row.status == "pending" and row.sent != form)
