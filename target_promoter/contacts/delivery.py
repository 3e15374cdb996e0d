"""Contacts on their way: which differ from what was last sent, and what an answer, or none, means."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from target_promoter.contacts import contacts
from target_promoter.contacts.contacts import Lease, Result
from target_promoter.contacts.wanted import ContactForm, contact_forms
from target_promoter.delivery.patience import pause_of_its_own
from target_promoter.people import identity
from target_promoter.promoter import timeouts as times
from target_promoter.promoter.answers import Answer
from target_promoter.store.encoding import decode, digest, encode
from target_promoter.surveys import claims

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_promoter.config.settings import Settings
    from target_promoter.contacts.attributes import Note
    from target_promoter.store.transaction import Transaction

_MOST_UNCHANGED: Final = 500
"""How many contacts a turn looks at beyond those it has time for, while it finds none that must be sent."""


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """A request for one contact.

    Attributes:
        email: The contact's address.
        revision: The contact's revision when the request was made.
        attempts: How many requests for it failed before.
        body: The request's body, JSON; None to remove the contact.
        digest: The hash of the form in the body.
        contact_lists: The ids of the lists in the body.
        tried_until: Until when an earlier request with the same form may be at work, in epoch seconds.
        lease: The name under which it was made.
    """

    email: str
    revision: int
    attempts: int
    body: str | None
    digest: bytes
    contact_lists: tuple[int, ...]
    tried_until: float
    lease: str = ""


class ContactDelivery:
    """Makes requests for contacts and takes in their answers."""

    def __init__(self, settings: Settings, leases: Iterator[str]) -> None:
        self._settings = settings
        self._leases = leases

    def claim(
        self, tx: Transaction, now: float, slots: Sequence[float]
    ) -> tuple[list[ContactRequest], tuple[Note, ...], bool]:
        """Lease contacts that differ from what was last sent, the longest pending first.

        Args:
            slots: When requests may leave, in epoch seconds; one contact each at the most.

        Returns:
            The requests, which must now be sent; what became of attributes; and whether there may be more to look at.
        """
        requests: list[ContactRequest] = []
        notes: tuple[Note, ...] = ()
        # As a rule each differs, and to look at more than can be sent is in vain; where many do not, a turn for a few
        # of them would be mostly its commit.
        for most in (len(slots), _MOST_UNCHANGED):
            free = slots[len(requests) :]
            if not free:
                return requests, notes, bool(slots)
            rows = contacts.due(tx, now, most=most)
            new, noted = self._claim(tx, now, rows, free)
            requests += new
            notes += noted
            if len(rows) < most:
                return requests, notes, False
        return requests, notes, True

    def _claim(
        self, tx: Transaction, now: float, rows: Sequence[Any], slots: Sequence[float]
    ) -> tuple[list[ContactRequest], tuple[Note, ...]]:
        """Lease those of some contacts that differ from what was last sent, as many as there are slots."""
        forms = contact_forms(tx, [row.email for row in rows], self._settings.contact_lists)
        throttles = claims.throttles_of(tx, [identity.email_key(row.email) for row in rows])
        requests: list[ContactRequest] = []
        notes: tuple[Note, ...] = ()
        statuses: dict[str, str] = {}
        put_off: dict[str, float] = {}
        leases: list[Lease] = []
        for row in rows:
            if len(requests) == len(slots):
                break
            throttle = throttles.get(identity.email_key(row.email))
            form = forms.get(row.email)
            surveyed = throttle is not None and throttle.surveyed_at is not None
            request, status = self._wanted(row, form, surveyed=surveyed)
            if request is None:
                statuses[row.email] = status
            elif row.tried_until > now and row.tried != request.digest:
                # A request with an older form got no answer and may still be at work: it must not arrive after this
                # one.
                put_off[row.email] = row.tried_until
            else:
                name = next(self._leases)
                # Should this process die, its request may be at work until then.
                until = times.settled_at(slots[len(requests)])
                leases.append(Lease(row.email, name, until, request.digest))
                requests.append(replace(request, lease=name))
                notes += () if form is None else form.notes
        contacts.set_status(tx, statuses)
        contacts.put_off(tx, put_off)
        contacts.lease(tx, leases)
        return requests, notes

    @staticmethod
    def _wanted(row: Any, form: ContactForm | None, *, surveyed: bool) -> tuple[ContactRequest | None, str]:  # noqa: ANN401 - a database row
        """Return the request that makes a contact what it should be, or None and the status of one that is."""
        if form is None:
            if row.status != "removing" or (row.sent is None and row.tried is None and not surveyed):
                return None, "unowned"
            return ContactRequest(row.email, row.revision, row.attempts, None, b"", (), row.tried_until), "removing"
        lists = form.contact_lists
        if row.sent == form.digest and set(lists) <= set(decode(row.sent_lists)):
            return None, "synced"
        if row.refused == _whole_digest(form.digest, lists):
            return None, "refused"
        body: dict[str, Any] = dict(form.contact)
        if lists:
            body["contact_list"] = lists
        request = ContactRequest(
            row.email, row.revision, row.attempts, encode(body), form.digest, lists, row.tried_until
        )
        return request, "pending"

    def record(self, tx: Transaction, now: float, came: Sequence[tuple[ContactRequest, Answer | None]]) -> Counter[str]:
        """Take in what Promoter answered.

        Args:
            came: The requests that came back, each with what came of it; None if it was not sent.

        Returns:
            How many contacts came to each outcome.
        """
        written = contacts.record(tx, [_result(now, request, answer) for request, answer in came])
        return Counter(one.status for one in written if one.status is not None)


def _result(now: float, request: ContactRequest, answer: Answer | None) -> Result:
    """Return what becomes of a contact whose request came back."""
    # An answer says nothing of an earlier request of the same form that got none.
    values: dict[str, Any] = {"lease": None, "leased_until": 0.0, "tried_until": request.tried_until}
    status: str | None = None
    match answer:
        case Answer(outcome="accepted"):
            status = "synced" if request.body is not None else "removed"
            values |= {"attempts": 0, "refused": None, "reason": None}
            if request.body is None:
                values |= {"sent": None, "sent_lists": "[]"}
            else:
                lists = encode(request.contact_lists)
                values |= {"sent": request.digest, "sent_lists": lists, "synced_at": now}
        case Answer(outcome="refused" | "not_eligible" | "unknown_campaign"):
            status = "refused"
            whole = _whole_digest(request.digest, request.contact_lists)
            values |= {"refused": whole, "reason": answer.words, "attempts": 0}
        case Answer(outcome="unanswered" | "unavailable" as outcome):
            values |= {"attempts": request.attempts + 1, "not_before": now + pause_of_its_own(request.attempts)}
            if outcome == "unanswered":
                values["tried_until"] = now + times.SETTLING_SECONDS
        case _:
            pass
    return Result(request.email, request.lease, request.revision, status, values)


def _whole_digest(form: bytes, contact_lists: Sequence[int]) -> bytes:
    return digest([form.hex(), contact_lists])
