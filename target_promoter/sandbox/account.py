"""The stand-in account: Promoter's rules about contacts, lists, campaigns and surveys.

Every public method is safe to call from any thread; what it hands out is immutable or a copy.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from target_promoter.sandbox.ledger import DAY, MINUTE, Ledger
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

T = TypeVar("T")

CAMPAIGNS: Mapping[int, str] = {78: "After the order", 91: "After a support ticket", 99: "Quarterly check"}
THROTTLE_DAYS: Final = (1, 30, 60, 90, 180)
_DEFAULT_LIST: Final = "All contacts"
_RECENT_KEPT: Final = 100
_TABLES: Final = ("contacts", "surveys", "lists", "unsubscribed", "settings")


class AccountInUseError(OSError):
    """Another process has the account's file open.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The sandbox account {path} is open in another process: end that one first, or choose another file."
        )


class _File:
    """Tables of JSON values by key, written through at once.

    A process that is killed loses nothing; a machine that loses power may lose the last
    moments (`synchronous` is off, for speed).

    Args:
        path: Of the file; made if missing, its folder must exist.

    Raises:
        AccountInUseError: Another process has it open. Two accounts that each believe
            themselves alone would forget each other's surveys.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        # It holds addresses: nobody else may read it, nor the files beside it, which get its mode.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
        try:
            # Used under the account's lock, from whichever thread calls the account.
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            problem = f"its account {path} cannot be opened: create the folder, or name a file that may be written"
            raise OSError(problem) from error
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
            for table in _TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} (key PRIMARY KEY, json BLOB NOT NULL)")
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise AccountInUseError(path) from error
            raise

    def load(self, table: str, kind: type[T]) -> list[T]:
        """Return all values of `table` as `kind`, in order of their keys."""
        rows = self._db.execute(f"SELECT json FROM {table} ORDER BY key")  # noqa: S608 - ours
        return [msgspec.json.decode(row[0], type=kind) for row in rows]

    def save(self, values: Iterable[tuple[str, str | int, object]]) -> None:
        """Keep values, all or none.

        Args:
            values: (table, key, value) each; the value None removes the key.
        """
        self._db.execute("BEGIN")
        for table, key, value in values:
            if value is None:
                self._db.execute(f"DELETE FROM {table} WHERE key = ?", (key,))  # noqa: S608 - ours
            else:
                self._db.execute(
                    f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",  # noqa: S608 - ours
                    (key, msgspec.json.encode(value)),
                )
        self._db.execute("COMMIT")

    def clear(self) -> None:
        """Forget everything."""
        for table in _TABLES:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - ours

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.close()


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
        ledger: What it remembers of its callers.
        changes: Counts up with every change of what it holds.

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
            raise ValueError(f"throttle_days is {throttle_days}: Promoter offers {THROTTLE_DAYS}.")
        self.key = key
        self.page_size = page_size
        self.leave_out = frozenset(leave_out)
        self.clock = clock
        self.lock = threading.RLock()
        self.ledger = Ledger((requests_per_second, 1.0), (requests_per_minute, MINUTE), (requests_per_day, DAY))
        self._throttle = throttle_days * DAY
        self._campaigns = {number: Campaign(number, name) for number, name in campaigns.items()}
        self._given = {number: ContactList(number, name) for number, name in (lists or {}).items()}
        self._file = _File(path) if path else None
        self.changes = 0
        self._empty()
        if self._file:
            self._load(self._file)

    def _empty(self) -> None:
        self._contacts: dict[str, Contact] = {}
        # A dictionary keeps its order: taking an address out and in again puts it at the end.
        self._recent: dict[str, None] = {}
        self._emails: dict[int, str] = {}
        self._surveys: list[Survey] = []
        self._unsubscribed: set[str] = set()
        self._lists = dict(self._given)
        self._ahead = 0.0
        self._last_id = 0

    def _load(self, file: _File) -> None:
        for contact in sorted(file.load("contacts", Contact), key=lambda one: one.id):
            self._contacts[contact.email] = contact
            self._emails[contact.id] = contact.email
            self._touch(contact.email)
        self._surveys = file.load("surveys", Survey)
        self._unsubscribed = set(file.load("unsubscribed", str))
        self._lists = {kept.id: kept for kept in file.load("lists", ContactList)} | self._given
        for numbers in file.load("settings", dict[str, float]):
            self._ahead = numbers["ahead"]
            self._last_id = int(numbers["last_id"])

    @property
    def contacts(self) -> dict[str, Contact]:
        """The contacts now, by e-mail address, oldest first."""
        with self.lock:
            return dict(self._contacts)

    @property
    def recent(self) -> list[Contact]:
        """The contacts changed last, the newest first."""
        with self.lock:
            return [self._contacts[email] for email in reversed(self._recent)]

    @property
    def unsubscribed(self) -> set[str]:
        """The addresses that unsubscribed, also of removed contacts."""
        with self.lock:
            return set(self._unsubscribed)

    @property
    def surveys(self) -> list[Survey]:
        """Every survey that e-mailed somebody, oldest first."""
        with self.lock:
            return list(self._surveys)

    @property
    def surveys_by_email(self) -> dict[str, int]:
        """How many surveys each address got."""
        return dict(Counter(survey.email for survey in self.surveys))

    @property
    def lists(self) -> dict[int, ContactList]:
        """The contact lists now, by id."""
        with self.lock:
            return dict(self._lists)

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
        return self.clock() + self._ahead

    def advance(self, hours: float) -> None:
        """Move the account's time on, so that a throttle passes without waiting."""
        with self.lock:
            self._ahead += hours * 3600
            self._save(self._numbers())

    def set_campaign(self, campaign: Campaign) -> None:
        """Add a campaign, or replace the one of the same id."""
        with self.lock:
            self._campaigns[campaign.id] = campaign

    def reset(self) -> None:
        """Forget contacts, surveys, lists made since, requests and advanced time."""
        with self.lock:
            self._empty()
            self.changes += 1
            if self._file:
                self._file.clear()
            self.ledger.reset()

    def close(self) -> None:
        """Close the account's file; a second call does nothing."""
        with self.lock:
            if self._file:
                self._file.close()

    def contact(self, number: int) -> Contact:
        """Return the contact of that id.

        Raises:
            NotFoundError: There is none.
        """
        with self.lock:
            return self._known(self._emails.get(number))

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
            new = form.email not in self._contacts
            if form.campaign is None:
                lists = form.contact_list or (self._default_list(),)
                contact = self._merged(form, now, lists)
                self.keep(contact)
            else:
                contact = self._survey(SurveyForm(form.campaign, form, {}), now)
            return contact, new

    def remove_contact(self, email: str) -> None:
        """Remove a contact. That it unsubscribed is remembered: it is for ever.

        Raises:
            NotFoundError: There is none of that address.
        """
        with self.lock:
            contact = self._known(email)
            del self._contacts[email]
            del self._emails[contact.id]
            self._recent.pop(email, None)
            self._save(("contacts", email, None))

    def unsubscribe(self, email: str) -> None:
        """Unsubscribe a contact, for ever.

        Raises:
            NotFoundError: There is none of that address.
        """
        with self.lock:
            self.keep(replace(self._known(email), unsubscribed=True))

    def add_list(self, name: str) -> ContactList:
        """Make a contact list."""
        with self.lock:
            made = ContactList(max(self._lists, default=0) + 1, name)
            self._lists[made.id] = made
            self._save(("lists", made.id, made))
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
            self.keep(replace(member, lists=left))

    def _known(self, email: str | None) -> Contact:
        contact = self._contacts.get(email or "")
        if contact is None:
            raise NotFoundError
        return contact

    def _default_list(self) -> int:
        for known in self._lists.values():
            if known.name == _DEFAULT_LIST:
                return known.id
        return self.add_list(_DEFAULT_LIST).id

    def _merged(self, form: ContactForm, now: float, lists: tuple[int, ...]) -> Contact:
        """Return the contact the form names, new if need be, as the form wants it."""
        old = self._contacts.get(form.email)
        if old is None:
            gone = form.email in self._unsubscribed
            old = Contact(self.next_id(), form.email, iso(now), unsubscribed=gone)
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
        number = len(self._surveys) + 1
        survey = Survey(
            id=number,
            time=sent,
            email=contact.email,
            campaign=form.campaign,
            attributes=form.attributes,
            contact=contact.as_json(),
        )
        self.keep(contact, survey)
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

    def next_id(self) -> int:
        """Return the id of the next contact; an id is never given twice."""
        return self._last_id + 1

    def keep(self, contact: Contact, survey: Survey | None = None) -> None:
        """Keep a contact, new or changed, and with it the survey it got, both or neither; under the lock."""
        values: list[tuple[str, str | int, object]] = [("contacts", contact.email, contact)]
        self._contacts[contact.email] = contact
        self._touch(contact.email)
        if contact.id > self._last_id:
            self._last_id = contact.id
            values.append(self._numbers())
        self._emails[contact.id] = contact.email
        if survey:
            self._surveys.append(survey)
            values.append(("surveys", survey.id, survey))
        if contact.unsubscribed and contact.email not in self._unsubscribed:
            self._unsubscribed.add(contact.email)
            values.append(("unsubscribed", contact.email, contact.email))
        self._save(*values)

    def _numbers(self) -> tuple[str, str, object]:
        return "settings", "numbers", {"ahead": self._ahead, "last_id": self._last_id}

    def _touch(self, email: str) -> None:
        self._recent.pop(email, None)
        self._recent[email] = None
        if len(self._recent) > _RECENT_KEPT:
            del self._recent[next(iter(self._recent))]

    def _save(self, *values: tuple[str, str | int, object]) -> None:
        """Have a change in the file before it is answered."""
        self.changes += 1
        if self._file:
            self._file.save(values)
