"""The latest properties of stored events, by what their calls name their people by."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, func, select, tuple_, update

from target_promoter.people import people
from target_promoter.people.identity import anonymous_key, email_key, names_of, user_key
from target_promoter.people.person import PULLED, Trait, later
from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import kept_properties
from target_promoter.store.schema import people as people_table
from target_promoter.store.transaction import Transaction
from target_promoter.values.times import iso

_COLUMNS: Final = ("who", "stream", "prefix", "time", "properties")
_WHO: Final = "who"
_STEP: Final = 5000


class Place(NamedTuple):
    """Where properties are kept: under a key of `people.identity`, by stream and attribute prefix."""

    who: str
    stream: str
    prefix: str


class Gone(NamedTuple):
    """What was taken back."""

    keys: set[str]
    """The keys under which it was kept."""
    pulled: dict[str, list[tuple[str, object]]]
    """The attributes that it was, by user id, of people of whom Promoter itself says what it has."""


def later_properties(known: Trait | None, said: Trait) -> Trait:
    """Return which properties of a stored event stand: the later event's; of one event all that was said of it.

    The warehouse table `tracks` brings an event without its properties, and the event's own table brings them.
    """
    if known is None or known[1] != said[1]:
        return later(known, said)
    if known[0] == said[0]:
        return known
    both = {name: later((value, 0.0), (said[0].get(name, value), 0.0))[0] for name, value in known[0].items()}
    return {**said[0], **both}, known[1]


def attributes(prefix: str, said: Trait) -> list[tuple[str, object]]:
    """Return the attributes of a contact that the properties of a stored event are, with their names."""
    properties, time = said
    return [*((f"{prefix}_{name}", value) for name, value in properties.items()), (f"{prefix}_at", iso(time))]


def latest(stored: Iterable[tuple[Place, Trait]], deleted_at: float | None) -> dict[str, Trait]:
    """Return of each event, by attribute prefix, what stands of a person that was deleted at a time, if ever."""
    found: dict[str, Trait] = {}
    for place, said in stored:
        if deleted_at is None or said[1] > deleted_at:
            found[place.prefix] = later_properties(found.get(place.prefix), said)
    return found


def keep(tx: Transaction, said: Mapping[Place, Trait], said_again: Container[Place] = ()) -> set[str]:
    """Keep properties of stored events, with their event's time, and return the keys of which others are kept now.

    Args:
        said_again: Places of which the same events told before: another time alone is none that costs a request.
    """
    # What was read with other fields counts for nothing.
    known = dict(_found(tx, {place.who for place in said}, f"outdated = 0 AND {_WHO}"))
    now = {place: later_properties(known.get(place), one) for place, one in said.items()}

    def is_news(place: Place, one: Trait) -> bool:
        before = known.get(place)
        return before is None or one[0] != before[0] or (one[1] != before[1] and place not in said_again)

    changed = {place: one for place, one in now.items() if is_news(place, one)}
    rows = [(*place, time, encode(properties), 0) for place, (properties, time) in changed.items()]
    tx.upsert_rows(kept_properties, (*_COLUMNS, "outdated"), sorted(rows))
    return {place.who for place in changed}


def of_owners(tx: Transaction, owners: Mapping[str, str]) -> dict[str, list[tuple[Place, Trait]]]:
    """Return what is kept for contacts, by address; `owners` gives the user id of the person who owns each."""
    if not tx.any(select(kept_properties.c.who)):
        return {}
    addresses = {email_key(email): email for email in owners}
    email_of = {user_id: email for email, user_id in owners.items()}
    addresses |= {user_key(user_id): email for user_id, email in email_of.items()}
    links = people.anonymous_links_of(tx, email_of)
    addresses |= {anonymous_key(anonymous_id): email_of[user_id] for anonymous_id, user_id in links.items()}
    found: dict[str, list[tuple[Place, Trait]]] = {}
    for place, trait in _found(tx, addresses):
        found.setdefault(addresses[place.who], []).append((place, trait))
    return found


def of_user(tx: Transaction, user_id: str) -> dict[Place, Trait]:
    """Return what is kept under a user id."""
    return dict(_found(tx, [user_key(user_id)]))


def among(tx: Transaction, keys: Iterable[str]) -> set[str]:
    """Return those of the keys under which anything is kept."""
    return {row.who for row in tx.rows_among("who", "kept_properties", "who", set(keys))}


def owners(tx: Transaction, keys: Iterable[str]) -> dict[str, str]:
    """Return the addresses of the contacts that have what is kept under keys, each with the user id of its person."""
    names = names_of(keys)
    linked = {user_id for user_id in people.users_of(tx, names.anonymous_ids).values() if user_id is not None}
    users = people.look_up(tx, linked | names.user_ids).values()
    addresses = {row.address for row in users if row.address is not None}
    living = people.load_by_email(tx, names.emails | addresses, whole=False)
    return {email: rows[-1].user_id for email, rows in living.items()}


def end_before(tx: Transaction, user_id: str, time: float) -> None:
    """Remove what a person did before it was deleted at a time, in epoch seconds."""
    ended = (kept_properties.c.who == user_key(user_id)) & (kept_properties.c.time <= time)
    tx.bring(select(kept_properties).where(ended))
    tx.execute(kept_properties.delete().where(ended))


def drop(tx: Transaction, stream: str) -> Gone:
    """Remove what a stream brought."""
    return _remove(tx, kept_properties.c.stream == stream)


def remove_events(tx: Transaction, prefixes: Iterable[str]) -> Gone:
    """Remove what is kept of events that are not stored any more, by attribute prefix."""
    return _remove(tx, kept_properties.c.prefix.in_(list(prefixes)))


def outdate(tx: Transaction, stream: str) -> None:
    """Have what a stream brought be replaced by what is read again, by other fields, however old that is."""
    of_stream = kept_properties.c.stream == stream
    tx.bring(select(kept_properties).where(of_stream))
    tx.execute(update(kept_properties).where(of_stream).values(outdated=1))


def restrict(tx: Transaction, stream: str, traits: Container[str] | None) -> Gone:
    """Take properties off what a stream brought that may not be sent any more.

    Args:
        traits: The names of the properties that may be, in lower case; None for all of them.
    """
    gone = Gone(set(), {})
    if traits is None:
        return gone
    of_stream = kept_properties.c.stream == stream
    tx.bring(select(kept_properties).where(of_stream))
    before = _of_pulled(tx, of_stream)
    place = tuple_(kept_properties.c.who, kept_properties.c.prefix)
    query, last = select(kept_properties).where(of_stream).order_by(*place).limit(_STEP), ("", "")
    while rows := tx.execute(query.where(place > last)).all():
        last = (rows[-1].who, rows[-1].prefix)
        changed = []
        for row in rows:
            properties = decode(row.properties)
            allowed = {name: value for name, value in properties.items() if name.lower() in traits}
            if allowed != properties:
                changed.append((row.who, stream, row.prefix, row.time, encode(allowed)))
        tx.upsert_rows(kept_properties, _COLUMNS, changed)
        gone.keys.update(who for who, *_ in changed)
    after = _of_pulled(tx, of_stream)
    gone.pulled.update(
        {user_id: [one for one in said if one not in after.get(user_id, ())] for user_id, said in before.items()}
    )
    return gone


def _remove(tx: Transaction, where: ColumnElement[bool]) -> Gone:
    tx.bring(select(kept_properties).where(where))
    gone = Gone(set(tx.scalars(select(kept_properties.c.who).where(where))), _of_pulled(tx, where))
    tx.execute(kept_properties.delete().where(where))
    return gone


def _of_pulled(tx: Transaction, where: ColumnElement[bool]) -> dict[str, list[tuple[str, object]]]:
    """Return the attributes, by user id, that are kept of people of whom Promoter itself says what it has."""
    people.bring_people_of(tx, PULLED)
    is_theirs = people_table.c.user_id == func.substr(kept_properties.c.who, 3)
    is_pulled = people_table.c.parts.contains(encode(PULLED), autoescape=True)
    query = select(kept_properties).join(people_table, is_theirs).where(where, is_pulled)
    found: dict[str, list[tuple[str, object]]] = {}
    for row in tx.execute(query.where(kept_properties.c.who.startswith("u:"))):
        found.setdefault(row.who[2:], []).extend(attributes(row.prefix, (decode(row.properties), row.time)))
    return found


def _found(tx: Transaction, keys: Iterable[str], which: str = _WHO) -> Iterator[tuple[Place, Trait]]:
    for row in tx.rows_among(", ".join(_COLUMNS), "kept_properties", which, set(keys)):
        yield Place(row.who, row.stream, row.prefix), (decode(row.properties), row.time)
