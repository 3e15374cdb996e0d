"""Removing people, and what they did under names that nobody else has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sqlalchemy import Table, delete, exists, select

from target_promoter.people import people
from target_promoter.people.identity import Identifiers, anonymous_key, email_key, names_of
from target_promoter.store.schema import anonymous_ids, kept_properties, people_rows, streams, version_rows
from target_promoter.store.schema import people as people_table
from target_promoter.store.transaction import Transaction


def forget(tx: Transaction, whom: Identifiers) -> int:
    """Remove people, and return how many they were."""
    forget_kept(tx, kept_properties, whom.keys)
    linked = anonymous_ids.c.user_id.in_(whom.user_ids) | anonymous_ids.c.anonymous_id.in_(whom.anonymous_ids)
    tx.execute(delete(anonymous_ids).where(linked))
    tx.execute(delete(people_rows).where(people_rows.c.user_id.in_(whom.user_ids)))
    # In the words of the key, which begins with the stream.
    of_streams = version_rows.c.stream.in_(select(streams.c.name))
    tx.execute(delete(version_rows).where(of_streams, version_rows.c.user_id.in_(whom.user_ids)))
    return tx.execute(delete(people_table).where(people_table.c.user_id.in_(whom.user_ids))).rowcount


def forget_kept(tx: Transaction, table: Table, keys: Collection[str]) -> None:
    """Remove what a table keeps under the keys of people, and what the same calls left under their other names.

    A call without a user id is kept under all that it names. What it left under another name goes if nobody is known to
    have that, and if it can be no second call's.
    """
    own = {row.who for row in tx.rows_among("who", table.name, "who", keys)}
    if own:
        _forget_twins(tx, table, keys)
        tx.execute(delete(table).where(table.c.who.in_(own)))


def _forget_twins(tx: Transaction, table: Table, keys: Collection[str]) -> None:
    """Remove what the same calls left under other names than the keys; the whole table is read for it."""
    other, rest = table.alias(), [column for column in table.c if column.name != "who"]
    # Of a call with a user id nothing is kept under another name.
    nameless = (table.c.who < "u:") & table.c.who.not_in(keys)
    same = exists().where(other.c.who.in_(keys), *(column == other.c[column.name] for column in rest))
    twins = [tuple(row) for row in tx.execute(select(table.c.who, *rest).where(nameless, same))]
    taken = _taken(tx, {who for who, *_ in twins})
    like_it = Counter((who[0], *said) for who, *said in twins)
    for who, *said in twins:
        if who not in taken and like_it[(who[0], *said)] == 1:
            row = (column == value for column, value in zip(rest, said, strict=True))
            tx.execute(delete(table).where(table.c.who == who, *row))


def _taken(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Return those of the keys that stand for somebody."""
    names = names_of(keys)
    anonymous = people.users_of(tx, names.anonymous_ids)
    living = people.load_by_email(tx, names.emails, whole=False)
    return {*map(anonymous_key, anonymous), *map(email_key, living)}
