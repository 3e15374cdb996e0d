"""The stand-in account: contacts, lists, campaigns and surveys, and Promoter's rules about them.

Every public method is safe to call from any thread; what it hands out is immutable or a copy.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from target_promoter.sandbox.file import AccountFile
from target_promoter.sandbox.forms import ContactForm, RefusedError, SurveyForm
from target_promoter.sandbox.ledger import Ledger
from target_promoter.sandbox.limits import DAY, MINUTE, Limit
from target_promoter.sandbox.records import Campaign, Contact, ContactList, Request, Survey, iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CAMPAIGNS: Mapping[int, str] = {78: "After the order", 99: "Quarterly check"}
THROTTLE_DAYS = (1, 30, 60, 90, 180)
_DEFAULT_LIST = "All contacts"


class NotFoundError(Exception):
    """The account has no such contact or list."""


class Account:
    """A Promoter account.

    Args:
        path: SQLite file that keeps it between runs, or None for memory only. Campaigns, key
            and limits are not kept: they are given anew each time.
        key: The API key it accepts.
        campaigns: Campaign names by id, all with instant distribution.
        lists: Contact list names by id, added to those kept in the file.
        requests_per_minute: The request limit, or None for no limit.
        requests_per_day: The same by the day.
        throttle_days: The survey throttle: 1, or 30, 60, 90 or 180 as an account may set.
        clock: The time now, epoch seconds.

    Raises:
        ValueError: ``throttle_days`` is none that Promoter offers.
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
        requests_per_day: int | None = None,
        throttle_days: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the account, or make it."""
        if throttle_days not in THROTTLE_DAYS:
            message = f"throttle_days is {throttle_days}: Promoter offers {THROTTLE_DAYS}."
            raise ValueError(message)
        self.key = key
        self.clock = clock
        self._throttle = throttle_days * DAY
        self._given_lists = dict(lists or {})
        self._campaigns = {number: Campaign(number, name) for number, name in campaigns.items()}
        limits = ((requests_per_minute, MINUTE), (requests_per_day, DAY))
        self._limits_given = [(number, span) for number, span in limits if number is not None]
        self._lock = threading.RLock()
        self._file = AccountFile(path) if path else None
        self._start()
        if self._file:
            self._load(self._file)

    def _start(self) -> None:
        self._contacts: dict[str, Contact] = {}
        self._emails: dict[int, str] = {}
        self._last_id = 0
        self._surveys: list[Survey] = []
        self._unsubscribed: set[str] = set()
        self._lists = {n: ContactList(n, name) for n, name in self._given_lists.items()}
        self._ahead = 0.0
        self._limits = [Limit(number, span) for number, span in self._limits_given]
        self.ledger = Ledger()

    def _load(self, file: AccountFile) -> None:
        for contact in sorted(file.load("contacts", Contact), key=lambda one: one.id):
            self._contacts[contact.email] = contact
            self._emails[contact.id] = contact.email
        self._surveys = file.load("surveys", Survey)
        self._unsubscribed = set(file.load("unsubscribed", str))
        self._lists = {kept.id: kept for kept in file.load("lists", ContactList)} | self._lists
        settings = file.load("settings", dict[str, float])
        self._ahead = max((kept.get("ahead", 0.0) for kept in settings), default=0.0)
        self._last_id = int(max((kept.get("last_id", 0) for kept in settings), default=0))

    def _save(self, *values: tuple[str, str | int, object]) -> None:
        if self._file:
            self._file.save(values)

    # -- what tests look at -------------------------------------------------------------

    @property
    def contacts(self) -> dict[str, Contact]:
        """The contacts now, by e-mail address."""
        with self._lock:
            return dict(self._contacts)

    @property
    def surveys(self) -> list[Survey]:
        """Every survey that e-mailed somebody, oldest first."""
        with self._lock:
            return list(self._surveys)

    @property
    def surveys_by_email(self) -> dict[str, int]:
        """How many surveys each address got."""
        return dict(Counter(survey.email for survey in self.surveys))

    @property
    def lists(self) -> dict[int, ContactList]:
        """The contact lists now, by id."""
        with self._lock:
            return dict(self._lists)

    @property
    def campaigns(self) -> dict[int, Campaign]:
        """The campaigns now, by id."""
        with self._lock:
            return dict(self._campaigns)

    @property
    def requests(self) -> list[Request]:
        """The last requests to the API, oldest first."""
        with self._lock:
            return list(self.ledger.requests)

    def ledger_snapshot(self) -> Ledger:
        """Return a copy of what the account remembers of its callers."""
        with self._lock:
            return copy.deepcopy(self.ledger)

    @property
    def posted(self) -> dict[str, Mapping[str, object]]:
        """The last contact body posted of each e-mail address, as received."""
        with self._lock:
            return dict(self.ledger.posted)

    # -- time and settings ---------------------------------------------------------------

    def now(self) -> float:
        """Return the account's time, epoch seconds: the clock's plus what :meth:`advance` added."""
        return self.clock() + self._ahead

    def advance(self, hours: float) -> None:
        """Move the account's time on, so that a throttle passes without waiting."""
        with self._lock:
            self._ahead += hours * 3600
            self._save_numbers()

    def _save_numbers(self) -> None:
        self._save(("settings", "numbers", {"ahead": self._ahead, "last_id": self._last_id}))

    def set_campaign(self, campaign: Campaign) -> None:
        """Add a campaign, or replace the one of the same id."""
        with self._lock:
            self._campaigns[campaign.id] = campaign

    def reset(self) -> None:
        """Forget contacts, surveys, lists made since, requests and advanced time."""
        with self._lock:
            self._start()
            if self._file:
                self._file.clear()

    def close(self) -> None:
        """Close the account's file; a second call does nothing."""
        with self._lock:
            if self._file:
                self._file.close()

    # -- requests --------------------------------------------------------------------------

    def arrived(self, now: float) -> None:
        """Count a request that arrived at ``now`` towards the busiest minute."""
        with self._lock:
            self.ledger.busiest.count(now)

    def note(self, request: Request, route: str) -> None:
        """Note a finished request; ``route`` is its path as counted."""
        with self._lock:
            self.ledger.note(request, route)

    def throttle(self, now: float) -> int:
        """Count a request against the limits: seconds to wait, or 0 when it is let through."""
        with self._lock:
            wait = max((limit.wait(now) for limit in self._limits), default=0)
            if not wait:
                for limit in self._limits:
                    limit.count(now)
            return wait

    # -- contacts ----------------------------------------------------------------------------

    def contact(self, number: int) -> Contact:
        """Return the contact of that id.

        Raises:
            NotFoundError: There is none.
        """
        with self._lock:
            email = self._emails.get(number)
            if email is None:
                raise NotFoundError
            return self._contacts[email]

    def save_contact(
        self, form: ContactForm, received: Mapping[str, object]
    ) -> tuple[Contact, bool]:
        """Add or update a contact, and survey it when the form names a campaign.

        A field that was not sent stays as it is; ``attributes``, when sent, replace those
        there were (the facts do not say). Without a contact list the contact joins the default one.

        Args:
            form: The checked body.
            received: The body as received.

        Returns:
            The contact, and whether it is new.

        Raises:
            RefusedError: The form asks for a survey and the contact is not eligible; nothing is kept then.
        """
        with self._lock:
            now = self.now()
            if form.campaign is not None:
                self._send_time(form.email, form.campaign, now)
            known = form.email in self._contacts
            lists = form.contact_list or (self._default_list(),)
            contact = self._merged(form, now, lists)
            if form.campaign is None:
                self._save(("contacts", contact.email, contact))
            else:
                self._add_survey(SurveyForm(form.campaign, form, {}), contact, now)
            self.ledger.posted[form.email] = received
            return self._contacts[form.email], not known

    def remove_contact(self, email: str) -> None:
        """Remove a contact. That it unsubscribed is remembered: it is for ever.

        Raises:
            NotFoundError: There is none of that address.
        """
        with self._lock:
            contact = self._contacts.pop(email, None)
            if contact is None:
                raise NotFoundError
            del self._emails[contact.id]
            self._save(("contacts", email, None))

    def unsubscribe(self, email: str) -> None:
        """Unsubscribe a contact, for ever.

        Raises:
            NotFoundError: There is none of that address.
        """
        with self._lock:
            contact = self._contacts.get(email)
            if contact is None:
                raise NotFoundError
            self._unsubscribed.add(email)
            contact = self._contacts[email] = replace(contact, unsubscribed=True)
            self._save(("unsubscribed", email, email), ("contacts", email, contact))

    def _merged(self, form: ContactForm, now: float, lists: tuple[int, ...]) -> Contact:
        """Put the form into the contact it names, a new one if need be; the caller saves it."""
        old = self._contacts.get(form.email)
        if old is None:
            self._last_id += 1
            self._save_numbers()
            old = Contact(
                self._last_id,
                form.email,
                iso(now),
                unsubscribed=form.email in self._unsubscribed,
            )
            self._emails[old.id] = old.email
        contact = self._contacts[form.email] = replace(
            old,
            first_name=old.first_name if form.first_name is None else form.first_name,
            last_name=old.last_name if form.last_name is None else form.last_name,
            attributes=old.attributes if form.attributes is None else form.attributes,
            lists=tuple(sorted({*old.lists, *lists})),
        )
        return contact

    # -- lists -----------------------------------------------------------------------------

    def add_list(self, name: str) -> ContactList:
        """Make a contact list."""
        with self._lock:
            made = ContactList(max(self._lists, default=0) + 1, name)
            self._lists[made.id] = made
            self._save(("lists", made.id, made))
            return made

    def _default_list(self) -> int:
        for known in self._lists.values():
            if known.name == _DEFAULT_LIST:
                return known.id
        return self.add_list(_DEFAULT_LIST).id

    def leave_list(self, number: int, *, email: str | None = None, contact: int = 0) -> None:
        """Take a contact, named by address or by id, off a list.

        Raises:
            NotFoundError: There is no such list or contact, or it is not on the list.
        """
        with self._lock:
            address = email if email is not None else self._emails.get(contact, "")
            member = self._contacts.get(address)
            if member is None or number not in member.lists:
                raise NotFoundError
            left = tuple(one for one in member.lists if one != number)
            member = self._contacts[address] = replace(member, lists=left)
            self._save(("contacts", address, member))

    # -- surveys ---------------------------------------------------------------------------

    def survey(self, form: SurveyForm) -> Contact:
        """Survey a contact at once, adding or updating it.

        Args:
            form: The checked body.

        Returns:
            The contact as it is now.

        Raises:
            RefusedError: It is not eligible; nothing is kept then.
        """
        with self._lock:
            now = self.now()
            self._send_time(form.contact.email, form.campaign, now)
            old = self._contacts.get(form.contact.email)
            lists = old.lists if old and old.lists else (self._default_list(),)
            self._add_survey(form, self._merged(form.contact, now, lists), now)
            return self._contacts[form.contact.email]

    def eligible(self, contact: Contact, now: float) -> bool:
        """Say whether a survey to ``contact`` at ``now`` (epoch seconds) would go out."""
        last = contact.last_surveyed
        return not contact.unsubscribed and (last is None or now - last >= self._throttle)

    def _send_time(self, email: str, campaign: int, now: float) -> float:
        """Return when a survey asked for now goes out.

        Raises:
            RefusedError: Unsubscribed, or throttled and the campaign's distribution is instant.
        """
        contact = self._contacts.get(email)
        if contact is None:
            if email not in self._unsubscribed:
                return now
        elif self.eligible(contact, now):
            return now
        elif (
            self._campaigns[campaign].drip_duration
            and not contact.unsubscribed
            and contact.last_surveyed is not None
        ):
            return contact.last_surveyed + self._throttle
        raise RefusedError({"non_field_errors": ["Contact is not eligible for survey."]})

    def _add_survey(self, form: SurveyForm, contact: Contact, now: float) -> None:
        time_sent = self._send_time(contact.email, form.campaign, now)
        survey = Survey(
            len(self._surveys) + 1,
            time_sent,
            contact.email,
            form.campaign,
            form.attributes,
            contact.as_json(),
        )
        contact = self._contacts[contact.email] = replace(contact, last_surveyed=time_sent)
        self._surveys.append(survey)
        self._save(("contacts", contact.email, contact), ("surveys", survey.id, survey))

    def mass_send(self, campaign: int) -> None:
        """Note a call of ``send-surveys``, which would e-mail a whole list.

        Raises:
            NotFoundError: There is no such campaign.
        """
        with self._lock:
            if campaign not in self._campaigns:
                raise NotFoundError
            self.ledger.mass_sends.append(campaign)
