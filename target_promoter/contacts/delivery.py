"""Contacts on their way: which differ from what was last sent, and what an answer, or none, means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

import backoff

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts, pulled
from target_promoter.contacts.attributes import Note
from target_promoter.contacts.contacts import Contact
from target_promoter.contacts.wanted import ContactForm, contact_forms
from target_promoter.promoter import transport
from target_promoter.promoter.answers import FAILURES, Answer, Outcome
from target_promoter.store.encoding import digest, encode
from target_promoter.store.outcomes import ContactStatus
from target_promoter.store.transaction import Transaction

_MOST_UNCHANGED: Final = 500
"""How many contacts a turn looks at beyond those it has time for, while it finds none that must be sent."""

_MOST_DOUBLINGS: Final = 6

_AS_SENT: Final = frozenset({ContactStatus.SYNCED, ContactStatus.REFUSED, ContactStatus.UNOWNED})
"""The contacts for which nothing is to be sent but, at the most, that they leave a list."""

_NUMBERS: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """A request for one contact.

    Attributes:
        email: The contact's address.
        revision: The contact's revision when the request was made.
        body: The request's body, JSON; None to remove the contact.
        digest: The hash of the form in the body.
        contact_lists: The ids of the lists in the body.
        tried: What `Contact.tried` was before.
        tried_until: Until when an earlier request with the same form may be at work, in epoch seconds.
        lease: The name under which it was made.
        leaves: The list that the contact is taken off by it; None if it is for the whole contact.
    """

    email: str
    revision: int
    body: str | None
    digest: bytes
    contact_lists: tuple[int, ...]
    tried: bytes | None
    tried_until: float
    lease: str = ""
    leaves: int | None = None


R = TypeVar("R")


@dataclass(slots=True)
class Claimed(Generic[R]):
    """What a look at the contacts, or the surveys, that are due found.

    Attributes:
        requests: What must now be sent.
        outcomes: How many came to each outcome without a request of their own.
        notes: What became of attributes.
        more: Whether there may be more to look at.
    """

    requests: list[R] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    notes: list[Note] = field(default_factory=list)
    more: bool = False


class ContactDelivery:
    """Makes requests for contacts and records their answers.

    Args:
        were_surveyed: Returns those of some addresses that were ever surveyed.

    Attributes:
        unknown_lists: The contact lists that Promoter does not know, with its words; their contacts stay pending.
    """

    def __init__(
        self,
        settings: Settings,
        leases: Iterator[str],
        were_surveyed: Callable[[Transaction, Collection[str]], Collection[str]],
    ) -> None:
        self._settings = settings
        self._leases = leases
        self._were_surveyed = were_surveyed
        self.unknown_lists: dict[int, str] = {}

    def next_due(self, tx: Transaction) -> float | None:
        """Return when the next contact can be worked on in this run, in epoch seconds; None if none can."""
        return None if self._is_every_list_unknown() else contacts.next_due(tx)

    def claim(self, tx: Transaction, now: float, slots: Sequence[float]) -> Claimed[ContactRequest]:
        """Lease contacts that differ from what was last sent, the longest pending first.

        Args:
            slots: When requests may leave, in epoch seconds; one contact each at the most.
        """
        found = Claimed[ContactRequest]()
        # As a rule each differs, and to look at more than can be sent is in vain; where many do not, a turn for a few
        # of them would be mostly its commit.
        for most in (len(slots), _MOST_UNCHANGED):
            if len(found.requests) == len(slots) or self._is_every_list_unknown():
                found.more = 0 < len(slots) == len(found.requests)
                return found
            rows = contacts.due(tx, now, most=most)
            self._claim(tx, now, rows, slots, found)
            if len(rows) < most:
                return found
        found.more = True
        return found

    def _claim(
        self,
        tx: Transaction,
        now: float,
        rows: Sequence[Contact],
        slots: Sequence[float],
        found: Claimed[ContactRequest],
    ) -> None:
        """Lease those of some contacts that differ from what was last sent, while there are slots."""
        forms = contact_forms(tx, [row.email for row in rows], self._settings.contact_lists)
        never_sent = [row.email for row in rows if row.email not in forms and row.sent is None and row.tried is None]
        at_promoter = {*self._were_surveyed(tx, never_sent), *pulled.among(tx, never_sent)}
        unlike = [row for row in rows if row.email in forms and not _is_sent(row, forms[row.email])]
        held = pulled.still_held(tx, unlike, now)
        leaving = self._lists_left(tx, rows, forms)
        changed: list[Contact] = []
        for one in rows:
            if len(found.requests) == len(slots):
                break
            row, form = one, forms.get(one.email)
            if form is not None and row.email in held and held[row.email].looks_as(form):
                lists = tuple(sorted({*row.sent_lists, *held[row.email].lists}))
                row = replace(row, sent=form.digest, sent_lists=lists, tried=None)
                row = replace(row, attempts=0, refused=None, reason=None)
                if row.email not in leaving:
                    found.outcomes[ContactStatus.SYNCED] += 1
                    changed.append(replace(row, status=ContactStatus.SYNCED))
                    continue
            status = self._status(row, form, is_known=row.email not in never_sent or row.email in at_promoter)
            leaves = leaving.get(row.email, [None])[0] if status in _AS_SENT else None
            if leaves is None and status not in {ContactStatus.PENDING, ContactStatus.REMOVING}:
                # Its survey brought it along, if it was sent since it was marked.
                if status is ContactStatus.SYNCED and (row.synced_at or 0.0) > row.changed_at:
                    found.outcomes[status] += 1
                changed.append(replace(row, status=status))
                continue
            request = _request(row, form) if leaves is None else _leaving(row, leaves)
            if row.has_other_at_work(request.digest, now):
                changed.append(replace(row, not_before=row.tried_until))
                continue
            lease = next(self._leases)
            # Should this process die, its request may be at work until then.
            until = transport.settled_at(slots[len(found.requests)])
            changed.append(replace(row, lease=lease, leased_until=until, tried=request.digest, tried_until=until))
            found.requests.append(replace(request, lease=lease))
            found.notes += () if form is None or leaves is not None else form.notes
        contacts.save(tx, changed)

    def _lists_left(
        self, tx: Transaction, rows: Sequence[Contact], forms: Mapping[str, ContactForm]
    ) -> dict[str, list[int]]:
        """Return the lists that contacts must be taken off, by address: which are still wanted for none of them."""
        found: dict[str, list[int]] = {}
        stays: list[tuple[str, int]] = []
        known = contacts.lists_left(tx, [row.email for row in rows])
        for row in rows:
            form = forms.get(row.email)
            wanted = self._settings.contact_lists if form is None else form.contact_lists
            was_sent = row.sent is not None or row.tried is not None
            for one in known.get(row.email, ()):
                if was_sent and one not in wanted:
                    found.setdefault(row.email, []).append(one)
                else:
                    stays.append((row.email, one))
        contacts.end_leaving(tx, stays)
        return found

    def _status(self, row: Contact, form: ContactForm | None, *, is_known: bool) -> ContactStatus:
        """Return what a contact is: pending if it must be sent.

        One that nobody owns is removed if Promoter may know it and somebody said so.
        """
        if form is None:
            return (
                ContactStatus.REMOVING if row.status is ContactStatus.REMOVING and is_known else ContactStatus.UNOWNED
            )
        lists = form.contact_lists
        if _is_sent(row, form):
            return ContactStatus.SYNCED
        if row.refused == _whole_digest(form.digest, lists):
            return ContactStatus.REFUSED
        return ContactStatus.PENDING if self.unknown_lists.keys().isdisjoint(lists) else ContactStatus.LIST_UNKNOWN

    def _is_every_list_unknown(self) -> bool:
        """Return whether no contact can be sent, because every one joins a list that Promoter does not know."""
        return not self.unknown_lists.keys().isdisjoint(self._settings.contact_lists)

    def record(self, tx: Transaction, now: float, came: Sequence[tuple[ContactRequest, Answer | None]]) -> Counter[str]:
        """Record what Promoter answered, and return how many contacts came to each outcome.

        Of a contact that is forgotten, or that somebody else has by now, nothing is written.

        Args:
            came: The requests that came back, each with what came of it; None if it was not sent.
        """
        if not came:
            return Counter()
        rows = contacts.load(tx, [request.email for request, _ in came])
        left = [(one.email, one.leaves) for one, answer in came if one.leaves is not None and _is_final(answer)]
        contacts.end_leaving(tx, left)
        leaving = contacts.lists_left(tx, rows)
        outcomes: Counter[str] = Counter()
        changed: list[Contact] = []
        for request, answer in came:
            row = rows.get(request.email)
            if answer is not None and answer.outcome is Outcome.UNKNOWN_LIST and request.leaves is None:
                self._learn_unknown_lists(request, answer.words)
            if row is None or row.lease != request.lease:
                continue
            after = _after(row, now, request, answer)
            if after.status is ContactStatus.SYNCED and row.email in leaving:
                after = replace(after, status=ContactStatus.PENDING)
            if after.status not in {row.status, ContactStatus.LIST_UNKNOWN}:
                outcomes[after.status] += 1
            if row.revision != request.revision:
                # It changed meanwhile, and what it should be by now is in its place.
                after = replace(after, status=row.status, changed_at=now)
            changed.append(after)
        contacts.save(tx, changed)
        removed = [one for one, answer in came if one.body is None and answer and answer.outcome is Outcome.ACCEPTED]
        pulled.remove(tx, [one.email for one in removed])
        return outcomes

    def _learn_unknown_lists(self, request: ContactRequest, words: str) -> None:
        """Record which contact lists Promoter does not know: those that its words name, or any of the request's."""
        named = {number for number in request.contact_lists if str(number) in _NUMBERS.findall(words)}
        self.unknown_lists |= dict.fromkeys(named or request.contact_lists, words)


def _is_final(answer: Answer | None) -> bool:
    """Return whether an answer says that its request need not be made again."""
    return answer is not None and answer.outcome not in FAILURES


def _is_sent(row: Contact, form: ContactForm) -> bool:
    return row.is_known_to_have(form.digest) and set(form.contact_lists) <= set(row.sent_lists)


def _request(row: Contact, form: ContactForm | None) -> ContactRequest:
    """Return the request that makes a contact what it should be."""
    if form is None:
        return ContactRequest(row.email, row.revision, None, b"", (), row.tried, row.tried_until)
    body, lists = dict(form.contact), form.contact_lists
    if lists:
        body["contact_list"] = lists
    return ContactRequest(row.email, row.revision, encode(body), form.digest, lists, row.tried, row.tried_until)


def _leaving(row: Contact, contact_list: int) -> ContactRequest:
    """Return the request that takes a contact off a list."""
    mark, body = contacts.LEAVING + str(contact_list).encode(), encode({"email": row.email})
    return ContactRequest(row.email, row.revision, body, mark, (), row.tried, row.tried_until, leaves=contact_list)


def _after(  # noqa: PLR0911 - an answer a line
    row: Contact, now: float, request: ContactRequest, answer: Answer | None
) -> Contact:
    """Return what becomes of a contact whose request came back."""
    # An answer says nothing of an earlier request of the same form that got none.
    row = replace(row, lease=None, leased_until=0.0, tried=request.tried, tried_until=request.tried_until)
    match answer and answer.outcome:
        case Outcome.ACCEPTED if request.body is None:
            row = replace(row, status=ContactStatus.REMOVED, changed_at=now, sent=None, sent_lists=())
            return replace(row, tried=request.digest, attempts=0, refused=None, reason=None)
        case Outcome.ACCEPTED if request.leaves is not None:
            # It is pending still, until delivery finds that it is as it should be.
            lists = tuple(one for one in row.sent_lists if one != request.leaves)
            return replace(row, sent_lists=lists, synced_at=now, attempts=0)
        case Outcome.REFUSED | Outcome.UNKNOWN_LIST if request.leaves is not None:
            reason = f"the list {request.leaves} was not left: {answer.words if answer else ''}"
            return replace(row, status=ContactStatus.REFUSED, changed_at=now, reason=reason, attempts=0)
        case Outcome.ACCEPTED:
            lists = tuple(sorted({*row.sent_lists, *request.contact_lists}))
            row = replace(row, status=ContactStatus.SYNCED, sent=request.digest, sent_lists=lists, synced_at=now)
            return replace(row, tried=request.digest, attempts=0, refused=None, reason=None)
        case Outcome.UNKNOWN_LIST:
            return replace(row, status=ContactStatus.LIST_UNKNOWN, attempts=0)
        case Outcome.REFUSED:
            whole = _whole_digest(request.digest, request.contact_lists)
            words = answer.words if answer else None
            row = replace(row, status=ContactStatus.REFUSED, changed_at=now)
            return replace(row, refused=whole, reason=words, attempts=0)
        case Outcome.UNANSWERED | Outcome.UNAVAILABLE as outcome:
            row = replace(row, attempts=row.attempts + 1, not_before=now + _pause(row.attempts))
            if outcome is Outcome.UNAVAILABLE:
                return row
            return replace(row, tried=request.digest, tried_until=now + transport.SETTLING_SECONDS)
        case _:
            return row


def _pause(attempts: int) -> float:
    """Return how long a contact is left alone after a failure, in seconds: one that always fails holds up no other.

    Args:
        attempts: How often it failed before.
    """
    pause: float = backoff.full_jitter(2.0 ** min(attempts, _MOST_DOUBLINGS))
    return pause


def _whole_digest(form: bytes, contact_lists: Sequence[int]) -> bytes:
    return digest([form.hex(), contact_lists])
