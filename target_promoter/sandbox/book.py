"""What an account holds, in memory and, if it has one, in its file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from target_promoter.sandbox.faults import Busiest, Limit
from target_promoter.sandbox.records import Contact, ContactList, Request, Survey

_T = TypeVar("_T")
_TABLES: Final = ("contacts", "surveys", "lists", "unsubscribed", "settings")


class AccountInUseError(Exception):
    """Another process has the account's file open.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The sandbox account {path} is open in another process: end that one first, or choose another file."
        )


class AccountFile:
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

    def load(self, table: str, kind: type[_T]) -> list[_T]:
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


REQUESTS_KEPT: Final = 1_000


class Ledger:
    """The account's memory of its callers, and the limits it sets them; safe in any thread.

    Args:
        *limits: Of requests, or None for no limit, and the seconds that they are counted over.

    Attributes:
        changes: Counts up with every request and every reset.
    """

    def __init__(self, *limits: tuple[int | None, float]) -> None:
        self._given = limits
        self._lock = threading.Lock()
        self.changes = 0
        self.reset()

    def reset(self) -> None:
        """Forget all that was seen."""
        with self._lock:
            self.changes += 1
            self._limits = [Limit(most, span) for most, span in self._given if most is not None]
            self._busiest = Busiest()
            self._requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)
            self._counters: Counter[tuple[str, int | None]] = Counter()
            self._posted: dict[str, Mapping[str, object]] = {}
            self._mass_sends: list[int] = []

    @property
    def requests(self) -> list[Request]:
        """The last `REQUESTS_KEPT` requests to the API, oldest first."""
        with self._lock:
            return list(self._requests)

    @property
    def counters(self) -> Counter[tuple[str, int | None]]:
        """How many requests by (path, status).

        Numbers in a path read `{id}`, a path the API lacks reads `(unknown)`; the status of
        a connection cut without an answer is None.
        """
        with self._lock:
            return Counter(self._counters)

    @property
    def busiest_minute(self) -> int:
        """The most requests that came in any 60 seconds, refused ones included."""
        with self._lock:
            return self._busiest.most

    @property
    def posted(self) -> dict[str, Mapping[str, object]]:
        """The last accepted `POST /api/contacts/` body of each address, as received."""
        with self._lock:
            return dict(self._posted)

    @property
    def mass_sends(self) -> list[int]:
        """Campaign ids whose `send-surveys` was called, which nothing ever should."""
        with self._lock:
            return list(self._mass_sends)

    def arrived(self, now: float) -> None:
        """Count a request that arrived at `now`, epoch seconds, towards the busiest minute."""
        with self._lock:
            self._busiest.count(now)

    def wait(self, now: float) -> int:
        """Count a request at `now`, epoch seconds, against the limits.

        Returns:
            Whole seconds it must wait, or 0 when it is let through.
        """
        with self._lock:
            wait = max((limit.wait(now) for limit in self._limits), default=0)
            if not wait:
                for limit in self._limits:
                    limit.count(now)
            return wait

    def note(self, request: Request, route: str) -> None:
        """Note a finished request; `route` is its path as counted."""
        with self._lock:
            self.changes += 1
            self._requests.append(request)
            self._counters[route, request.status] += 1

    def note_posted(self, email: str, body: Mapping[str, object]) -> None:
        """Note an accepted contact body."""
        with self._lock:
            self._posted[email] = body

    def note_mass_send(self, campaign: int) -> None:
        """Note a call of `send-surveys`."""
        with self._lock:
            self._mass_sends.append(campaign)


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
