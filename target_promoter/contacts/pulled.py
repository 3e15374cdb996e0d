"""What the account holds, as `pull` read it: what of it counts, and who is in it.

What a request of this store brought counts more than a page that was asked for before its answer came.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import func, select, text, update

from target_promoter.contacts import contacts
from target_promoter.contacts.contacts import Contact
from target_promoter.contacts.wanted import ContactForm, contact_forms
from target_promoter.errors import DeliveryError
from target_promoter.people.identity import Identifiers, email_key, user_key
from target_promoter.promoter.client import ContactPage, ListedContact
from target_promoter.store import runs
from target_promoter.store.encoding import decode, encode
from target_promoter.store.outcomes import ContactStatus
from target_promoter.store.schema import pulled
from target_promoter.store.transaction import Transaction
from target_promoter.values.reading import email_address, person_id

UNSUBSCRIBED: Final = "unsubscribed at Promoter"
"""Why somebody is not surveyed."""

_NAMES: Final = ("first_name", "last_name")
_STEP: Final = 1000
_MOST_PAGES: Final = 100_000
_MOST_TWICE: Final = 1000  # Contacts that are read again because others were removed meanwhile.
_UNFINISHED: Final = "pull"
_LAST: Final = "pulled"


class PulledContact(msgspec.Struct, frozen=True):
    """What Promoter had under an address; the table says what its columns mean."""

    email: str
    read_at: float
    contact: Mapping[str, Any] | None = None
    lists: tuple[int, ...] = ()
    user_id: str | None = None
    unsubscribed: bool | None = None
    differs: bool = False

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes, as far as they are known."""
        attributes: Mapping[str, Any] = (self.contact or {}).get("attributes", {})
        return attributes

    def looks_as(self, form: ContactForm) -> bool:
        """Return whether a request for a form would change nothing, may Promoter merge attributes or replace them."""
        held = self.contact
        if held is None or not set(form.contact_lists) <= set(self.lists):
            return False
        return all(held.get(name) == form.contact.get(name) for name in ("attributes", *_NAMES))

    def has(self, form: ContactForm) -> bool:
        """Return whether it has all that a form says; it may have more."""
        held = self.contact or {}
        names = all(held.get(name) == form.contact[name] for name in _NAMES if name in form.contact)
        return names and form.contact["attributes"].items() <= _texts(self.attributes).items()


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if isinstance(value, str)}


_COLUMNS: Final = PulledContact.__struct_fields__
_SELECTED: Final = ", ".join(_COLUMNS)


def _held(row: Iterable[Any]) -> PulledContact:
    email, read_at, contact, lists, user_id, unsubscribed, differs = row
    said = None if contact is None else decode(contact)
    left = None if unsubscribed is None else bool(unsubscribed)
    return PulledContact(email, read_at, said, tuple(decode(lists)), user_id, left, bool(differs))


def load(tx: Transaction, emails: Iterable[str]) -> dict[str, PulledContact]:
    """Return what Promoter had under addresses, as it was last read."""
    return {row.email: _held(row) for row in tx.rows_among(_SELECTED, "pulled", "email", set(emails))}


def still_held(tx: Transaction, rows: Iterable[Contact], now: float) -> dict[str, PulledContact]:
    """Return what Promoter still has of contacts as it was read, by address: nothing was sent for them since."""
    of_email = {row.email: row for row in rows}
    found = [_held(row) for row in tx.rows_among(_SELECTED, "pulled", "contact IS NOT NULL AND email", of_email)]
    # What a survey's request brought along counts as sent, also where the contact has no row of its own.
    keys = {email_key(held.email): held.email for held in found}
    throttles = tx.rows_among("who, surveyed_at", "throttles", "who", keys)
    surveyed = {keys[row.who]: row.surveyed_at for row in throttles}
    since = max(float(runs.fact(tx, name) or 0.0) for name in (contacts.UNSENT_SINCE, "restored_at")) if found else 0.0
    return {
        held.email: held
        for held in found
        if _stands(held, of_email[held.email], max(since, surveyed.get(held.email) or 0.0), now)
    }


def _stands(held: PulledContact, row: Contact, since: float, now: float) -> bool:
    return max(row.synced_at or 0.0, row.tried_until, since) < held.read_at <= now


def among(tx: Transaction, emails: Collection[str]) -> set[str]:
    """Return those of the addresses that Promoter had a contact of."""
    return {row.email for row in tx.rows_among("email", "pulled", "email", set(emails))} if emails else set()


def unsubscribed_among(tx: Transaction, emails: Iterable[str]) -> set[str]:
    """Return those of the addresses that unsubscribed at Promoter, for which there is no way back."""
    return {row.email for row in tx.rows_among("email", "pulled", "unsubscribed = 1 AND email", set(emails))}


def addresses_of(tx: Transaction, user_ids: Iterable[str]) -> set[str]:
    """Return the addresses under which Promoter had any of the user ids."""
    return {row.email for row in tx.rows_among("email", "pulled", "user_id", set(user_ids))}


def owner_of(tx: Transaction, email: str) -> str | None:
    """Return the user id that Promoter had under an address."""
    held = load(tx, [email]).get(email)
    return None if held is None else held.user_id


def forget(tx: Transaction, whom: Identifiers) -> None:
    """Remove what was read of people."""
    named = pulled.c.user_id.in_(whom.user_ids)
    tx.execute(pulled.delete().where(pulled.c.email.in_(whom.own_emails) | named & pulled.c.email.not_in(whom.shared)))
    tx.execute(update(pulled).where(named).values(user_id=None, contact=None))


def remove(tx: Transaction, emails: Iterable[str]) -> None:
    """Record that contacts were removed from Promoter; that they unsubscribed stays."""
    for email in load(tx, emails):
        row = pulled.c.email == email
        tx.execute(update(pulled).where(row).values(contact=None, lists="[]", user_id=None))
        tx.execute(pulled.delete().where(row, func.coalesce(pulled.c.unsubscribed, 0) == 0))


@dataclass(frozen=True, slots=True)
class PageResult:
    """What was found on a page.

    Attributes:
        lacking: How many contacts on it lack what.
        lost: User ids that no longer have the contact that they had.
    """

    lacking: Counter[str]
    lost: frozenset[str]


def save_page(
    tx: Transaction, page: Iterable[ListedContact], contact_list: int | None, *, read_at: float, since: float
) -> PageResult:
    """Save the contacts of a page.

    Args:
        contact_list: The list whose contacts these are; None for all.
        read_at: When the page was asked for, in epoch seconds.
        since: When this reading of the account began: what was read before it is replaced.
    """
    lacking: Counter[str] = Counter()
    listed = [(one, email_address(one.email)) for one in page]
    known = load(tx, {email for _, email in listed if email is not None})
    changed: dict[str, PulledContact] = {}
    for one, email in listed:
        lacking["email"] += email is None
        lacking["spelling"] += email is not None and one.email != email
        if email is None:
            continue
        lists = () if contact_list is None else (contact_list,)
        user_id = person_id((one.attributes or {}).get("user_id"))
        held = PulledContact(email, read_at, _said(one, email), lists, user_id, one.unsubscribed)
        before = changed.get(email, known.get(email))
        changed[email] = held if before is None else _after(before, held, is_of_same=before.read_at >= since)
    had = {one.user_id for email, one in known.items() if one.user_id != changed[email].user_id}
    _save(tx, _without_forgotten(tx, changed))
    return PageResult(lacking, frozenset(one for one in had if one is not None))


def _said(one: ListedContact, email: str) -> dict[str, Any] | None:
    """Return the names and attributes of a contact; None if they are not known whole.

    Promoter may take an address in capitals for another contact than the one that would be sent.
    """
    if one.attributes is None or one.email != email:
        return None
    # Promoter keeps no lists and objects; how deep one may be nobody knows.
    kept = {name: None if isinstance(value, (dict, list)) else value for name, value in one.attributes.items()}
    names = {name: value if isinstance(value, str) else str(type(value)) for name, value in one.names.items()}
    return {**names, "attributes": kept}


def _after(before: PulledContact, held: PulledContact, *, is_of_same: bool) -> PulledContact:
    """Return what is known of an address that was read before.

    Args:
        is_of_same: Whether in the same reading of the account: it stands on several lists, or on two pages, or in
            capitals too.
    """
    left = before.unsubscribed if held.unsubscribed is None else held.unsubscribed
    if not is_of_same:
        return msgspec.structs.replace(held, unsubscribed=left)
    return msgspec.structs.replace(
        held,
        read_at=min(before.read_at, held.read_at),
        contact=before.contact if held.contact is None else held.contact,
        lists=tuple(sorted({*before.lists, *held.lists})),
        user_id=held.user_id if held.user_id == before.user_id else None,
        unsubscribed=True if before.unsubscribed else left,
    )


def _without_forgotten(tx: Transaction, found: Mapping[str, PulledContact]) -> list[PulledContact]:
    if not runs.anybody_forgotten(tx):
        return list(found.values())
    keys = {key for one in found.values() for key in _keys(one)}
    gone = runs.forgotten_among(tx, keys)
    return [one for one in found.values() if gone.isdisjoint(_keys(one))]


def _keys(held: PulledContact) -> tuple[str, ...]:
    return (email_key(held.email), *(() if held.user_id is None else (user_key(held.user_id),)))


def _save(tx: Transaction, changed: Iterable[PulledContact]) -> None:
    rows = [
        (
            one.email,
            one.read_at,
            None if one.contact is None else encode(one.contact),
            encode(one.lists),
            one.user_id,
            None if one.unsubscribed is None else int(one.unsubscribed),
            int(one.differs),
        )
        for one in changed
    ]
    tx.upsert_rows(pulled, _COLUMNS, rows)


def count(tx: Transaction, since: float) -> int:
    """Return how many addresses were read since a time, in epoch seconds."""
    return tx.scalar(select(func.count()).select_from(pulled).where(pulled.c.read_at >= since)) or 0


def by_user_id(tx: Transaction, after: str, since: float) -> dict[str, list[PulledContact]]:
    """Return what was read since a time, in epoch seconds, under the next user ids in their order.

    A user id under which nothing was read since has no contact any more.
    """
    column = pulled.c.user_id
    ids = list(tx.scalars(select(column).where(column > after).distinct().order_by(column).limit(_STEP)))
    found: dict[str, list[PulledContact]] = {one: [] for one in ids}
    for held in map(_held, tx.rows_among(_SELECTED, "pulled", "user_id", ids)):
        if held.read_at >= since and held.user_id is not None:
            found[held.user_id].append(held)
    return found


def compare_sent(tx: Transaction, after: str, lists_read: Collection[int], now: float) -> str | None:
    """Find out which of the next contacts are otherwise than they were sent.

    Args:
        after: The address behind which they come, in the order of addresses.
        lists_read: The ids of the lists whose contacts are known.

    Returns:
        The last of them; None if there are no more.
    """
    emails = list(tx.scalars(select(pulled.c.email).where(pulled.c.email > after).order_by("email").limit(_STEP)))
    rows = [row for row in contacts.load(tx, emails).values() if row.status is ContactStatus.SYNCED and row.sent]
    held = still_held(tx, rows, now)
    forms = contact_forms(tx, held, ())
    changed = []
    for row in rows:
        one, form = held.get(row.email), forms.get(row.email)
        if one is not None and form is not None and row.sent == form.digest:
            left = set(lists_read).intersection(row.sent_lists).difference(one.lists)
            changed.append((row.email, int(bool(left) or not one.has(form))))
    tx.update_rows(pulled, ("email", "differs"), changed)
    return emails[-1] if len(emails) == _STEP else None


def remove_missing(tx: Transaction, since: float) -> None:
    """Remove contacts that were no longer found since a time, in epoch seconds; that they unsubscribed stays."""
    old = pulled.c.read_at < since
    tx.execute(pulled.delete().where(old, func.coalesce(pulled.c.unsubscribed, 0) == 0))
    tx.execute(update(pulled).where(old).values(contact=None, lists="[]", user_id=None, differs=0))


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of the contacts that Promoter had.

    Attributes:
        unsubscribed: Those that unsubscribed, also if they are gone since.
        changed: Those that were changed there since they were sent.
        of_no_stream: Those that no tap brought.
        formless: Those of which it is not known how they look.
        silent: Those of which Promoter does not say whether they unsubscribed.
    """

    unsubscribed: int
    changed: int
    of_no_stream: int
    formless: int
    silent: int


_FIGURES: Final = text("""
    SELECT sum(CASE WHEN pulled.unsubscribed = 1 THEN 1 ELSE 0 END),
        sum(CASE WHEN pulled.differs = 1 AND coalesce(contacts.synced_at, 0) < pulled.read_at THEN 1 ELSE 0 END),
        sum(CASE WHEN pulled.read_at >= :since
            AND (contacts.email IS NULL OR contacts.status = 'unowned' AND contacts.sent IS NULL) THEN 1 ELSE 0 END),
        sum(CASE WHEN pulled.read_at >= :since AND pulled.contact IS NULL THEN 1 ELSE 0 END),
        sum(CASE WHEN pulled.read_at >= :since AND pulled.unsubscribed IS NULL THEN 1 ELSE 0 END)
    FROM pulled LEFT JOIN contacts ON contacts.email = pulled.email
""")


def figures(tx: Transaction, reading: PullProgress) -> Figures:
    """Return the figures of the contacts as the account was read."""
    found = tx.execute(_FIGURES, {"since": reading.started_at}).one()
    return Figures(*(number or 0 for number in found))


class PullProgress(msgspec.Struct, frozen=True):
    """How far the account was read: list by list, then all contacts, of each the pages.

    Attributes:
        started_at: When it began, in epoch seconds.
        lists: The ids of the lists that are still to be read.
        lists_read: The ids of those that were.
        page: The page to ask for next.
        count: How many contacts there were by the last page; null if it did not say.
        asked: How many pages were asked for of this list, or of all.
        read: How many contacts stood on them.
        mark: That of the last page.
        beyond: The page that was last found to be behind the last one.
        is_whole: Whether all was read.
        pages: How many pages were read at all.
        lacking: How many contacts of this list, or of all, had no usable `email`, or one of another `spelling`.
        lacking_before: The same of the list of which they were most.
        contacts: How many addresses were read; known at its end.
        finished_at: When it ended, in epoch seconds.
    """

    started_at: float
    lists: tuple[int, ...] = ()
    lists_read: tuple[int, ...] = ()
    page: int = 1
    count: int | None = None
    asked: int = 0
    read: int = 0
    mark: str = ""
    beyond: int | None = None
    is_whole: bool = False
    pages: int = 0
    lacking: Mapping[str, int] = {}
    lacking_before: Mapping[str, int] = {}
    contacts: int = 0
    finished_at: float | None = None

    @property
    def contact_list(self) -> int | None:
        """The id of the list that is read now; None once all contacts are."""
        return self.lists[0] if self.lists else None

    @property
    def lacking_most(self) -> dict[str, int]:
        """How many contacts had no usable `email`, or one of another `spelling`; a contact on lists counts once."""
        both = (self.lacking, self.lacking_before)
        return {name: max(one.get(name, 0) for one in both) for name in ("email", "spelling")}

    def after(self, page: ContactPage, lacking: Counter[str], seen: int) -> PullProgress:
        """Return how far it is once a page was kept.

        Args:
            lacking: How many contacts on the page lack what.
            seen: How many addresses were read so far.

        Raises:
            EndlessPagesError: The same pages come again and again.
        """
        size = len(page.contacts)
        if self.asked > _MOST_PAGES or (size and page.mark == self.mark):
            raise EndlessPagesError(self.page)
        count = self.count if page.count is None else page.count
        if count is not None and self.read + size > 2 * max(count, self.count or 0) + _MOST_TWICE:
            raise EndlessPagesError(self.page)
        asked, read, pages = self.asked + 1, self.read + size, self.pages + 1
        added = {name: self.lacking.get(name, 0) + number for name, number in lacking.items()}
        here = msgspec.structs.replace(
            self, count=count, asked=asked, read=read, pages=pages, mark=page.mark, lacking={**self.lacking, **added}
        )
        gone = (self.count or 0) - (page.count or 0) if page.count is not None else 0
        if page.is_beyond and self.beyond != self.page:
            return msgspec.structs.replace(here, page=self.page - 1, beyond=self.page, mark="")
        if gone > 0 and self.page > 1:
            # Contacts were removed: what stood on this page may have moved to one that was read already.
            back = max(1, self.page - math.ceil(gone / max(size, 1)))
            return msgspec.structs.replace(here, page=back, mark="")
        on_lists = bool(self.lists_read) and seen == page.count and not here.lacking_most["email"]
        if page.has_next and size and not (self.page == 1 and not self.lists and on_lists):
            return msgspec.structs.replace(here, page=self.page + 1)
        if not self.lists:
            return msgspec.structs.replace(here, is_whole=True)
        lists_read = (*self.lists_read, self.lists[0])
        return PullProgress(self.started_at, self.lists[1:], lists_read, pages=pages, lacking_before=here.lacking_most)


class EndlessPagesError(DeliveryError):
    """The pages of the account have no end."""

    def __init__(self, page: int) -> None:
        super().__init__(
            f"Promoter's pages of contacts repeat themselves (page {page:,} again): nothing more is read; "
            "ask Promoter, or whoever runs the server at `api_url`."
        )


def unfinished(tx: Transaction) -> PullProgress | None:
    """Return how far the account was read by a pull that was stopped; None if none was."""
    return _fact(tx, _UNFINISHED)


def last(tx: Transaction) -> PullProgress | None:
    """Return the last reading of the account that came to its end; None if there was none."""
    return _fact(tx, _LAST)


def _fact(tx: Transaction, name: str) -> PullProgress | None:
    told = runs.fact(tx, name)
    return msgspec.json.decode(told, type=PullProgress) if told else None


def save_progress(tx: Transaction, reading: PullProgress) -> None:
    """Save how far the account was read."""
    runs.set_fact(tx, _UNFINISHED, encode(reading))


def finish(tx: Transaction, reading: PullProgress, now: float) -> PullProgress:
    """Record that the account was read to its end; contacts that were not found are removed."""
    remove_missing(tx, reading.started_at)
    done = msgspec.structs.replace(reading, contacts=count(tx, reading.started_at), finished_at=now)
    runs.set_fact(tx, _LAST, encode(done))
    runs.set_fact(tx, _UNFINISHED, "")
    return done
