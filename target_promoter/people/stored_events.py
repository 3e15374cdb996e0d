"""Properties of stored events whose call named no user id, or one that nobody is known by yet."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, select

from target_promoter.people import people
from target_promoter.people.identity import anonymous_key, email_key
from target_promoter.people.traits import Trait, later_properties
from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import kept_properties
from target_promoter.store.transaction import Transaction

_COLUMNS: Final = "who, stream, prefix, time, properties"


class Place(NamedTuple):
    """Where properties are kept: under a key of `people.identity`, by stream and attribute prefix."""

    who: str
    stream: str
    prefix: str


def keep(tx: Transaction, said: Mapping[Place, Trait]) -> set[str]:
    """Keep properties of stored events, with their event's time, and return the keys of which others are kept now.

    Those of a user id wait until that person is known. Those of an anonymous id or an e-mail address stay: whose they
    are may still change.
    """
    known = dict(_found(tx, {place.who for place in said}))
    now = {place: later_properties(known.get(place), one) for place, one in said.items()}
    changed = {place: one for place, one in now.items() if one != known.get(place)}
    rows = [
        {**place._asdict(), "time": time, "properties": encode(properties)}
        for place, (properties, time) in changed.items()
    ]
    tx.upsert(kept_properties, rows)
    return {place.who for place in changed}


def take(tx: Transaction, keys: Iterable[str]) -> list[tuple[Place, Trait]]:
    """Return and remove what was kept under the given keys."""
    wanted = set(keys)
    if not wanted or not _any_kept(tx):
        return []
    found = _found(tx, wanted)
    for who in {place.who for place, _ in found}:
        tx.execute(kept_properties.delete().where(kept_properties.c.who == who))
    return found


def of_owners(tx: Transaction, owners: Mapping[str, str]) -> dict[str, list[tuple[Place, Trait]]]:
    """Return what is kept for contacts, by address; `owners` gives the user id of the person who owns each."""
    if not _any_kept(tx):
        return {}
    addresses = {email_key(email): email for email in owners}
    of_user = {user_id: email for email, user_id in owners.items()}
    links = people.anonymous_links_of(tx, of_user)
    addresses |= {anonymous_key(anonymous_id): of_user[user_id] for anonymous_id, user_id in links.items()}
    found: dict[str, list[tuple[Place, Trait]]] = {}
    for place, trait in _found(tx, addresses):
        found.setdefault(addresses[place.who], []).append((place, trait))
    return found


def among(tx: Transaction, anonymous_ids: Iterable[str]) -> set[str]:
    """Return those of the anonymous ids for which anything is kept."""
    wanted = {anonymous_key(one): one for one in anonymous_ids}
    return {wanted[row[0]] for row in tx.rows_among("who", "kept_properties", "who", set(wanted))}


def owners(tx: Transaction, keys: Iterable[str]) -> dict[str, str]:
    """Return the addresses of the contacts that have what is kept under keys, each with the user id of its person."""
    kinds: dict[str, set[str]] = {"a": set(), "e": set(), "u": set()}
    for key in keys:
        kinds[key[0]].add(key[2:])
    linked = {user_id for user_id in people.users_of(tx, kinds["a"]).values() if user_id is not None}
    addresses = {row.address for row in people.look_up(tx, linked).values() if row.address is not None}
    living = people.load_by_email(tx, kinds["e"] | addresses, whole=False)
    return {email: rows[-1].user_id for email, rows in living.items()}


def drop(tx: Transaction, stream: str) -> set[str]:
    """Remove what a stream brought, and return the keys under which it was."""
    return _remove(tx, kept_properties.c.stream == stream)


def remove_events(tx: Transaction, prefixes: Iterable[str]) -> set[str]:
    """Remove what is kept of events that are not stored any more, by attribute prefix, and return its keys."""
    return _remove(tx, kept_properties.c.prefix.in_(list(prefixes)))


def _remove(tx: Transaction, where: ColumnElement[bool]) -> set[str]:
    tx.bring(select(kept_properties).where(where))
    keys = set(tx.scalars(select(kept_properties.c.who).where(where)))
    tx.execute(kept_properties.delete().where(where))
    return keys


def restrict(tx: Transaction, stream: str, traits: Container[str] | None) -> set[str]:
    """Take properties off what a stream brought that may not be sent any more, and return the keys under which it is.

    Args:
        traits: The names of the properties that may be, in lower case; None for all of them.
    """
    if traits is None:
        return set()
    rows, of_stream = [], select(kept_properties).where(kept_properties.c.stream == stream)
    tx.bring(of_stream)
    for row in tx.execute(of_stream):
        before = decode(row.properties)
        allowed = {name: value for name, value in before.items() if name.lower() in traits}
        if allowed != before:
            rows.append({**row._asdict(), "properties": encode(allowed)})
    tx.upsert(kept_properties, rows)
    return {row["who"] for row in rows}


def _any_kept(tx: Transaction) -> bool:
    return tx.any(select(kept_properties.c.who))


def _found(tx: Transaction, keys: Iterable[str]) -> list[tuple[Place, Trait]]:
    rows = tx.rows_among(_COLUMNS, "kept_properties", "who", set(keys))
    return [(Place(row[0], row[1], row[2]), (decode(row[4]), row[3])) for row in rows]
