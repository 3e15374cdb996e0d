"""What a changed config takes back: what may not be sent any more goes off people, contacts and waiting surveys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import msgspec
from msgspec.structs import replace as replace_struct
from sqlalchemy import select

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.contacts.attributes import contact_attributes
from target_promoter.contacts.wanted import attribute_names
from target_promoter.intake import mirror
from target_promoter.intake.batch import queue_waiting
from target_promoter.people import people, stored_events
from target_promoter.people.identity import names_of
from target_promoter.people.known import KnownPeople
from target_promoter.people.person import PULLED, Person
from target_promoter.people.stored_events import Gone
from target_promoter.records.streams import Reading, reading_of
from target_promoter.store import runs, streams
from target_promoter.store.encoding import encode
from target_promoter.store.schema import events
from target_promoter.store.streams import KnownStream, StreamSchema
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import claims, schedule, surveys, throttle
from target_promoter.surveys.known_events import KnownEvents
from target_promoter.values import events as globs
from target_promoter.values.events import snake

_TAKEN_BACK: Final = "what its request says of the person was taken back"
_STEP: Final = 5000
_MOST_LOADERS: Final = 20
"""How many configs that are used no more are remembered."""


def apply_settings(tx: Transaction, settings: Settings, now: float) -> list[str]:
    """Have the config hold for all that is stored, and return what people should hear of it, a sentence each.

    A glob speaks for the streams that it spoke for before: another config may read others into the same store.
    """
    told: list[str | None] = []
    for known in list(streams.all_read(tx)):
        if known.reading is None:
            continue
        before = Reading.from_record(known.reading)
        if before.shape == "removed":
            continue  # Whether stream maps still remove it is known at its SCHEMA.
        reading = reading_of(known.name, before.shape, settings)
        speaks = reading.pattern == before.pattern or (reading.pattern and globs.is_name(reading.pattern))
        if speaks and reading.as_record() != known.reading:
            told.append(take_in_reading(tx, known, reading, now))
    _remove_deleted(tx, settings, now)
    told += _join_loaders(tx, settings, now)
    contacts.join_lists(tx, settings.contact_lists, now)
    return [*filter(None, told), *schedule.apply_settings(tx, settings, now)]


def read_otherwise(stream: str, *, held: bool = False, filtered: bool = False) -> str:
    """Return what is said of a stream that is read differently than before.

    Args:
        held: Whether it may have named other people, or other addresses, than with the current fields.
        filtered: Whether a stream map may let less of it through.
    """
    holds = (
        " Whom it named may be wrong: those are not surveyed by it, nor sent to Promoter at its addresses, until their "
        "rows come again."
        if held
        else ""
    )
    rows = (
        f" What its `__filter__` lets through no more stays until it is dropped (`target-promoter drop {stream}`)."
        if filtered
        else ""
    )
    return (
        f"Stream `{stream}` is read differently than before: what may not be sent any more was taken back.{holds} "
        f"Refresh it in full, so that what was read before is put right.{rows}"
    )


def ignored(stream: str) -> str:
    """Return what is said of a stream that is ignored from now on."""
    return f"Stream `{stream}` is ignored from now on: all that it said was taken back, its waiting surveys among it."


def _stay_on(lists: Iterable[int]) -> list[str]:
    """Return what is said of contact lists that nobody joins any more; nothing if there are none."""
    stays = "Nobody joins contact list {} any more; who is on it stays there, unless you remove them at Promoter."
    return [stays.format(one) for one in sorted(lists)]


def take_in_reading(
    tx: Transaction, known: KnownStream, reading: Reading, now: float, schema_before: StreamSchema | None = None
) -> str | None:
    """Keep how a stream is read, and take off what may not be sent any more.

    Args:
        known: What is known of the stream, its SCHEMA of now among it.
        schema_before: Its last SCHEMA.

    Returns:
        What people should hear if it was read otherwise before.
    """
    stream = known.name
    streams.remember(tx, replace(known, reading=reading.as_record()), now)
    if known.reading is None:
        return None
    before = Reading.from_record(known.reading)
    schema = known.schema or StreamSchema()
    mapped = schema.mapped_otherwise(schema_before)
    others = False
    if reading.type not in {before.type, "segment"}:
        # What it was taken for it is not: nobody it told of, and nothing they did.
        drop(tx, stream, now)
    else:
        others = reading.may_be_about_others(before) or reading.names_people_in(mapped)
        if reading.is_about != before.is_about and not reading.is_snapshot:
            # A call has no key by which it would be found again on the person that it is not about.
            _take_off_kept(tx, stored_events.drop(tx, stream), now)
            _change(tx, lambda person: person.without(stream), now, stream)
        elif mapped or reading.fields != before.fields:
            stored_events.outdate(tx, stream)
            _change(tx, lambda person: person.outdated(stream, doubted=others), now, stream)
        if others:
            KnownEvents(tx).remember(surveys.hold(tx, stream))
        removed = schema.removed - schema_before.removed if mapped and schema_before is not None else frozenset[str]()
        _withdraw(tx, stream, reading, before, removed, now)
    is_otherwise = mapped or reading != before
    if not is_otherwise:
        return None
    if reading.type == "ignore":
        return ignored(stream)
    left = set(before.contact_lists) - set(reading.contact_lists)
    return " ".join([read_otherwise(stream, held=others, filtered="__filter__" in mapped), *_stay_on(left)])


def _withdraw(
    tx: Transaction, stream: str, reading: Reading, before: Reading, removed: frozenset[str], now: float
) -> None:
    """Take off what a stream said, and could be sent when it was read as before, but may not be any more."""
    if removed or reading.withdraws(before):
        allowed, lists = reading.left_of(before, removed), frozenset(reading.contact_lists)
        _take_off_kept(tx, stored_events.restrict(tx, stream, allowed), now)
        surveys.restrict(tx, stream, allowed)
        surveys.have_told_anew(tx, stream)
        _change(tx, lambda person: person.restricted(stream, allowed, lists), now, stream)


def drop(tx: Transaction, stream: str, now: float) -> tuple[int, int]:
    """Take back all that a stream said; return how many people it spoke of, and how many surveys are cancelled."""
    gone = stored_events.drop(tx, stream)
    _take_off_kept(tx, gone, now)
    mirror.drop(tx, stream)
    spoken_of = _change(tx, lambda person: person.without(stream), now, stream)
    spoken_of |= people.look_up(tx, names_of(gone.keys).user_ids).keys()
    return len(spoken_of), surveys.drop(tx, stream, now)


def _change(tx: Transaction, change: Callable[[Person], Person], now: float, stream: str | None = None) -> set[str]:
    """Change everybody, have delivery look at the contacts of those who differ, and return their user ids.

    A request that was made for one of them holds what was known before: it is not sent again.
    """
    changed, emails, reached = set[str](), set[str](), set[str]()
    left = {}
    for before, after in people.change_all(tx, lambda person: _withdrawn(person, change(person)), stream):
        changed.add(after.user_id)
        owners = {email: after.user_id for email in (before.address, after.address) if email is not None}
        contacts.mark_dirty(tx, owners, now)
        emails |= owners.keys()
        if after.address is not None and before.address != after.address:
            reached.add(after.user_id)
        if before.address is not None and before.address != after.address:
            left[after.user_id] = before.address
    throttle.move(tx, left, now)
    claims.withdraw(tx, _TAKEN_BACK, user_ids=changed, emails=emails)
    known = KnownPeople(tx)
    known.look_up(reached)
    queue_waiting(tx, known, reached, (), now)
    return changed


def _withdrawn(before: Person, after: Person) -> Person:
    """Return a changed person without what is withdrawn, where `pull` read it at Promoter."""
    if after is before or PULLED not in after.parts:
        return after
    names = (attribute_names(one.without(PULLED)) for one in (before, after))
    return after.without_pulled(next(names) - next(names))


def _take_off_kept(tx: Transaction, gone: Gone, now: float) -> None:
    """Have the contacts be sent without properties of stored events that were taken back."""
    known = people.load(tx, gone.pulled)
    names = {user_id: frozenset(contact_attributes(said).values) for user_id, said in gone.pulled.items()}
    people.save(tx, (row.person().without_pulled(names[user_id]) for user_id, row in known.items()))
    keys = sorted(gone.keys)
    for start in range(0, len(keys), _STEP):
        owners = stored_events.owners(tx, keys[start : start + _STEP])
        contacts.mark_dirty(tx, dict(owners), now)
        claims.withdraw(tx, _TAKEN_BACK, user_ids=set(owners.values()), emails=owners.keys())


class _Loader(msgspec.Struct, frozen=True):
    """A config that was used on the store.

    Attributes:
        named: The streams and the events of campaigns that it names.
        stored_events: The attribute prefixes of the events whose properties it keeps.
        contact_lists: The contact lists that everybody joins.
        is_used: Whether no other config took its place.
        came_back: Whether it took the place of one that had taken its own.
    """

    named: frozenset[str]
    stored_events: frozenset[str]
    is_used: bool = True
    came_back: bool = False
    contact_lists: frozenset[int] = frozenset()

    def is_same_as(self, other: _Loader) -> bool:
        """Return whether the two are one loader's, before and after a change: they name something alike, or nothing."""
        return not (self.named and other.named and self.named.isdisjoint(other.named))


def _join_loaders(tx: Transaction, settings: Settings, now: float) -> list[str]:
    """Take off the properties of events that no loader of the store keeps any more.

    Configs that take turns are two loaders', though they name something alike, but not all: what either keeps is kept.

    Returns:
        What people should hear of what a config changed, a sentence each.
    """
    known_text = runs.fact(tx, "loaders")
    known = _before_4(tx) if known_text is None else msgspec.json.decode(known_text, type=list[_Loader])
    named = frozenset({*(one.pattern for one in settings.streams), *settings.campaigns})
    own = _Loader(named, frozenset(settings.stored_events.values()), contact_lists=frozenset(settings.contact_lists))
    found = next((one for one in known if replace_struct(one, is_used=True, came_back=False) == own), None)
    if found is not None and found.is_used:
        return []
    own = replace_struct(own, came_back=found is not None)
    after, replaced = [own], list[_Loader]()
    for one in known:
        takes_turns = own.came_back and one.came_back and one.named != own.named
        stays = one.is_used and (takes_turns or not one.is_same_as(own))
        if one.is_used and not stays:
            replaced.append(one)
        if one is not found and (stays or len(after) < _MOST_LOADERS):
            after.append(replace_struct(one, is_used=stays))
    runs.set_fact(tx, "loaders", encode(after))
    gone = _stored_by(known) - _stored_by(after)
    if gone:
        _take_off_kept(tx, stored_events.remove_events(tx, gone), now)
        surveys.have_told_anew(tx)
    return list(_changed(tx, settings, replaced, after)) if replaced else []


def _changed(
    tx: Transaction, settings: Settings, replaced: Iterable[_Loader], after: Sequence[_Loader]
) -> Iterator[str]:
    """Yield what a config that took the place of others does not name any more, or names now."""
    used, own = [one for one in after if one.is_used], after[0]
    named = frozenset[str]().union(*(one.named for one in replaced)) - frozenset().union(*(one.named for one in used))
    for known in streams.all_read(tx):
        before = Reading.from_record(known.reading or {})
        if before.pattern in named and before.type != "ignore" and settings.stream(known.name) is None:
            yield (
                f"Stream `{known.name}` is named by `streams` no more, and all that it said stays, waiting surveys "
                f"too: name it again, or take it back (`target-promoter drop {known.name}`)."
            )
    stored = _stored_by(replaced)
    gone = stored - _stored_by(used)
    if gone:
        yield f"`stored_events` names {', '.join(sorted(gone))} no more: the properties were taken off all contacts."
    read = {snake(name) for name in tx.scalars(select(events.c.name).distinct())}
    gained = (own.stored_events - stored) & read
    if gained:
        yield (
            f"`stored_events` names {', '.join(sorted(gained))} now: what was read before is not kept. Refresh the "
            "streams of these events in full, if the contacts should have it."
        )
    lists = frozenset[int]().union(*(one.contact_lists for one in replaced))
    yield from _stay_on(lists.difference(settings.all_contact_lists, *(one.contact_lists for one in used)))


def _stored_by(loaders: Iterable[_Loader]) -> frozenset[str]:
    return frozenset(prefix for one in loaders if one.is_used for prefix in one.stored_events)


def _before_4(tx: Transaction) -> list[_Loader]:
    """Return what version 3 kept with each stream."""
    readings = [one.reading or {} for one in streams.all_read(tx)]
    return [_Loader(frozenset(), frozenset(reading.get("stored_events", ()))) for reading in readings]


def _remove_deleted(tx: Transaction, settings: Settings, now: float) -> None:
    """Have the contacts of people who were deleted before removed from Promoter, once `hard_delete` is switched on."""
    if settings.hard_delete and runs.fact(tx, "hard_delete") != "true":
        contacts.mark_dirty(tx, dict.fromkeys(contacts.of_deleted_people(tx)), now, remove=True)
    runs.set_fact(tx, "hard_delete", "true" if settings.hard_delete else "false")
