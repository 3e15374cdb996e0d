"""Properties of stored events whose call named no user id, or one that nobody is known by yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from target_promoter.people import people
from target_promoter.people.traits import later_properties
from target_promoter.store.encoding import decode, encode
from target_promoter.store.schema import kept_properties

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_promoter.people.traits import Trait
    from target_promoter.store.transaction import Transaction

_COLUMNS: Final = "who, prefix, time, properties"


def keep(tx: Transaction, said: Mapping[tuple[str, str], Trait]) -> set[str]:
    """Keep properties of stored events by whom they are of.

    Those of a user id wait until that person is known. Those of an anonymous id or an e-mail address stay: whose they
    are may still change.

    Args:
        said: By who it was (`people.user_key`, `people.anonymous_key` or `people.email_key`) and attribute prefix, the
            properties and their time.

    Returns:
        The keys of those of whom something else is kept now.
    """
    found = tx.rows_among(_COLUMNS, "kept_properties", "who", {who for who, _ in said})
    known = {(row[0], row[1]): (decode(row[3]), row[2]) for row in found}
    now = {key: later_properties(known.get(key), one) for key, one in said.items()}
    changed = {key: one for key, one in now.items() if one != known.get(key)}
    rows = [
        {"who": who, "prefix": prefix, "time": time, "properties": encode(properties)}
        for (who, prefix), (properties, time) in changed.items()
    ]
    tx.upsert(kept_properties, rows)
    return {who for who, _ in changed}


def any_kept(tx: Transaction) -> bool:
    """Return whether anything is kept."""
    return tx.scalar(select(kept_properties.c.who).limit(1)) is not None


def take(tx: Transaction, keys: Iterable[str]) -> list[tuple[str, str, Trait]]:
    """Return and remove what was kept for the given keys: who, attribute prefix, and the properties with their time.

    Args:
        keys: The keys, such as `people.user_key`.
    """
    wanted = set(keys)
    if not wanted or not any_kept(tx):
        return []
    found = _rows(tx, wanted)
    for who in {one[0] for one in found}:
        tx.execute(kept_properties.delete().where(kept_properties.c.who == who))
    return found


def of_owners(tx: Transaction, owners: Mapping[str, str]) -> dict[str, list[tuple[str, Trait]]]:
    """Return what is kept for contacts: by address, attribute prefix and the properties with their time.

    Args:
        owners: By address, the user id of the person who owns the contact.
    """
    if not any_kept(tx):
        return {}
    addresses = {people.email_key(email): email for email in owners}
    of_user = {user_id: email for email, user_id in owners.items()}
    links = people.anonymous_links_of(tx, of_user)
    addresses |= {people.anonymous_key(anonymous_id): of_user[user_id] for anonymous_id, user_id in links.items()}
    found: dict[str, list[tuple[str, Trait]]] = {}
    for who, prefix, trait in _rows(tx, addresses):
        found.setdefault(addresses[who], []).append((prefix, trait))
    return found


def among(tx: Transaction, anonymous_ids: Iterable[str]) -> set[str]:
    """Return those of the anonymous ids for which anything is kept."""
    wanted = {people.anonymous_key(one): one for one in anonymous_ids}
    return {wanted[row[0]] for row in tx.rows_among("who", "kept_properties", "who", set(wanted))}


def _rows(tx: Transaction, keys: Iterable[str]) -> list[tuple[str, str, Trait]]:
    rows = tx.rows_among(_COLUMNS, "kept_properties", "who", set(keys))
    return [(row[0], row[1], (decode(row[3]), row[2])) for row in rows]
