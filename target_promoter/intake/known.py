"""The people of one batch: looked up together, changed in memory, written together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_promoter.contacts import contacts
from target_promoter.people import people
from target_promoter.people.merge import says_the_same
from target_promoter.people.person import Person
from target_promoter.surveys.throttle import take_throttle_along

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_promoter.people.people import Row
    from target_promoter.store.transaction import Transaction


class KnownPeople:
    """The people that a batch is about."""

    def __init__(self, tx: Transaction, now: float) -> None:
        self._tx = tx
        self._now = now
        self._rows: dict[str, Row | None] = {}
        self._before: dict[str, Person | None] = {}
        self._changed: dict[str, Person] = {}
        self._unsaved: set[str] = set()
        self._to_remove: set[str] = set()
        self._to_look_at: set[str] = set()
        self.new: set[str] = set()
        """User ids that were not known before this batch."""
        self.reachable: set[str] = set()
        """User ids that have an e-mail address since this batch."""

    def look_up(self, user_ids: Iterable[str]) -> None:
        """Read people from the store, all in one go."""
        missing = {user_id for user_id in user_ids if user_id not in self._rows}
        found = people.load(self._tx, missing)
        for user_id in missing:
            self._rows[user_id] = found.get(user_id)

    def is_marked(self, user_id: str, stream: str, mark: str) -> bool:
        """Return whether a mark is that of the last record that a stream brought of a person."""
        changed = self._changed.get(user_id)
        if changed is not None:
            return changed.fingerprints.get(stream) == mark
        row = self._rows[user_id]
        return row is not None and row.is_marked(stream, mark)

    def address(self, user_id: str) -> str | None:
        """Return the e-mail address of a person as it stands; None if there is none, or nobody of that user id."""
        known = self._changed.get(user_id) or self._rows[user_id]
        return None if known is None else known.address

    def is_known(self, user_id: str) -> bool:
        """Return whether a person was ever identified."""
        return user_id in self._changed or self._rows[user_id] is not None

    def is_deleted(self, user_id: str) -> bool:
        """Return whether a person was deleted and not identified since."""
        known = self._changed.get(user_id) or self._rows[user_id]
        return known is not None and known.deleted

    def is_deleted_since(self, user_id: str, time: float) -> bool:
        """Return whether a person was deleted at a time, in epoch seconds, or later; it may be back since."""
        known = self._changed.get(user_id) or self._rows[user_id]
        return known is not None and known.deleted_at is not None and known.deleted_at >= time

    def get(self, user_id: str) -> Person:
        """Return a person as it stands; a new one if the user id is not known."""
        changed = self._changed.get(user_id)
        if changed is not None:
            return changed
        if user_id not in self._before:
            row = self._rows[user_id]
            self._before[user_id] = None if row is None else row.person()
        return self._before[user_id] or Person(user_id)

    def put(self, person: Person) -> None:
        """Have a person stand as given; it is written by `save`."""
        user_id = person.user_id
        if user_id not in self._before:
            self.get(user_id)
        self._changed[user_id] = person
        self._unsaved.add(user_id)

    def look_at(self, email: str) -> None:
        """Have delivery look at a contact whose form may have changed though its people did not."""
        self._to_look_at.add(email)

    def remove_contact(self, email: str) -> None:
        """Have a contact removed from Promoter, unless somebody living has its address when it comes to that."""
        self._to_remove.add(email)

    def differs(self, user_id: str) -> bool:
        """Return whether a person stands otherwise to Promoter than before the batch."""
        if user_id not in self._changed:
            return False
        before = self._before[user_id]
        return before is None or not says_the_same(before, self._changed[user_id])

    def save(self) -> None:
        """Write the people that changed, and have delivery look at their contacts."""
        unsaved = {user_id: self._changed[user_id] for user_id in sorted(self._unsaved)}
        written = [person for user_id, person in unsaved.items() if person != self._before[user_id]]
        people.save(self._tx, written)
        to_send, self._to_look_at = self._to_look_at, set()
        moved: set[str] = set()
        left: dict[str, str] = {}
        for person in written:
            before, address = self._before[person.user_id], person.address
            if before is None:
                self.new.add(person.user_id)
                if address is not None:
                    self.reachable.add(person.user_id)
                    to_send.add(address)
                continue
            old = before.address
            if address is not None and address != old:
                self.reachable.add(person.user_id)
            if old is not None and address != old:
                left[person.user_id] = old
            if not says_the_same(before, person):
                to_send.update(email for email in (old, address) if email is not None)
            elif person.identified_at != before.identified_at and old is not None:
                moved.add(old)
        take_throttle_along(self._tx, left, self._now)
        # Of several people at one address the one identified last owns the contact: that may be another one now.
        shared = people.load_by_email(self._tx, moved - to_send)
        to_send.update(email for email, rows in shared.items() if len(rows) > 1)
        contacts.mark(self._tx, to_send - self._to_remove, self._now)
        contacts.mark(self._tx, self._to_remove, self._now, remove=True)
        self._before.update(unsaved)
        self._unsaved.clear()
