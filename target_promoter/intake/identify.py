"""Identify calls and rows of people: who a person is, and whom Promoter knows before any tap says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from msgspec.structs import replace

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts, pulled
from target_promoter.contacts.pulled import PulledContact
from target_promoter.intake import mirror
from target_promoter.intake.batch import DELETED, Batch
from target_promoter.people import people, stored_events
from target_promoter.people.identity import keys_named, user_key
from target_promoter.people.person import FUTURE_SECONDS, Person, delete
from target_promoter.records.calls import UNMAPPED, Identify, is_refused
from target_promoter.records.readers import NO_USER_ID, Rows
from target_promoter.store.outcomes import IdentifyOutcome
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import claims, surveys
from target_promoter.values.reading import person_name


def take_identifies(batch: Batch, rows: Rows) -> Counter[IdentifyOutcome]:
    """Merge identify calls into the people of a batch, and return how many came to each outcome."""
    return _Taking(batch, rows).take()


class _Taking:
    """Takes the identify calls of one batch: people are asked for by fingerprint first, and only then read whole."""

    def __init__(self, batch: Batch, rows: Rows) -> None:
        self._batch = batch
        self._rows = rows
        self._stream = rows.reader.stream
        self._outcomes: Counter[IdentifyOutcome] = Counter()
        self._merged: Counter[str] = Counter()
        self._links: set[tuple[str, str]] = set()
        self._calls: dict[int, Identify | None] = {}
        self._on: dict[bytes, str] = {}
        self._placed: dict[bytes, str | None] = {}
        self._seen: set[tuple[str, str]] = set()

    def take(self) -> Counter[IdentifyOutcome]:
        reader, known = self._rows.reader, self._batch.people
        glances = [(reader.user_id(record), reader.fingerprint(record)) for record in self._rows.records]
        known.look_up({user_id for user_id, _ in glances if user_id is not None})
        for place, record in enumerate(self._rows.records):
            special = self._batch.anybody_forgotten or place in self._rows.misfits
            if special or not self._is_told(*glances[place], record):
                self._calls[place] = self._read(place, glances[place][1])
        forgotten = self._batch.forgotten_among(
            key for call in self._calls.values() if call is not None for key in keys_named(call)
        )
        self._look_up_rows()
        known.load({call.user_id for call in self._calls.values() if call is not None and call.user_id is not None})
        for place, record in enumerate(self._rows.records):
            user_id, mark = glances[place]
            told = self._is_told(user_id, mark, record)
            if told and place not in self._calls:
                # It was read before, in the same way, and nothing about it is special: no need to read it again.
                self._outcomes[self._outcome(user_id or "")] += 1
                self._discard_rejection(user_id, record)
                if self._rows.version is not None and user_id is not None:
                    self._seen.add((user_id, reader.row_key(record, user_id)))
                continue
            call = self._calls.pop(place) if place in self._calls else self._read(place, mark)
            self._take(call, told=told, forgotten=call is not None and not forgotten.isdisjoint(keys_named(call)))
        self._batch.link(self._links)
        people.put_rows(self._batch.tx, self._placed)
        if self._rows.version is not None:
            mirror.mark_rows(self._batch.tx, self._stream, self._rows.version, self._seen)
        for user_id, number in self._merged.items():
            self._outcomes[IdentifyOutcome.MERGED] += number - 1
            self._outcomes[self._outcome(user_id, merged=True)] += 1
        return self._outcomes

    def _is_told(self, user_id: str | None, mark: str, record: Mapping[str, object]) -> bool:
        """Return whether a record is the last that its stream brought of its person."""
        if user_id is None or not mark or not self._batch.people.is_marked(user_id, self._stream, mark):
            return False
        return not self._rows.reader.is_deleted(record)

    def _read(self, place: int, mark: str) -> Identify | None:
        call = self._rows.reader.read(self._rows.records[place], mark)
        misfit = self._rows.misfits.get(place)
        return call if misfit is None or call is None else replace(call, problem=misfit)

    def _take(self, call: Identify | None, *, told: bool, forgotten: bool) -> None:
        batch = self._batch
        if call is not None and self._rows.version is not None and not forgotten:
            self._see(call)
        if call is None:
            self._outcomes[IdentifyOutcome.IGNORED] += 1
        elif forgotten:
            self._outcomes[IdentifyOutcome.BLOCKED] += 1
        elif call.deleted_at is not None and UNMAPPED not in call.record and self._owner(call) is not None:
            # Whatever is wrong with the rest of it: taps of a log often send a deleted row's key alone.
            self._outcomes[IdentifyOutcome.DELETED] += 1
            self._delete(self._owner(call) or "", call)
            batch.discard_rejection(call.stream, call.record)
        elif call.blocked:
            self._outcomes[IdentifyOutcome.BLOCKED] += 1
        elif (problem := self._problem(call)) is not None or call.user_id is None:
            self._outcomes[IdentifyOutcome.REJECTED] += 1
            batch.reject(call, "identify", problem or "no user id")
        else:
            if call.anonymous_id is not None:
                self._links.add((call.anonymous_id, call.user_id))
            if told:
                self._outcomes[self._outcome(call.user_id)] += 1
            else:
                self._merged[call.user_id] += 1
                self._place(call, call.user_id)
                batch.people.say(call, batch.now)
            self._discard_rejection(call.user_id, call.record)

    def _see(self, call: Identify) -> None:
        """Remember that the table has a row of a person, also if the row cannot be taken."""
        is_wrong = self._problem(call) is not None
        user_id = self._owner(call) if is_wrong else call.user_id
        if user_id is not None:
            self._seen.add((user_id, self._rows.reader.row_key(call.record, user_id)))
        elif UNMAPPED in call.record or (call.key is None and call.problem != NO_USER_ID):
            self._batch.findings.unnamed[self._stream] += 1

    def _problem(self, call: Identify) -> str | None:
        """Return why a call is rejected; one with a bad address only if nothing else of it can be kept."""
        known = self._batch.people
        if call.problem is None and call.bad_email and call.user_id and not known.is_known(call.user_id):
            return "no usable e-mail address"
        return call.problem

    def _discard_rejection(self, user_id: str | None, record: Mapping[str, object]) -> None:
        """Let go of what is kept of a record, and have its contact tried again if Promoter refused it."""
        self._batch.discard_rejection(self._stream, record)
        address = self._batch.people.address(user_id) if user_id is not None and is_refused(record) else None
        if address is not None:
            contacts.retry(self._batch.tx, address, self._batch.now)

    def _outcome(self, user_id: str, *, merged: bool = False) -> IdentifyOutcome:
        """Return what a record, or all the merged ones of a person in this batch, come to."""
        known = self._batch.people
        if known.address(user_id) is None:
            # What was said before a person was deleted says nothing any more.
            return IdentifyOutcome.UNCHANGED if known.is_deleted(user_id) else IdentifyOutcome.WAITING
        return IdentifyOutcome.CHANGED if merged and known.differs(user_id) else IdentifyOutcome.UNCHANGED

    def _delete(self, user_id: str, call: Identify) -> None:
        """Delete a person: never upserted again, its waiting surveys cancelled, its contact removed if so set."""
        batch = self._batch
        deleted_at = call.deleted_at or 0.0
        # A mark without a time comes with every reading of its table, also when the person is back by another stream.
        mark = f"deleted {deleted_at}" if call.deletion_dated else "deleted"
        if batch.people.is_marked(user_id, call.stream, mark):
            return  # Its stream brought nothing of the person since.
        before = batch.people.get(user_id)
        if call.snapshot and call.key:
            rest = before.without_row(call.stream, call.key)
            part = rest.parts.get(call.stream)
            if part is not None and part.is_known:
                batch.people.put(rest)  # Another row of the person stands.
                return
        address = before.email
        person = delete(before, deleted_at if deleted_at <= batch.now + FUTURE_SECONDS else batch.now)
        stored_events.end_before(batch.tx, user_id, person.deleted_at or 0.0)
        batch.people.put(person.marked(call.stream, mark))
        if person.deleted and batch.settings.hard_delete:
            for email in {*contacts.addresses_of(batch.tx, [user_id]), *([] if address is None else [address])}:
                batch.remove_contact(email)
        if person.deleted:
            claims.withdraw(batch.tx, DELETED, user_ids=[user_id])
        anonymous_ids = people.anonymous_links_of(batch.tx, [user_id])
        emails = [] if address is None or self._is_shared(address, user_id) else [address]
        waiting = surveys.open_of_people(batch.tx, user_ids=[user_id], anonymous_ids=anonymous_ids, emails=emails)
        batch.cancel(
            [one.id for one in waiting if person.deleted or batch.people.is_deleted_since(user_id, one.event_at)],
            DELETED,
        )

    def _is_shared(self, address: str, user_id: str) -> bool:
        """Return whether somebody else living has an address."""
        living = people.load_by_email(self._batch.tx, [address], whole=False).get(address, ())
        return any(row.user_id != user_id for row in living)

    # A row of a snapshot is known by its stream's key, where that is not the user id itself.

    def _look_up_rows(self) -> None:
        """Look up which people the rows are on, and those who may have rows under their own user id."""
        keyed = [call for call in self._calls.values() if call is not None and call.snapshot and call.key is not None]
        any_other = any(call.key != call.user_id for call in keyed)
        if not keyed or not (any_other or people.any_rows(self._batch.tx)):
            return
        self._on = people.people_of_rows(self._batch.tx, {people.row_of(call.stream, call.key or "") for call in keyed})
        self._batch.people.look_up({*self._on.values(), *(call.key or "" for call in keyed)})

    def _owner(self, call: Identify) -> str | None:
        """Return the user id of the person that a row is, or was, on."""
        if not call.snapshot or call.key is None:
            return call.user_id
        row = people.row_of(call.stream, call.key)
        owner = self._placed.get(row, self._on.get(row))
        if owner is None and call.key != call.user_id and self._batch.people.is_looked_up(call.key):
            # The config may have taken the key for the user id before.
            part = self._batch.people.get(call.key).parts.get(call.stream)
            is_its_row = part is not None and part.time and (part.key == "" or "" in part.others)
            owner = call.key if is_its_row else None
        return owner or call.user_id

    def _place(self, call: Identify, user_id: str) -> None:
        """Have a row be on its person, and leave the one that it was on."""
        if not call.snapshot or call.key is None or (call.key == user_id and not (self._on or self._placed)):
            return
        owner, row = self._owner(call), people.row_of(call.stream, call.key)
        if owner is not None and owner != user_id:
            person = self._batch.people.get(owner)
            if call.stream in person.parts:
                self._batch.people.put(person.without_row(call.stream, call.key))
        if call.key != user_id:
            if self._on.get(row) != user_id:
                self._placed[row] = user_id
        elif row in self._on or row in self._placed:
            self._placed[row] = None


def know_people(tx: Transaction, settings: Settings, after: str, since: float, now: float) -> tuple[str | None, int]:
    """Know the next people by the attribute `user_id` of their contact, and let those wait who have none any more.

    Somebody whom Promoter has under two addresses is not known by either: which is the present one a tap has to say.

    Args:
        after: The user id behind which they come, in the order of user ids.
        since: When this reading of the account began, in epoch seconds.

    Returns:
        The last of them, None if there was none, and how many are known by their contact.
    """
    found = pulled.by_user_id(tx, after, since)
    if not found:
        return None, 0
    known = _know(tx, settings, {user_id: held[0] if len(held) == 1 else None for user_id, held in found.items()}, now)
    return max(found), sum(one.is_pulled and one.email is not None for one in known)


def let_wait(tx: Transaction, settings: Settings, user_ids: Collection[str], now: float) -> None:
    """Know people no more by a contact that is not theirs any more."""
    if user_ids:
        _know(tx, settings, dict.fromkeys(user_ids), now)


def _know(tx: Transaction, settings: Settings, found: Mapping[str, PulledContact | None], now: float) -> list[Person]:
    batch = Batch(tx, settings, now)
    batch.people.look_up(found)
    batch.people.load(found)
    told = [_told(batch.people.get(user_id), held) for user_id, held in found.items()]
    kept = stored_events.among(tx, map(user_key, found))
    for person in told:
        if person != batch.people.get(person.user_id):
            batch.people.put(person)
            if person.address is not None and user_key(person.user_id) in kept:
                batch.look_at(person.address, person.user_id)  # Of these Promoter does not know yet.
    batch.finish()
    return told


def _told(person: Person, held: PulledContact | None) -> Person:
    if held is None or held.contact is None:
        return person.pulled(None, {}, {})
    names = {name: person_name(held.contact.get(name)) for name in ("first_name", "last_name")}
    traits = {name: value for name, value in held.attributes.items() if name != "user_id" and value is not None}
    return person.pulled(held.email, {name: value for name, value in names.items() if value is not None}, traits)
