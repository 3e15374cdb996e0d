"""What a changed config takes back: what may not be sent any more goes off people, contacts and waiting surveys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from target_promoter.config.settings import Settings
from target_promoter.contacts import contacts
from target_promoter.people import people, stored_events
from target_promoter.people.person import Person
from target_promoter.records.streams import Reading, reading_of
from target_promoter.store import runs, streams
from target_promoter.store.encoding import decode, encode
from target_promoter.store.streams import KnownStream
from target_promoter.store.transaction import Transaction
from target_promoter.surveys import schedule, surveys
from target_promoter.values import events as globs


def apply_settings(tx: Transaction, settings: Settings, now: float) -> list[str]:
    """Have the config hold for all that is stored, and return the streams that are read otherwise than before.

    A glob speaks for the streams that come: another config may read others into the same store.
    """
    changed = []
    for known in list(streams.all_read(tx)):
        setting = settings.stream(known.name)
        if setting is None or known.reading is None or not globs.is_name(setting.pattern):
            continue
        before = Reading.from_record(known.reading)
        if take_in_reading(tx, known, reading_of(setting, before.shape), now):
            changed.append(known.name)
    _drop_events(tx, settings, now)
    _remove_deleted(tx, settings, now)
    contacts.join_lists(tx, settings.contact_lists, now)
    schedule.apply_settings(tx, settings, now)
    return changed


def take_in_reading(tx: Transaction, known: KnownStream, reading: Reading, now: float) -> bool:
    """Keep how a stream is read, take off what may not be sent any more, and return whether it was read otherwise."""
    before = None if known.reading is None else Reading.from_record(known.reading)
    streams.remember(tx, replace(known, reading=reading.as_record()), now)
    if before is None or before == reading:
        return False
    if reading.type == "ignore":
        drop(tx, known.name, now)
    elif reading.withdraws(before):
        allowed = reading.traits
        lists = frozenset(reading.contact_lists)
        _change(tx, lambda person: person.restricted(known.name, allowed, lists), now)
        if allowed is not None:
            surveys.restrict(tx, known.name, allowed)
    return True


def drop(tx: Transaction, stream: str, now: float) -> tuple[int, int]:
    """Take back all that a stream said; return how many people it spoke of, and how many surveys are cancelled."""
    stored_events.drop(tx, stream)
    return _change(tx, lambda person: person.without(stream), now), surveys.drop(tx, stream, now)


def _change(tx: Transaction, change: Callable[[Person], Person], now: float) -> int:
    """Change everybody, have delivery look at the contacts of those who differ, and return how many they are."""
    number = 0
    for before, after in people.change_all(tx, change):
        number += 1
        owners = {email: after.user_id for email in (before.address, after.address) if email is not None}
        contacts.mark_dirty(tx, owners, now)
    return number


def _drop_events(tx: Transaction, settings: Settings, now: float) -> None:
    """Take the properties of events that are not stored any more off their people."""
    prefixes = sorted(settings.stored_events.values())
    known = runs.fact(tx, "stored_events")
    gone = frozenset(() if known is None else decode(known)).difference(prefixes)
    if gone:
        stored_events.drop_prefixes(tx, gone)
        _change(tx, lambda person: person.without_events(gone), now)
    runs.set_fact(tx, "stored_events", encode(prefixes))


def _remove_deleted(tx: Transaction, settings: Settings, now: float) -> None:
    """Have the contacts of people who were deleted before removed from Promoter, once `hard_delete` is switched on."""
    if settings.hard_delete and runs.fact(tx, "hard_delete") != "true":
        contacts.mark_dirty(tx, dict.fromkeys(contacts.of_deleted_people(tx)), now, remove=True)
    runs.set_fact(tx, "hard_delete", "true" if settings.hard_delete else "false")
