"""The people of one batch: looked up together, changed in memory, written together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from target_promoter.people import people
from target_promoter.people.people import StoredPerson
from target_promoter.people.person import Person, merge, says_the_same
from target_promoter.records.calls import Identify
from target_promoter.store.transaction import Transaction


@dataclass(slots=True)
class Saved:
    """What follows from people that were written.

    Attributes:
        contacts: The addresses whose contacts may differ from what they were, each with its person's user id.
        left: Of people whose address is another one now, the address they had, by user id.
        moved: Addresses whose person was identified again: of several people there another one may own the contact.
    """

    contacts: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)


class KnownPeople:
    """The people that a batch is about.

    Attributes:
        reachable: User ids that have an e-mail address since this batch.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._rows: dict[str, StoredPerson | None] = {}
        self._before: dict[str, Person | None] = {}
        self._changed: dict[str, Person] = {}
        self._unsaved: set[str] = set()
        self._said: dict[str, list[Identify]] = {}
        self._now = 0.0
        self.reachable: set[str] = set()

    def look_up(self, user_ids: Iterable[str]) -> None:
        """Read people from the store, without what was said of them, all in one go."""
        missing = {user_id for user_id in user_ids if user_id not in self._rows}
        found = people.look_up(self._tx, missing)
        for user_id in missing:
            self._rows[user_id] = found.get(user_id)

    def load(self, user_ids: Iterable[str]) -> None:
        """Read people whole, all in one go."""
        missing = {user_id for user_id in user_ids if user_id not in self._before}
        unknown = {user_id for user_id in missing if self._rows.get(user_id, ...) is None}
        found = people.load(self._tx, missing - unknown)
        for user_id in missing:
            row = found.get(user_id)
            self._before[user_id] = None if row is None else row.person()
            self._rows.setdefault(user_id, row)

    def is_looked_up(self, user_id: str) -> bool:
        """Return whether a user id was looked up."""
        return user_id in self._rows

    def is_marked(self, user_id: str, stream: str, mark: str) -> bool:
        """Return whether a mark is that of the last record that a stream brought of a person who was looked up."""
        said = self._said.get(user_id)
        if said is not None and said[-1].stream == stream:
            return said[-1].fingerprint == mark
        changed = self._changed.get(user_id)
        if changed is not None:
            return changed.fingerprints.get(stream) == mark
        row = self._rows[user_id]
        return row is not None and row.is_marked(stream, mark)

    def address(self, user_id: str) -> str | None:
        """Return the e-mail address of a person who was looked up; None if there is none, or no such person."""
        self._settle(user_id)
        known = self._changed.get(user_id) or self._rows[user_id]
        return None if known is None else known.address

    def is_known(self, user_id: str) -> bool:
        """Return whether a person who was looked up was ever identified."""
        return user_id in self._changed or user_id in self._said or self._rows[user_id] is not None

    def is_deleted(self, user_id: str) -> bool:
        """Return whether a person who was looked up was deleted and not identified since."""
        self._settle(user_id)
        known = self._changed.get(user_id) or self._rows[user_id]
        return known is not None and known.deleted

    def is_deleted_since(self, user_id: str, time: float) -> bool:
        """Return whether a person was deleted at a time, in epoch seconds, or later; it may be back since."""
        self._settle(user_id)
        known = self._changed.get(user_id) or self._rows[user_id]
        return known is not None and known.deleted_at is not None and known.deleted_at >= time

    def get(self, user_id: str) -> Person:
        """Return a person who was looked up, whole; a new one if the user id is not known."""
        self._settle(user_id)
        changed = self._changed.get(user_id)
        if changed is not None:
            return changed
        if user_id not in self._before:
            self.load((user_id,))
        return self._before[user_id] or Person(user_id)

    def put(self, person: Person) -> None:
        """Have a person stand as given; it is written by `save`."""
        if person.user_id not in self._before:
            self.load((person.user_id,))
        self._changed[person.user_id] = person
        self._unsaved.add(person.user_id)

    def say(self, call: Identify, now: float) -> None:
        """Have a person who was looked up stand as a call says; calls that follow each other are merged together."""
        user_id = call.user_id or ""
        if call.snapshot:
            self.put(merge(self.get(user_id), [call], now))
        else:
            self._said.setdefault(user_id, []).append(call)
            self._now = now

    def _settle(self, user_id: str) -> None:
        """Merge what calls said of a person."""
        calls = self._said.pop(user_id, None)
        if calls:
            self.put(merge(self.get(user_id), calls, self._now))

    def differs(self, user_id: str) -> bool:
        """Return whether a person stands otherwise to Promoter than before the batch."""
        self._settle(user_id)
        if user_id not in self._changed:
            return False
        before = self._before[user_id]
        return before is None or not says_the_same(before, self._changed[user_id])

    def save(self) -> Saved:
        """Write the people that changed, and return what follows from it for contacts and throttles."""
        for user_id in list(self._said):
            self._settle(user_id)
        unsaved = {user_id: self._changed[user_id] for user_id in sorted(self._unsaved)}
        written = [person for user_id, person in unsaved.items() if person is not self._before[user_id]]
        nobody = {one.user_id for one in written if not one.parts and one.deleted_at is None}
        people.remove(self._tx, nobody)
        people.save(self._tx, (one for one in written if one.user_id not in nobody))
        saved = Saved()
        for person in written:
            before, user_id, address = self._before[person.user_id], person.user_id, person.address
            old = None if before is None else before.address
            if address is not None and address != old:
                self.reachable.add(user_id)
            if old is not None and address != old:
                saved.left[user_id] = old
            if all(one is None or one.is_pulled for one in (before, person)):
                continue  # Promoter has the contact as it is.
            if before is None or before.is_pulled or not says_the_same(before, person):
                saved.contacts |= {email: user_id for email in (old, address) if email is not None}
            elif person.identified_at != before.identified_at and old is not None:
                saved.moved.add(old)
        self._before.update(unsaved)
        self._unsaved.clear()
        return saved
