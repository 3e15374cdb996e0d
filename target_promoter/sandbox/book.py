"""What an account holds, in memory and, if it has one, in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from target_promoter.sandbox.file import AccountFile
from target_promoter.sandbox.records import Contact, ContactList, Survey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RECENT_KEPT: Final = 100


class Book:
    """Contacts, lists and surveys; every change is in the file before it is answered.

    Not safe to use from two threads at once: the account's lock guards it.

    Args:
        path: SQLite file, or None for memory only.
        lists: Names by id of the contact lists that are always there.

    Attributes:
        contacts: By e-mail address, oldest first.
        emails: Addresses by contact id.
        surveys: Oldest first.
        unsubscribed: Addresses that unsubscribed, also of removed contacts.
        lists: Contact lists by id.
        ahead: Seconds the account's time is ahead of the clock.
        recent: Addresses of the contacts changed last, the last one at the end.
        changes: Counts up with every change.

    Raises:
        AccountInUseError: Another process has the file open.
    """

    def __init__(self, path: Path | None, lists: Mapping[int, str]) -> None:
        self._given = {number: ContactList(number, name) for number, name in lists.items()}
        self._file = AccountFile(path) if path else None
        self.changes = 0
        self._empty()
        if self._file:
            self._read(self._file)

    def _empty(self) -> None:
        self.contacts: dict[str, Contact] = {}
        # A dictionary keeps its order: taking an address out and in again puts it at the end.
        self.recent: dict[str, None] = {}
        self.emails: dict[int, str] = {}
        self.surveys: list[Survey] = []
        self.unsubscribed: set[str] = set()
        self.lists = dict(self._given)
        self.ahead = 0.0
        self._last_id = 0

    def _read(self, file: AccountFile) -> None:
        for contact in sorted(file.load("contacts", Contact), key=lambda one: one.id):
            self.contacts[contact.email] = contact
            self.emails[contact.id] = contact.email
            self._touch(contact.email)
        self.surveys = file.load("surveys", Survey)
        self.unsubscribed = set(file.load("unsubscribed", str))
        self.lists = {kept.id: kept for kept in file.load("lists", ContactList)} | self._given
        for numbers in file.load("settings", dict[str, float]):
            self.ahead = numbers["ahead"]
            self._last_id = int(numbers["last_id"])

    def _numbers(self) -> tuple[str, str, object]:
        return "settings", "numbers", {"ahead": self.ahead, "last_id": self._last_id}

    def _touch(self, email: str) -> None:
        self.recent.pop(email, None)
        self.recent[email] = None
        if len(self.recent) > RECENT_KEPT:
            del self.recent[next(iter(self.recent))]

    def _save(self, *values: tuple[str, str | int, object]) -> None:
        self.changes += 1
        if self._file:
            self._file.save(values)

    def next_id(self) -> int:
        """Return the id of the next contact; an id is never given twice."""
        return self._last_id + 1

    def keep(self, contact: Contact, survey: Survey | None = None) -> None:
        """Keep a contact, new or changed, and with it the survey it got, both or neither."""
        values: list[tuple[str, str | int, object]] = [("contacts", contact.email, contact)]
        self.contacts[contact.email] = contact
        self._touch(contact.email)
        if contact.id > self._last_id:
            self._last_id = contact.id
            values.append(self._numbers())
        self.emails[contact.id] = contact.email
        if survey:
            self.surveys.append(survey)
            values.append(("surveys", survey.id, survey))
        if contact.unsubscribed and contact.email not in self.unsubscribed:
            self.unsubscribed.add(contact.email)
            values.append(("unsubscribed", contact.email, contact.email))
        self._save(*values)

    def remove(self, contact: Contact) -> None:
        """Remove a contact; that it unsubscribed is kept."""
        del self.contacts[contact.email]
        del self.emails[contact.id]
        self.recent.pop(contact.email, None)
        self._save(("contacts", contact.email, None))

    def keep_list(self, made: ContactList) -> None:
        """Keep a contact list."""
        self.lists[made.id] = made
        self._save(("lists", made.id, made))

    def advance(self, seconds: float) -> None:
        """Put the account's time further ahead of the clock."""
        self.ahead += seconds
        self._save(self._numbers())

    def clear(self) -> None:
        """Forget everything but the lists that are always there."""
        self._empty()
        self.changes += 1
        if self._file:
            self._file.clear()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file:
            self._file.close()
