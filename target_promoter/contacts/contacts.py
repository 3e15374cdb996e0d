"""Contacts: which e-mail addresses may differ at Promoter from what they should be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, select, text, update

from target_promoter.contacts.attributes import Note
from target_promoter.people.identity import Identifiers
from target_promoter.store import runs
from target_promoter.store.encoding import decode, encode
from target_promoter.store.outcomes import ContactStatus
from target_promoter.store.schema import attribute_notes, contacts, lists_to_leave, people, throttles
from target_promoter.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Contact:
    """An e-mail address at Promoter.

    Attributes:
        user_id: The person that had it last.
        revision: Grows with every change, so that an answer to an older form does not end a newer one.
        changed_at: Since when it is in its place in the queue, in epoch seconds.
        sent: The hash of the form last sent.
        sent_lists: The ids of all lists it was ever sent with: Promoter adds to them and takes nobody off.
        synced_at: When it was last sent, in epoch seconds.
        refused: The hash of the form, lists included, that Promoter refused.
        reason: Promoter's words to that.
        attempts: How many requests for it failed in a row.
        not_before: Until when it is left alone, in epoch seconds.
        tried: The hash of the form in the last request that may have been carried out though no answer says so, or the
            mark of one that takes the contact off a list.
        tried_until: Until when that may still be at work, in epoch seconds.
        lease: The name under which a process has it for itself, because a request for it is about to leave.
        leased_until: Until when, in epoch seconds.
    """

    email: str
    user_id: str | None
    status: ContactStatus
    revision: int
    changed_at: float
    sent: bytes | None
    sent_lists: tuple[int, ...]
    synced_at: float | None
    refused: bytes | None
    reason: str | None
    attempts: int
    not_before: float
    tried: bytes | None
    tried_until: float
    lease: str | None
    leased_until: float

    def has_other_at_work(self, form: bytes, now: float) -> bool:
        """Return whether a request with another form may still be at work, and so arrive after one that leaves now."""
        return self.tried_until > now and self.tried != form

    def is_known_to_have(self, form: bytes) -> bool:
        """Return whether Promoter has a form for sure: no request with another one got no answer since."""
        return self.sent == form and (self.tried in {None, form} or self.tried.startswith(LEAVING))


_COLUMNS: Final = tuple(Contact.__slots__)
_SELECTED: Final = tuple(contacts.c[name] for name in _COLUMNS)
_VALUES: Final = attrgetter(*_COLUMNS)
_STATUS: Final = _COLUMNS.index("status")
_LISTS: Final = _COLUMNS.index("sent_lists")

LEAVING: Final = b"leave "
"""How the mark of a request that takes a contact off a list begins."""

UNSENT_SINCE: Final = "unsent_since"
"""The fact since when earlier knowledge of contacts at Promoter is void, in epoch seconds."""

_LOOKED_AT: Final = 1000
_MOST_AHEAD_SECONDS: Final = 3600.0
"""Further ahead than a clock that is right ever sets a time of a contact."""

# In the words of the partial index, so that both databases use it.
_UNDELIVERED: Final = text("status IN ('pending', 'removing')")

# By an index of few rows each.
_PENDING: Final = text("""
    SELECT (SELECT count(*) FROM contacts WHERE status IN ('pending', 'removing'))
        + (SELECT count(*) FROM contacts WHERE status = 'list_unknown')
""")

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


def mark_dirty(tx: Transaction, owners: Mapping[str, str | None], now: float, *, remove: bool = False) -> None:
    """Have delivery look at contacts, new and known.

    Args:
        owners: The contacts' addresses, in lower case, each with the user id of its person, if that is known.
        remove: Whether they are to be removed from Promoter, unless somebody living has the address.
    """
    status = ContactStatus.REMOVING if remove else ContactStatus.PENDING
    rows = [(email, owners[email], status.value, 1, now) for email in sorted(owners)]
    tx.insert_rows(contacts, ("email", "user_id", "status", "revision", "changed_at"), rows, _MARK_KNOWN)


def owner_of(tx: Transaction, email: str) -> str | None:
    """Return the user id of the person that had an address last."""
    user_id: str | None = tx.scalar(select(contacts.c.user_id).where(contacts.c.email == email))
    return user_id


def addresses_of(tx: Transaction, user_ids: Iterable[str]) -> set[str]:
    """Return the addresses that were last any of these people's, older ones among them."""
    return {row.email for row in tx.rows_among("email", "contacts", "user_id", set(user_ids))}


def forget(tx: Transaction, whom: Identifiers, now: float) -> int:
    """Remove the contacts of people, and return how many they were; whoever has an address too may own its contact."""
    mark_dirty(tx, dict.fromkeys(whom.shared), now)
    owned = contacts.c.email.in_(whom.shared) & contacts.c.user_id.in_(whom.user_ids)
    tx.execute(update(contacts).where(owned).values(user_id=None))
    tx.execute(lists_to_leave.delete().where(lists_to_leave.c.email.in_(whom.own_emails)))
    return tx.execute(contacts.delete().where(contacts.c.email.in_(whom.own_emails))).rowcount


def of_deleted_people(tx: Transaction) -> list[str]:
    """Return the addresses of contacts whose person was deleted and not identified since, and that were not removed."""
    deleted = people.c.deleted_at.is_not(None) & (people.c.deleted_at >= people.c.identified_at)
    joined = contacts.join(people, people.c.user_id == contacts.c.user_id)
    of_deleted = select(people.c.user_id).where(deleted)
    tx.bring(select(people).where(deleted))
    tx.bring(select(contacts).where(contacts.c.user_id.in_(of_deleted)))
    query = select(contacts.c.email).select_from(joined)
    return list(tx.scalars(query.where(deleted, contacts.c.status != ContactStatus.REMOVED)))


def mark_all_dirty(tx: Transaction, now: float, *, forget_sent: bool = False) -> int:
    """Have delivery look at every contact that somebody owns, and return how many there are.

    Args:
        forget_sent: Whether to send each even if nothing changed.
    """
    sent: dict[str, object] = {}
    if forget_sent:
        sent = {"sent": None, "sent_lists": "[]", "refused": None}
        runs.set_fact(tx, UNSENT_SINCE, repr(now))
    owned = (ContactStatus.PENDING, ContactStatus.LIST_UNKNOWN, ContactStatus.SYNCED, ContactStatus.REFUSED)
    return _mark(tx, contacts.c.status.in_(owned), now, **sent)


def retry(tx: Transaction, email: str, now: float) -> None:
    """Have a refused contact sent again though it did not change."""
    _mark(tx, (contacts.c.email == email) & (contacts.c.status == ContactStatus.REFUSED), now, refused=None)


def join_lists(tx: Transaction, contact_lists: Iterable[int], now: float) -> None:
    """Have delivery look at every contact if there are lists for all of them that no run on this store had yet.

    What another loader's config has beside these stays: contacts only ever join lists.
    """
    known_text, lists = runs.fact(tx, "contact_lists"), set(contact_lists)
    known = set(decode(known_text or "[]"))
    if known_text is not None and not lists <= known:
        mark_all_dirty(tx, now)
    if known_text is None or not lists <= known:
        runs.set_fact(tx, "contact_lists", encode(sorted(known | lists)))


def leave_lists(tx: Transaction, lists: Iterable[tuple[str, int]]) -> None:
    """Have contacts be taken off lists, as pairs of address and list, unless a stream names them for them by then."""
    tx.upsert_rows(lists_to_leave, ("email", "list_id"), sorted(set(lists)))


def lists_left(tx: Transaction, emails: Iterable[str]) -> dict[str, list[int]]:
    """Return the lists that contacts are to be taken off, ascending, by address."""
    found: dict[str, list[int]] = {}
    if tx.any(select(lists_to_leave.c.list_id)):
        for email, number in sorted(tx.rows_among("email, list_id", "lists_to_leave", "email", set(emails))):
            found.setdefault(email, []).append(number)
    return found


def end_leaving(tx: Transaction, lists: Iterable[tuple[str, int]]) -> None:
    """Stop taking contacts off lists, given as pairs of address and list."""
    for email, number in lists:
        row = (lists_to_leave.c.email == email) & (lists_to_leave.c.list_id == number)
        tx.execute(lists_to_leave.delete().where(row))


def retry_unknown_lists(tx: Transaction) -> None:
    """Have delivery look again at contacts whose lists Promoter did not know: they may be there by now."""
    unknown = contacts.c.status == ContactStatus.LIST_UNKNOWN
    tx.execute(update(contacts).where(unknown).values(status=ContactStatus.PENDING))


def due(tx: Transaction, now: float, *, most: int) -> list[Contact]:
    """Return contacts that delivery has to look at now, the longest pending first."""
    query = (
        select(*_SELECTED)
        .where(_UNDELIVERED, contacts.c.not_before <= now, contacts.c.leased_until <= now, _UNCLAIMED)
        .order_by(contacts.c.changed_at)
        .limit(most)
    )
    return [_contact(row) for row in tx.execute(query)]


def next_due(tx: Transaction) -> float | None:
    """Return when the next contact can be worked on, in epoch seconds; None if none is pending."""
    columns = (contacts.c.not_before, contacts.c.leased_until)
    query = select(*columns).where(_UNDELIVERED, _UNCLAIMED).order_by(contacts.c.changed_at).limit(_LOOKED_AT)
    rows = tx.execute(query)
    return min((max(row) for row in rows), default=None)


def count_pending(tx: Transaction) -> int:
    """Return how many contacts are pending, those among them whose lists Promoter does not know."""
    return tx.scalar(_PENDING) or 0


def load(tx: Transaction, emails: Iterable[str]) -> dict[str, Contact]:
    """Return contacts by address."""
    rows = tx.rows_among(", ".join(_COLUMNS), "contacts", "email", set(emails))
    return {row.email: _contact(row) for row in rows}


def save(tx: Transaction, changed: Sequence[Contact]) -> None:
    """Overwrite contacts, all with one statement."""
    tx.update_rows(contacts, _COLUMNS, [_row(one) for one in changed])


def free_leases(tx: Transaction, is_dead: Callable[[str], bool]) -> None:
    """Release the contacts of processes that died; what they sent may still be at work until `tried_until`.

    Args:
        is_dead: Whether the process of a lease's name surely died.
    """
    query = select(contacts.c.email, contacts.c.lease).where(contacts.c.lease.is_not(None))
    rows = [(row.email, None, 0.0) for row in tx.execute(query).all() if is_dead(row.lease)]
    tx.update_rows(contacts, ("email", "lease", "leased_until"), rows)


def correct_times(tx: Transaction, now: float) -> None:
    """Correct the times of contacts that a wrong clock wrote, so that they wait no longer."""
    ahead = now + _MOST_AHEAD_SECONDS
    times = (contacts.c.not_before, contacts.c.leased_until, contacts.c.tried_until)
    is_ahead = (times[0] > ahead) | (times[1] > ahead) | (times[2] > ahead)
    # A request that was on its way then is no longer, unless the clock went wrong only just now.
    settled = {"not_before": now, "leased_until": 0.0, "tried_until": 0.0, "lease": None}
    tx.execute(update(contacts).where(_UNDELIVERED, is_ahead).values(**settled))


@dataclass(frozen=True, slots=True)
class Brought:
    """What a survey's request brought of its contact.

    Attributes:
        form: The hash of the form in it.
        revision: The contact's revision when the request was made; None if that is not known any more.
        contact_lists: The ids of the lists that the contact should be on, none of which the request brought.
    """

    form: bytes
    revision: int | None
    contact_lists: tuple[int, ...]


def record_surveyed(tx: Transaction, brought: Mapping[str, Brought], now: float) -> int:
    """Record that surveys' requests brought their contacts' forms along, by address, but none of their lists.

    Returns:
        How many contacts need no request of their own; of the others that is found when delivery looks at them.
    """
    rows = load(tx, brought)
    leaving = lists_left(tx, rows)
    changed: list[Contact] = []
    synced = 0
    for email, row in rows.items():
        one = brought[email]
        if row.leased_until > now or row.has_other_at_work(one.form, now):
            continue  # A request of the contact's own is, or may be, at work: its answer decides.
        status = ContactStatus.PENDING if row.status is ContactStatus.REFUSED else row.status
        is_whole = row.revision == one.revision and set(one.contact_lists) <= set(row.sent_lists)
        if row.status is ContactStatus.PENDING and is_whole and email not in leaving:
            status = ContactStatus.SYNCED
            synced += 1
        changed.append(replace(row, status=status, sent=one.form, synced_at=now, tried=one.form))
    save(tx, changed)
    return synced


def record_doubtful(tx: Transaction, forms: Mapping[str, bytes]) -> None:
    """Record the forms that surveys' requests may have brought, by address, though no answer says so."""
    rows = load(tx, forms)
    save(tx, [replace(row, tried=forms[email]) for email, row in rows.items()])


def _mark(tx: Transaction, where: ColumnElement[bool], now: float, **values: object) -> int:
    """Have delivery look at the contacts of a condition."""
    marked = {"status": ContactStatus.PENDING, "revision": contacts.c.revision + 1, "changed_at": now}
    marked |= {"attempts": 0, "not_before": 0.0}
    tx.bring(select(contacts).where(where, contacts.c.status.not_in((ContactStatus.PENDING, ContactStatus.REMOVING))))
    return tx.execute(update(contacts).where(where).values(**(marked | values))).rowcount


def _contact(row: Iterable[object]) -> Contact:
    values: list[Any] = list(row)
    values[_STATUS], values[_LISTS] = ContactStatus(values[_STATUS]), tuple(decode(values[_LISTS]))
    return Contact(*values)


def _row(contact: Contact) -> tuple[object, ...]:
    values = list(_VALUES(contact))
    values[_STATUS], values[_LISTS] = contact.status.value, encode(contact.sent_lists)
    return tuple(values)


def add_notes(tx: Transaction, notes: Iterable[Note], now: float) -> None:
    """Remember that attributes were renamed, merged or left out."""
    rows = {(one.kind, one.name, one.detail) for one in notes}
    tx.upsert_rows(attribute_notes, ("kind", "name", "detail", "noted_at"), [(*row, now) for row in sorted(rows)])
