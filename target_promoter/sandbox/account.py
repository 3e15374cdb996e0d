"""The stand-in account: Promoter's rules about contacts, lists, campaigns and surveys.

Every public method is safe to call from any thread; what it hands out is immutable or a copy.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from target_promoter.sandbox.book import Book, Ledger
from target_promoter.sandbox.faults import DAY, MINUTE
from target_promoter.sandbox.records import (
    Campaign,
    Contact,
    ContactForm,
    ContactList,
    NotFoundError,
    RefusedError,
    Request,
    Survey,
    SurveyForm,
    iso,
)

CAMPAIGNS: Mapping[int, str] = {78: "After the order", 91: "After a support ticket", 99: "Quarterly check"}
THROTTLE_DAYS: Final = (1, 30, 60, 90, 180)
_DEFAULT_LIST: Final = "All contacts"


class Account:
    """A Promoter account.

    Args:
        path: SQLite file that keeps it between runs, or None for memory only. Campaigns, key
            and limits are not kept: they are given anew each time.
        campaigns: Campaign names by id, all with instant distribution.
        lists: Contact list names by id, added to those kept in the file.
        throttle_days: The survey throttle: 1, or 30, 60, 90 or 180 as an account may set.
        page_size: Results on a page. Promoter's own number is not documented: follow `next`.
        leave_out: Fields that lists of contacts leave out, such as `attributes`: the facts do not say which they have.

    Attributes:
        lock: Hold it to see several things as they are at one moment.
        book: What it holds; to be touched only while holding the lock.
        ledger: What it remembers of its callers.

    Raises:
        ValueError: `throttle_days` is none that Promoter offers.
        AccountInUseError: Another process has the file open.
    """

    def __init__(  # noqa: PLR0913 - an account simply has so many settings, all by name
        self,
        path: Path | None = None,
        *,
        key: str = "sandbox",
        campaigns: Mapping[int, str] = CAMPAIGNS,
        lists: Mapping[int, str] | None = None,
        requests_per_minute: int | None = None,
        requests_per_second: int | None = None,
        requests_per_day: int | None = None,
        throttle_days: int = 1,
        page_size: int = 50,
        leave_out: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        if throttle_days not in THROTTLE_DAYS:
            message = f"throttle_days is {throttle_days}: Promoter offers {THROTTLE_DAYS}."
            raise ValueError(message)
        self.key = key
        self.page_size = page_size
        self.leave_out = frozenset(leave_out)
        self.clock = clock
        self.lock = threading.RLock()
        self.ledger = Ledger((requests_per_second, 1.0), (requests_per_minute, MINUTE), (requests_per_day, DAY))
        self._throttle = throttle_days * DAY
        self._campaigns = {number: Campaign(number, name) for number, name in campaigns.items()}
        self.book = Book(path, lists or {})

    @property
    def contacts(self) -> dict[str, Contact]:
        """The contacts now, by e-mail address, oldest first."""
        with self.lock:
            return dict(self.book.contacts)

    @property
    def surveys(self) -> list[Survey]:
        """Every survey that e-mailed somebody, oldest first."""
        with self.lock:
            return list(self.book.surveys)

    @property
    def surveys_by_email(self) -> dict[str, int]:
        """How many surveys each address got."""
        return dict(Counter(survey.email for survey in self.surveys))

    @property
    def lists(self) -> dict[int, ContactList]:
        """The contact lists now, by id."""
        with self.lock:
            return dict(self.book.lists)

    @property
    def campaigns(self) -> dict[int, Campaign]:
        """The campaigns now, by id."""
        with self.lock:
            return dict(self._campaigns)

    @property
    def requests(self) -> list[Request]:
        """The last requests to the API, oldest first."""
        return self.ledger.requests

    @property
    def posted(self) -> dict[str, Mapping[str, object]]:
        """The last contact body posted of each e-mail address, as received."""
        return self.ledger.posted

    def now(self) -> float:
        """Return the account's time, epoch seconds: the clock's plus what was advanced."""
        return self.clock() + self.book.ahead

    def advance(self, hours: float) -> None:
        """Move the account's time on, so that a throttle passes without waiting."""
        with self.lock:
            self.book.advance(hours * 3600)

    def set_campaign(self, campaign: Campaign) -> None:
        """Add a campaign, or replace the one of the same id."""
        with self.lock:
            self._campaigns[campaign.id] = campaign

    def reset(self) -> None:
        """Forget contacts, surveys, lists made since, requests and advanced time."""
        with self.lock:
            self.book.clear()
            self.ledger.reset()

    def close(self) -> None:
        """Close the account's file; a second call does nothing."""
        with self.lock:
            self.book.close()

    def contact(self, number: int) -> Contact:
        """Return the contact of that id.

        Raises:
            NotFoundError: There is none.
        """
        with self.lock:
            return self._known(self.book.emails.get(number))

    def save_contact(self, form: ContactForm) -> tuple[Contact, bool]:
        """Add or update a contact, and survey it when the form names a campaign.

        A field that was not sent stays as it is; `attributes`, when sent, replace those
        there were (the facts do not say). Without a contact list the contact joins the
        default one.

        Returns:
            The contact, and whether it is new.

        Raises:
            RefusedError: It asks for a survey and is not eligible; nothing is kept then.
        """
        with self.lock:
            now = self.now()
            new = form.email not in self.book.contacts
            if form.campaign is None:
                lists = form.contact_list or (self._default_list(),)
                contact = self._merged(form, now, lists)
                self.book.keep(contact)
            else:
                contact = self._survey(SurveyForm(form.campaign, form, {}), now)
            return contact, new

    def remove_contact(self, email: str) -> None:
        """Remove a contact. That it unsubscribed is remembered: it is for ever.

        Raises:
            NotFoundError: There is none of that address.
        """
        with self.lock:
            self.book.remove(self._known(email))

    def unsubscribe(self, email: str) -> None:
        """Unsubscribe a contact, for ever.

        Raises:
            NotFoundError: There is none of that address.
        """
        with self.lock:
            self.book.keep(replace(self._known(email), unsubscribed=True))

    def add_list(self, name: str) -> ContactList:
        """Make a contact list."""
        with self.lock:
            made = ContactList(max(self.book.lists, default=0) + 1, name)
            self.book.keep_list(made)
            return made

    def leave_list(self, number: int, email: str) -> None:
        """Take a contact off a list.

        Raises:
            NotFoundError: There is no such contact on such a list.
        """
        with self.lock:
            member = self._known(email)
            if number not in member.lists:
                raise NotFoundError
            left = tuple(one for one in member.lists if one != number)
            self.book.keep(replace(member, lists=left))

    def _known(self, email: str | None) -> Contact:
        contact = self.book.contacts.get(email or "")
        if contact is None:
            raise NotFoundError
        return contact

    def _default_list(self) -> int:
        for known in self.book.lists.values():
            if known.name == _DEFAULT_LIST:
                return known.id
        return self.add_list(_DEFAULT_LIST).id

    def _merged(self, form: ContactForm, now: float, lists: tuple[int, ...]) -> Contact:
        """Return the contact the form names, new if need be, as the form wants it."""
        old = self.book.contacts.get(form.email)
        if old is None:
            gone = form.email in self.book.unsubscribed
            old = Contact(self.book.next_id(), form.email, iso(now), unsubscribed=gone)
        return replace(
            old,
            first_name=old.first_name if form.first_name is None else form.first_name,
            last_name=old.last_name if form.last_name is None else form.last_name,
            attributes=old.attributes if form.attributes is None else form.attributes,
            lists=tuple(sorted({*old.lists, *lists})),
        )

    def survey(self, form: SurveyForm) -> Contact:
        """Survey a contact at once, adding or updating it.

        Returns:
            The contact as it is now.

        Raises:
            RefusedError: It is not eligible; nothing is kept then.
        """
        with self.lock:
            return self._survey(form, self.now())

    def eligible(self, contact: Contact, now: float) -> bool:
        """Say whether a survey to `contact` at `now` (epoch seconds) would go out."""
        last = contact.last_surveyed
        return not contact.unsubscribed and (last is None or now - last >= self._throttle)

    def _survey(self, form: SurveyForm, now: float) -> Contact:
        contact = self._merged(form.contact, now, form.contact.contact_list)
        sent = self._send_time(contact, self._campaigns[form.campaign], now)
        lists = contact.lists or (self._default_list(),)
        contact = replace(contact, lists=lists, last_surveyed=sent)
        number = len(self.book.surveys) + 1
        survey = Survey(
            id=number,
            time=sent,
            email=contact.email,
            campaign=form.campaign,
            attributes=form.attributes,
            contact=contact.as_json(),
        )
        self.book.keep(contact, survey)
        return contact

    def _send_time(self, contact: Contact, campaign: Campaign, now: float) -> float:
        """Return when a survey asked for now goes out.

        Raises:
            RefusedError: Unsubscribed, or throttled and the distribution is instant.
        """
        if self.eligible(contact, now):
            return now
        last = contact.last_surveyed
        if contact.unsubscribed or last is None or not campaign.drip_duration:
            raise RefusedError({"non_field_errors": ["Contact is not eligible for survey."]})
        return last + self._throttle
